/*
 * The <body/> wrapper of BOSH (XEP-0124 §6, §7; XEP-0206): a request read, an
 * answer written.  Pure.
 *
 * A request is parsed as a whole before anything of it takes effect.  Payloads
 * that say no namespace inherit the wrapper's; clients mean jabber:client
 * (XEP-0206 §2), so that is what they become.
 *
 * The poll that a waiting client sends again and again has no payload and a
 * handful of attributes: it is read without an XML parser.
 */
#ifndef WAFT_BODY_H
#define WAFT_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/base/xml.h"

#define BODY_NS      "http://jabber.org/protocol/httpbind"
#define BODY_NS_XMPP "urn:xmpp:xbosh"

/* The longest rid (XEP-0124 §14.1). */
#define BODY_RID_MAX ((UINT64_C(1) << 53) - 1)

/* Terminal binding conditions, XEP-0124 §17.2. */
enum condition {
	COND_NONE,
	COND_BAD_REQUEST,
	COND_HOST_GONE,
	COND_HOST_UNKNOWN,
	COND_IMPROPER_ADDRESSING,
	COND_INTERNAL_SERVER_ERROR,
	COND_ITEM_NOT_FOUND,
	COND_OTHER_REQUEST,
	COND_POLICY_VIOLATION,
	COND_REMOTE_STREAM_ERROR,
	COND_SEE_OTHER_URI,
	COND_SYSTEM_SHUTDOWN,
	COND_MAX
};

/* "item-not-found"; "" for COND_NONE. */
const char *condition_name(enum condition condition);
/* What a client that named no `ver` gets as HTTP status (§17.1); 200 for all
 * others. */
int condition_http_status(enum condition condition);

/*
 * A request.  Texts are NULL when absent and borrow: from the parsed tree, or,
 * when there is none, from the text that was parsed.
 */
struct body {
	struct xml *root; /* NULL: an empty request, read the short way */
	bool bad;         /* an attribute with an impossible value */
	bool terminate;
	bool restart;
	bool has_rid;
	bool has_ack;
	bool has_ver;
	bool has_payload;
	uint64_t rid;
	uint64_t ack;
	int64_t wait_s; /* -1: absent, as below */
	int64_t hold;
	int64_t pause_s;
	unsigned ver_major;
	unsigned ver_minor;
	struct slice sid;
	struct slice to;
	struct slice lang;
	struct slice content;
	struct slice key;
	struct slice newkey;
};

/*
 * ERR_OK, or ERR_BAD, ERR_LARGE and *why: not a body at all, nothing in it is
 * to be believed.  A body with an impossible attribute is ERR_OK and `bad`, so
 * that its session can be told.
 */
enum err body_parse(struct xml_reader *reader, const char *text, size_t len,
    struct body *body, const char **why);
void body_clear(struct body *body);
/* Moves it to the heap, independent of the text it was read from. */
struct body *body_keep(struct body *body);
void body_free(struct body *body);

/* Node, its siblings and all in them: those of that namespace are
 * jabber:client's from now on. */
void body_to_client_ns(const struct xml *node, const char *from);

/* First payload element, or NULL; xml_next() for the others. */
const struct xml *body_first(const struct body *body);

/* ---- answers --------------------------------------------------------- */

/* <body/> with nothing in it, the commonest answer. */
extern const char body_empty[];
extern const size_t body_empty_len;

/* Attributes of one answer; zero is absent. */
struct body_attrs {
	uint64_t ack;
	uint64_t report;
	int64_t report_ms;
	bool stream; /* declare the prefix `stream` (XEP-0206 §2) */
};

/* Opens the wrapper, ending in `>`. */
void body_open(struct buf *out, const struct body_attrs *attrs);
void body_close(struct buf *out);

/* What the answer to a creation announces (XEP-0124 §7.2). */
struct body_created {
	const char *sid;
	const char *domain;
	uint64_t ack; /* 0: none */
	int64_t wait_ms;
	int64_t inactivity_ms;
	int64_t polling_ms;
	int64_t max_pause_ms;
	int hold;
	int requests;
	unsigned ver_minor; /* of 1 */
	bool has_ver;
};
void body_open_created(struct buf *out, const struct body_created *created);

/* A terminal body; stream_error is a whole element or NULL. */
void body_write_end(struct buf *out, enum condition condition,
    const char *stream_error);
/* The same with COND_SEE_OTHER_URI. */
void body_write_see_other(struct buf *out, const char *uri);
/* The recoverable error (§17.3). */
void body_write_error(struct buf *out);

#endif
