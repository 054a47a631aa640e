/*
 * Who sent a request, and whether nobody could read it on its way.  That is
 * what the connection says; where it comes from one of trusted-proxies, what
 * that proxy says (X-Forwarded-For, X-Forwarded-Proto).  The headers of anybody
 * else mean nothing: anybody can write them.
 *
 * A proxy appends the address it saw, so the list is read from its end, past
 * further trusted proxies, to the first address that is none.
 */
#ifndef WAFT_SENDER_H
#define WAFT_SENDER_H

#include <netinet/in.h>
#include <stdbool.h>

#include "common/base/conf.h"
#include "common/http/conn.h"

struct proxies;

struct sender {
	char address[INET6_ADDRSTRLEN];
	bool loopback;
	/* By TLS, ours or the proxy's; where neither says a word, as
	 * assume-secure says. */
	bool secure;
};

struct proxies *proxies_create(const struct conf_bosh *conf);
void proxies_free(struct proxies *proxies);
/* Inside the handler. */
void proxies_sender(const struct proxies *proxies,
    const struct exchange *exchange, struct sender *out);
/* The address that is counted; NULL: none, loopback where limit-loopback does
 * not say otherwise. */
const char *sender_counted(const struct sender *sender,
    const struct conf_bosh *conf);
/* What a trusted proxy's request says, over what its connection said. */
void proxies_read(const struct proxies *proxies, const struct http_head *head,
    struct sender *out);

#endif
