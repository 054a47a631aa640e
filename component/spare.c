#include "component/spare.h"

#include <fcntl.h>
#include <unistd.h>

void
spare_take(int *fd)
{
	if (*fd < 0)
		*fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void
spare_give(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
