#include "component/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "common/base/log.h"

static bool
resolve_is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *in4 = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;

	if (address->sa_family == AF_INET)
		return ntohl(in4->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static const struct addrinfo *
resolve_choose(const struct addrinfo *found)
{
	const struct addrinfo *at;

	for (at = found; at != NULL; at = at->ai_next)
		if (at->ai_family == AF_INET)
			return at;
	return found;
}

int
resolve_server(const struct conf_component *conf, char *ip, size_t size)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int rc = getaddrinfo(conf->host, NULL, &hints, &found);
	const struct addrinfo *chosen;
	bool loopback;

	if (rc != 0) {
		log_error("component.resolve", "domain=%s server=%s why=%s",
		    LOGQ(conf->domain), LOGQ(conf->host),
		    LOGQ(gai_strerror(rc)));
		return EX_NOHOST;
	}
	chosen = resolve_choose(found);
	getnameinfo(chosen->ai_addr, chosen->ai_addrlen, ip, (socklen_t)size,
	    NULL, 0, NI_NUMERICHOST);
	loopback = resolve_is_loopback(chosen->ai_addr);
	freeaddrinfo(found);
	if (loopback || conf->allow_plain)
		return 0;
	log_error("component.plain",
	    "domain=%s server=%s ip=%s why=\"the link is not encrypted and "
	    "the server is not on loopback\" fix=\"tunnel it (VPN, stunnel), "
	    "or say allow-plain = yes\"",
	    LOGQ(conf->domain), LOGQ(conf->host), LOGQ(ip));
	return EX_CONFIG;
}
