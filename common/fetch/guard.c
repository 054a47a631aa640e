#include "common/fetch/guard.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/network.h"

static const char *const guard_private[] = { "0.0.0.0/8", "10.0.0.0/8",
	"100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16" };
static const char *const guard_global[] = { "0.0.0.0/0", "2000::/3" };

struct guard {
	struct network barred[ARRAY_LEN(guard_private)];
	struct network global[ARRAY_LEN(guard_global)];
	struct network *allowed;
	size_t n_allowed;
};

static size_t
guard_parse(const char *const *texts, size_t count, struct network *networks)
{
	size_t i, n = 0;

	for (i = 0; i < count; i++)
		n += network_parse(texts[i], strlen(texts[i]), &networks[n]);
	return n;
}

struct guard *
guard_create(const struct conf_strings *networks)
{
	struct guard *guard = xcalloc(1, sizeof(*guard));

	guard_parse(guard_private, ARRAY_LEN(guard_private), guard->barred);
	guard_parse(guard_global, ARRAY_LEN(guard_global), guard->global);
	guard->allowed =
	    xcalloc(networks->count + 1, sizeof(guard->allowed[0]));
	guard->n_allowed = guard_parse((const char *const *)networks->list,
	    networks->count, guard->allowed);
	return guard;
}

void
guard_free(struct guard *guard)
{
	if (guard == NULL)
		return;
	free(guard->allowed);
	free(guard);
}

static bool
guard_read(const struct sockaddr *address, struct network *network)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	network->bits = 128;
	if (address->sa_family == AF_INET) {
		memcpy(&in4, address, sizeof(in4));
		memcpy(network->address, mapped, sizeof(mapped));
		memcpy(network->address + sizeof(mapped), &in4.sin_addr, 4);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&in6, address, sizeof(in6));
	memcpy(network->address, &in6.sin6_addr, sizeof(network->address));
	return true;
}

static bool
guard_has(const struct network *networks, size_t count,
    const struct network *address)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (network_has(&networks[i], address))
			return true;
	return false;
}

bool
guard_allows(const struct guard *guard, const struct sockaddr *address)
{
	struct network network;

	if (!guard_read(address, &network))
		return false;
	if (guard_has(guard->allowed, guard->n_allowed, &network))
		return true;
	return guard_has(guard->global, ARRAY_LEN(guard_global), &network) &&
	    !guard_has(guard->barred, ARRAY_LEN(guard_private), &network);
}
