#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/sqlite.h"

bool
bell_open(struct bell *bell, const char *path, struct buf *why)
{
	char *name = xasprintf("%s-bell", path);

	bell->inotify = -1;
	bell->rung = 0;
	bell->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (bell->fd >= 0)
		bell->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (bell->inotify < 0 ||
	    inotify_add_watch(bell->inotify, name, IN_MODIFY) < 0) {
		buf_addf(why,
		    "%s: %s: every daemon of the store must be able to write "
		    "it",
		    name, strerror(errno));
		bell_close(bell);
	}
	free(name);
	return bell->fd >= 0;
}

void
bell_close(struct bell *bell)
{
	if (bell->inotify >= 0)
		close(bell->inotify);
	if (bell->fd >= 0)
		close(bell->fd);
	bell->fd = bell->inotify = -1;
}

/* Eight bytes, big endian; 0 when there are none. */
static uint64_t
bell_read(const struct bell *bell)
{
	unsigned char bytes[8];
	uint64_t seq = 0;

	if (pread(bell->fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		return 0;
	for (int i = 0; i < 8; i++)
		seq = seq << 8 | bytes[i];
	return seq;
}

void
bell_ring(struct bell *bell, uint64_t newest)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(newest >> (56 - 8 * i));
	/* Another process was faster: its value stays, and our own watch has
	 * it noticed. */
	if (bell_read(bell) > newest)
		return;
	bell->rung = newest;
	/* A ring that is lost is made up for by the look once a second. */
	if (pwrite(bell->fd, bytes, sizeof(bytes), 0) < 0)
		bell->rung = 0;
}

bool
bell_heard(struct bell *bell, uint64_t newest)
{
	char events[1024];
	uint64_t seq;

	while (read(bell->inotify, events, sizeof(events)) > 0)
		;
	seq = bell_read(bell);
	return seq > newest || seq != bell->rung;
}
