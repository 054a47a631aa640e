/*
 * The public HTTP face of one worker: BOSH by POST with what browsers need
 * around it (CORS), and the demo page's files.
 */
#ifndef WAFT_WEB_H
#define WAFT_WEB_H

#include <stdbool.h>

#include "bosh/gateway.h"
#include "common/http/tls.h"

struct web;

struct web *web_create(struct gateway *gateway);
/* Listens on one more address, by TLS unless that is NULL; 0 and *why (static)
 * when it cannot, else the port. */
int web_listen(struct web *web, const char *address, struct tls *tls,
    const char **why);
/* Other certificates, for the handshakes to come. */
void web_set_tls(struct web *web, struct tls *tls);
void web_drain(struct web *web);
/* Aborts what is unanswered. */
void web_free(struct web *web);

#endif
