/*
 * The XEP-0114 stream to the XMPP server: the only file that knows libstrophe.
 * Connects by an IP literal, does the handshake, comes back by the rules of
 * retry.h, and in between takes text out and gives stanzas in.
 *
 * What is to be sent is written to link_out() and goes out at the end of the
 * turn, joined into large pieces.  Nothing of it survives the connection: the
 * caller remembers what was not confirmed (barrier.h).
 *
 * libstrophe calls select(), so the socket must be a low descriptor: one is
 * kept in reserve from link_create() on, which therefore has to run before
 * connections are accepted.
 */
#ifndef WAFT_COMPONENT_LINK_H
#define WAFT_COMPONENT_LINK_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/conf.h"
#include "common/base/loop.h"
#include "common/base/xml.h"
#include "component/retry.h"

struct link;

/* Called from inside the library: put off what closes or frees the link. */
struct link_ops {
	/* Authenticated; link_out() may be used. */
	void (*up)(void *arg);
	/* It was up and is not any more; what was in link_out() is gone. */
	void (*down)(void *arg, enum link_end end);
	/* A message, presence or iq in jabber:component:accept; borrowed. */
	void (*stanza)(void *arg, const struct xml *stanza);
	/* One that is past the limits of what we read: an empty one with its
	 * name, type, id and addresses. */
	void (*over)(void *arg, const struct xml *stanza);
};

/* Conf is borrowed; ip is the literal of its server. */
struct link *link_create(struct loop *loop, const struct conf_component *conf,
    const char *ip, const struct link_ops *ops, void *arg);
/* Cuts the connection if there is one; calls nothing.  Not inside a callback.
 */
void link_free(struct link *link);

/* Until then (monotonic) it may write.  Past it not a byte goes out, and what
 * comes in waits, until allowed again: a process that was frozen does not know
 * what became of its domain meanwhile. */
void link_allow(struct link *link, int64_t until_ms);
/* Whoever had the domain before did not end in order: for RETRY_EAGER_MS a
 * conflict is tried again quickly. */
void link_be_eager(struct link *link);
/* Connects, now and again, until link_close(). */
void link_start(struct link *link);
/* Sends what is written, ends the stream and does not come back.  True when
 * down() will follow, false when it was not up. */
bool link_close(struct link *link);
/* Ends the connection at once, as if the server had; it will be tried again. */
void link_cut(struct link *link, enum link_end end);

bool link_is_up(const struct link *link);
/* Why it is not; LINK_END_NONE while up or before the first attempt ended. */
enum link_end link_why(const struct link *link);

/* Where stanzas are written while up; link_flush() after it. */
struct buf *link_out(struct link *link);
/* Sends at the end of the turn. */
void link_flush(struct link *link);

#endif
