/*
 * HTTP requests of our own.  This folder alone knows libcurl, in two ways:
 *
 *	fetch_now()	one request, waited for: the command line tool
 *	agent.h		many at once on an event loop: what daemons use
 *
 * Both speak http and https only, verify certificates, follow no redirect
 * (an answer that points elsewhere is an answer), take no proxy from the
 * environment and ask for no compression.
 */
#ifndef WAFT_FETCH_H
#define WAFT_FETCH_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct fetch_request {
	const char *method; /* "GET", "POST", … */
	const char *url;
	const char *bearer; /* Authorization: Bearer …; NULL: none */
	const char *accept; /* NULL: anything */
	const char *body;   /* NULL: none */
	size_t len;
	const char *type;           /* Content-Type of body; NULL: JSON */
	const char *const *headers; /* further lines, ends with NULL; or NULL */
	long timeout_ms;            /* of the whole exchange */
};

/*
 * ERR_OK: an answer came; *status is its code and body its bytes (up to the
 * limit body was born with, else ERR_LARGE).  ERR_IO: none came; *why says why,
 * in the library's words, valid until the next call.
 */
enum err fetch_now(const struct fetch_request *request, int *status,
    struct buf *body, const char **why);

#endif
