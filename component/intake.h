/*
 * What the server sends on the link, taken apart: stanzas as trees within
 * limits, of those past them the head; and what is of the stream itself, which
 * is the library's.  One for each connection: it begins with the stream's head.
 */
#ifndef WAFT_COMPONENT_INTAKE_H
#define WAFT_COMPONENT_INTAKE_H

#include <stddef.h>

#include "common/base/err.h"
#include "common/base/xml.h"

struct intake;

/* Called from intake_feed(); the intake must not be freed in them. */
struct intake_ops {
	/* A message, presence or iq; borrowed. */
	void (*stanza)(void *arg, const struct xml *stanza);
	/* One past the limits: empty, with its type, id and addresses. */
	void (*over)(void *arg, const struct xml *stanza);
	/* A stream error, or the stream's end, as text. */
	void (*stream)(void *arg, const char *text, size_t len);
};

struct intake *intake_create(const char *domain, const struct intake_ops *ops,
    void *arg);
void intake_free(struct intake *intake);
/* Nothing is told before it: the handshake is somebody else's. */
void intake_begin(struct intake *intake);
/* Not ERR_OK, after a line in the log, when it is no XMPP any more. */
enum err intake_feed(struct intake *intake, const char *data, size_t len);

#endif
