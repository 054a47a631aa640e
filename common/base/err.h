/*
 * The one set of error codes.  0 is success everywhere.  Two tables turn a code
 * into what the outside sees: an HTTP status and an XMPP stanza error.
 */
#ifndef WAFT_ERR_H
#define WAFT_ERR_H

enum err {
	ERR_OK = 0,
	ERR_BAD,         /* input that breaks a rule; 400 bad-request */
	ERR_AUTH,        /* no or wrong credentials; 401 not-authorized */
	ERR_DENIED,      /* known, but may not; 403 forbidden */
	ERR_NOTFOUND,    /* 404 item-not-found */
	ERR_CONFLICT,    /* 409 conflict */
	ERR_GONE,        /* 410 gone: no longer there, will not come back */
	ERR_LARGE,       /* over a size limit; 413 not-acceptable */
	ERR_LIMIT,       /* over a count or rate limit; 429 policy-violation */
	ERR_UNSUPPORTED, /* 501 feature-not-implemented */
	ERR_BUSY,        /* try again: lock, queue; 503 resource-constraint */
	ERR_FULL,        /* no room on the disk; 503 resource-constraint */
	ERR_IO,          /* the system failed us; 500 internal-server-error */
	ERR_TIMEOUT,     /* no answer in time; 504 remote-server-timeout */
	ERR_UNAVAILABLE, /* nobody here does that; 503 service-unavailable */
	ERR_MAX
};

/* A short name for logs: "bad", "busy"; never NULL. */
const char *err_name(enum err);
/* 200 for ERR_OK. */
int err_http_status(enum err);
/* RFC 6120 §8.3.3 condition and its §8.3.2 type ("cancel", "wait", …). */
const char *err_xmpp_condition(enum err);
const char *err_xmpp_type(enum err);

#endif
