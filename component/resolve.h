/*
 * The XMPP server's address as a literal: libstrophe resolves names while all
 * else waits, so it is given none.  Looked up once, at the start.
 */
#ifndef WAFT_COMPONENT_RESOLVE_H
#define WAFT_COMPONENT_RESOLVE_H

#include <stddef.h>

#include "common/base/conf.h"

#define RESOLVE_MAX 64

/*
 * IPv4 before IPv6: Prosody's component port is on 127.0.0.1 alone by default,
 * and `localhost` is both.  Refuses an address that is not on loopback unless
 * allow-plain says so, for XEP-0114 has no encryption.  0, or an exit code
 * after log_error().
 */
int resolve_server(const struct conf_component *conf, char *ip, size_t size);

#endif
