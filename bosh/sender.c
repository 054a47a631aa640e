#include "bosh/sender.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/conf_options.h"
#include "common/base/mem.h"
#include "common/base/network.h"

struct proxies {
	const struct conf_bosh *conf;
	struct network *networks;
	size_t n;
};

struct proxies *
proxies_create(const struct conf_bosh *conf)
{
	const struct conf_strings *trusted = &conf->trusted_proxies;
	struct proxies *proxies = xcalloc(1, sizeof(*proxies));

	proxies->conf = conf;
	proxies->n = trusted->count;
	proxies->networks =
	    xcalloc(trusted->count + 1, sizeof(proxies->networks[0]));
	for (size_t i = 0; i < trusted->count; i++)
		network_parse(trusted->list[i], strlen(trusted->list[i]),
		    &proxies->networks[i]);
	return proxies;
}

void
proxies_free(struct proxies *proxies)
{
	free(proxies->networks);
	free(proxies);
}

static bool
proxies_has(const struct proxies *proxies, const struct network *address)
{
	for (size_t i = 0; i < proxies->n; i++)
		if (network_has(&proxies->networks[i], address))
			return true;
	return false;
}

/* The last element of a comma-separated list, which loses it. */
static struct slice
sender_pop(struct slice *list)
{
	const char *comma = memrchr(list->p, ',', list->len);
	struct slice last = *list;

	if (comma == NULL) {
		list->len = 0;
	} else {
		list->len = (size_t)(comma - list->p);
		last.p = comma + 1;
		last.len -= list->len + 1;
	}
	for (; last.len > 0 && (*last.p == ' ' || *last.p == '\t'); last.len--)
		last.p++;
	while (last.len > 0 &&
	    (last.p[last.len - 1] == ' ' || last.p[last.len - 1] == '\t'))
		last.len--;
	return last;
}

/* Takes addresses from the end of one header; false once one of them is the
 * sender's, or is none. */
static bool
sender_follow(const struct proxies *proxies, struct slice list,
    struct sender *out)
{
	struct network network;
	struct slice last;

	while (list.len > 0) {
		last = sender_pop(&list);
		if (last.len >= sizeof(out->address) ||
		    !network_parse(last.p, last.len, &network) ||
		    memchr(last.p, '/', last.len) != NULL)
			return false;
		memcpy(out->address, last.p, last.len);
		out->address[last.len] = '\0';
		if (!proxies_has(proxies, &network))
			return false;
	}
	return true;
}

/* The last line is the trusted proxy's, as is its last word. */
static void
sender_proto(const struct http_head *head, struct sender *out)
{
	struct slice value;

	for (int i = head->n_headers - 1; i >= 0; i--) {
		value = head->headers[i].value;
		if (!slice_is(head->headers[i].name, "X-Forwarded-Proto") ||
		    value.len == 0)
			continue;
		value = sender_pop(&value);
		out->secure =
		    slice_is(value, "https") || slice_is(value, "wss");
		return;
	}
}

/* Several lines of one name are one list (RFC 9110 §5.3). */
void
proxies_read(const struct proxies *proxies, const struct http_head *head,
    struct sender *out)
{
	bool more = true;

	for (int i = head->n_headers - 1; i >= 0 && more; i--)
		if (slice_is(head->headers[i].name, "X-Forwarded-For"))
			more =
			    sender_follow(proxies, head->headers[i].value, out);
	out->loopback = conf_host_is_loopback(out->address);
	sender_proto(head, out);
}

void
proxies_sender(const struct proxies *proxies, const struct exchange *exchange,
    struct sender *out)
{
	const char *peer = exchange_peer(exchange);
	struct network network;

	strncpy(out->address, peer, sizeof(out->address) - 1);
	out->address[sizeof(out->address) - 1] = '\0';
	out->loopback = exchange_is_loopback(exchange);
	out->secure = exchange_is_tls(exchange) || proxies->conf->assume_secure;
	if (proxies->n > 0 && network_parse(peer, strlen(peer), &network) &&
	    proxies_has(proxies, &network))
		proxies_read(proxies, exchange_head(exchange), out);
}

const char *
sender_counted(const struct sender *sender, const struct conf_bosh *conf)
{
	return sender->loopback && !conf->limit_loopback ? NULL :
	                                                   sender->address;
}
