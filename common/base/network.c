#include "common/base/network.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/text.h"

#define NETWORK_V4_BITS 96 /* before an IPv4 address that is mapped */

static bool
network_address(const char *text, struct network *network, int *first_bit)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char *address = network->address;

	*first_bit = 0;
	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	*first_bit = NETWORK_V4_BITS;
	memcpy(address, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, address + sizeof(mapped)) == 1;
}

static bool
network_is_clean(const struct network *network)
{
	for (int bit = network->bits; bit < 128; bit++)
		if (network->address[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

bool
network_parse(const char *text, size_t len, struct network *network)
{
	const char *slash = memchr(text, '/', len);
	size_t address_len = slash == NULL ? len : (size_t)(slash - text);
	char address[NETWORK_TEXT_MAX];
	uint64_t bits;
	int first_bit;

	if (address_len >= sizeof(address) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(address, text, address_len);
	address[address_len] = '\0';
	if (!network_address(address, network, &first_bit))
		return false;
	network->bits = 128;
	if (slash == NULL)
		return true;
	if (!text_to_u64(slash + 1, len - address_len - 1,
	        (uint64_t)(128 - first_bit), &bits))
		return false;
	network->bits = first_bit + (int)bits;
	return network_is_clean(network);
}

bool
network_has(const struct network *network, const struct network *address)
{
	int bytes = network->bits / 8;
	int rest = network->bits % 8;
	int differ;

	if (memcmp(network->address, address->address, (size_t)bytes) != 0)
		return false;
	if (rest == 0)
		return true;
	differ = network->address[bytes] ^ address->address[bytes];
	return differ >> (8 - rest) == 0;
}
