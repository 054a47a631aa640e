#include "component/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/log.h"

void
watch_init(struct watch *watch)
{
	watch->fd = -1;
	watch->read_event = watch->write_event = NULL;
}

void
watch_open(struct watch *watch, struct event_base *base, int fd,
    event_callback_fn cb, void *arg)
{
	watch_close(watch);
	watch->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	watch->read_event =
	    event_new(base, watch->fd, EV_READ | EV_PERSIST, cb, arg);
	watch->write_event = event_new(base, watch->fd, EV_WRITE, cb, arg);
	if (watch->fd < 0 || watch->read_event == NULL ||
	    watch->write_event == NULL)
		fatal(EX_OSERR, "link.watch", "errno=%d", errno);
	event_add(watch->read_event, NULL);
	event_add(watch->write_event, NULL);
}

void
watch_close(struct watch *watch)
{
	if (watch->read_event != NULL)
		event_free(watch->read_event);
	if (watch->write_event != NULL)
		event_free(watch->write_event);
	if (watch->fd >= 0)
		close(watch->fd);
	watch_init(watch);
}

bool
watch_is_open(const struct watch *watch)
{
	return watch->fd >= 0;
}

/* Output is left over exactly when the socket takes no more: the library does
 * not tell how much of a piece it wrote. */
void
watch_want_write(struct watch *watch)
{
	struct pollfd poll_fd = { .fd = watch->fd, .events = POLLOUT };

	if (watch->fd < 0)
		return;
	if (poll(&poll_fd, 1, 0) == 0)
		event_add(watch->write_event, NULL);
}

void
watch_hold(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	event_del(watch->read_event);
	event_del(watch->write_event);
}

void
watch_go_on(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	event_add(watch->read_event, NULL);
	event_add(watch->write_event, NULL);
}

void
watch_cut(const struct watch *watch)
{
	if (watch->fd >= 0)
		shutdown(watch->fd, SHUT_RDWR);
}
