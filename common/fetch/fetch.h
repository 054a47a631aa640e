/*
 * One HTTP request of our own, waited for: what the command line tool uses to
 * talk to a control API.  Redirects are not followed, only http and https are
 * spoken.
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
	const char *body;   /* NULL: none */
	size_t len;
	const char *type; /* Content-Type of body; NULL: application/json */
	long timeout_ms;  /* of the whole exchange */
};

/*
 * ERR_OK: an answer came; *status is its code and body its bytes (up to the
 * limit body was born with, else ERR_LARGE).  ERR_IO: none came; *why says why,
 * in the library's words, valid until the next call.
 */
enum err fetch_now(const struct fetch_request *request, int *status,
    struct buf *body, const char **why);

#endif
