#include "common/base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"

static int
notify_send(const char *path, const char *state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	ssize_t sent;
	int error, fd;

	if (len == 0 || len >= sizeof(to.sun_path))
		return ENAMETOOLONG;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@') /* the abstract namespace, sd_notify(3) */
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	error = sent < 0 ? errno : 0;
	close(fd);
	return error;
}

void
notify_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int error;

	if (path == NULL || path[0] == '\0')
		return;
	error = notify_send(path, state);
	if (error != 0)
		log_warn("notify.failed", "error=%s", LOGQ(strerror(error)));
}
