/*
 * The TCP connection beneath the library.  libstrophe connects a socket and
 * talks into what it believes to be that; in truth the number it has is one end
 * of a socket pair by then, and we hold the connection and the other end.  So
 * the library does what it is there for (connecting, the stream's head and end,
 * the handshake, stream errors), and never sees a user's stanza: it would build
 * a tree without limits, whose time grows with the square of its elements, so
 * that a single stanza of 256 KiB kept everybody waiting for a minute.
 *
 * Bytes out go straight to the connection, in as few calls as it takes; what it
 * does not take waits here.
 */
#ifndef WAFT_COMPONENT_WIRE_H
#define WAFT_COMPONENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/loop.h"

struct wire;

struct wire_ops {
	/* From the server; borrowed.  It may close the wire. */
	void (*data)(void *arg, const char *data, size_t len);
	/* The connection has ended, and the library will see that of its. */
	void (*end)(void *arg);
};

struct wire *wire_create(struct loop *loop, const struct wire_ops *ops,
    void *arg);
void wire_free(struct wire *wire);

/* Takes the connection that fd is, made or being made, and puts the pair's end
 * in its place.  False, and nothing was done, when there are no descriptors. */
bool wire_open(struct wire *wire, int fd);
/* Closes the connection; what the library said last is still tried. */
void wire_close(struct wire *wire);
bool wire_is_open(const struct wire *wire);

/* Until then (monotonic) it may write.  Past it not a byte goes out, and what
 * comes in waits, until allowed again. */
void wire_allow(struct wire *wire, int64_t until_ms);
bool wire_is_held(struct wire *wire);

void wire_write(struct wire *wire, const char *data, size_t len);
/* To the library, as if the server had sent it. */
void wire_tell(struct wire *wire, const char *data, size_t len);
/* Ends the connection; end() follows. */
void wire_cut(struct wire *wire);

#endif
