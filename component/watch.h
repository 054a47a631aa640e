/*
 * Events on the socket of a library that closes it before it says so: they hang
 * on a copy of the descriptor, so that there is no moment when they hang on a
 * foreign one.
 */
#ifndef WAFT_COMPONENT_WATCH_H
#define WAFT_COMPONENT_WATCH_H

#include <stdbool.h>

#include <event2/event.h>

struct watch {
	int fd; /* the copy; -1: none */
	struct event *read_event;
	struct event *write_event;
};

void watch_init(struct watch *watch);
/* Cb(arg) when there is something to read, and after watch_want_write(). */
void watch_open(struct watch *watch, struct event_base *base, int fd,
    event_callback_fn cb, void *arg);
/* Safe on one that is closed, as the following are. */
void watch_close(struct watch *watch);
bool watch_is_open(const struct watch *watch);
/* Something may be left to write: cb() once the socket takes it, if it does not
 * now. */
void watch_want_write(struct watch *watch);
/* No events for now, and again; nothing is lost. */
void watch_hold(struct watch *watch);
void watch_go_on(struct watch *watch);
/* Ends the connection both ways; the library will see it. */
void watch_cut(const struct watch *watch);

#endif
