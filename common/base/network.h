/*
 * IP addresses and networks of them: "192.0.2.1", "10.0.0.0/8",
 * "2001:db8::/32". An IPv4 address and the same mapped into IPv6 (RFC 4291
 * §2.5.5.2) are one.
 */
#ifndef WAFT_NETWORK_H
#define WAFT_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#define NETWORK_TEXT_MAX 64

struct network {
	unsigned char address[16]; /* IPv4 mapped into IPv6 */
	int bits;                  /* of it that count; 128: one address */
};

/* False when the text is neither.  Bits past the prefix must be zero. */
bool network_parse(const char *text, size_t len, struct network *network);
bool network_has(const struct network *network, const struct network *address);

#endif
