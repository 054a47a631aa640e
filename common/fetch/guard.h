/*
 * Which addresses our own requests may go to.  A URL that somebody else may
 * choose, or whose name somebody else's DNS answers for, must not reach what
 * only this machine or its network reaches: so a private address is refused
 * unless it is in a network that the operator named.  Asked with the address a
 * connection is about to be made to, after DNS has spoken, so a name that
 * answers differently the second time (rebinding) gains nothing.
 *
 * Private: all that is not for the public internet by the registries of special
 * purpose addresses (RFC 6890): loopback, link-local, private, shared,
 * documentation, benchmarking, multicast, reserved; of IPv6 all outside
 * 2000::/3, and what there wraps an IPv4 address (6to4, Teredo).
 */
#ifndef WAFT_FETCH_GUARD_H
#define WAFT_FETCH_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/base/conf.h"

struct guard;

/* Texts of networks, checked before (network_parse()); one that is none is left
 * out. */
struct guard *guard_create(const struct conf_strings *networks);
void guard_free(struct guard *guard);
bool guard_allows(const struct guard *guard, const struct sockaddr *address);

#endif
