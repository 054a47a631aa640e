#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/conf.h"
#include "common/base/conf_options.h"
#include "common/base/mem.h"
#include "common/base/text.h"

#define CONF_FILE_MAX   ((size_t)64 * 1024) /* of a secret or a key */
#define CONF_DOMAIN_MAX 255
#define CONF_LABEL_MAX  63

static char *
conf_place_text(const struct conf_option *o, void *target)
{
	return (char *)target + o->offset;
}

char *
conf_domain(const char *text)
{
	size_t i, label = 0, len = strlen(text);
	char *domain, c;

	if (len == 0 || len > CONF_DOMAIN_MAX || !text_is_utf8(text, len))
		return NULL;
	for (i = 0; i <= len; i++) {
		c = text[i];
		if (c == '.' || c == '\0') {
			if (label == 0 || label > CONF_LABEL_MAX ||
			    text[i - 1] == '-')
				return NULL;
			label = 0;
			continue;
		}
		if (c == '-' && label == 0)
			return NULL;
		if ((signed char)c >= 0 && c != '-' &&
		    !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
		    !(c >= 'A' && c <= 'Z'))
			return NULL;
		label++;
	}
	domain = xstrdup(text);
	for (i = 0; i < len; i++)
		if (domain[i] >= 'A' && domain[i] <= 'Z')
			domain[i] |= 0x20;
	return domain;
}

bool
conf_address(const char *text, char **host, int *port)
{
	const char *colon = strrchr(text, ':');
	size_t len;
	uint64_t number;

	if (colon == NULL ||
	    !text_to_u64(colon + 1, strlen(colon + 1), 65535, &number))
		return false;
	len = (size_t)(colon - text);
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (len == 0 || memchr(text, ':', len) != NULL) {
		return false;
	}
	*host = xstrndup(text, len);
	*port = (int)number;
	return true;
}

bool
conf_host_is_loopback(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	if (strcmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &six) == 1 &&
	    IN6_IS_ADDR_LOOPBACK(&six);
}

bool
conf_address_is_loopback(const char *address)
{
	char *host;
	int port;
	bool is;

	if (!conf_address(address, &host, &port))
		return false;
	is = conf_host_is_loopback(host);
	free(host);
	return is;
}

static bool
conf_address_can_listen(const char *address)
{
	unsigned char raw[sizeof(struct in6_addr)];
	char *host;
	int port;
	bool can;

	if (!conf_address(address, &host, &port))
		return false;
	can = strcmp(host, "localhost") == 0 ||
	    inet_pton(AF_INET, host, raw) == 1 ||
	    inet_pton(AF_INET6, host, raw) == 1;
	free(host);
	return can;
}

static bool
conf_is_origin(const char *text)
{
	const char *host;

	if (strcmp(text, "*") == 0)
		return true;
	if (strncmp(text, "http://", 7) == 0)
		host = text + 7;
	else if (strncmp(text, "https://", 8) == 0)
		host = text + 8;
	else
		return false;
	return *host != '\0' && strpbrk(host, "/?# ") == NULL;
}

/* ---- one value of each type ------------------------------------------- */

static void
conf_value_show(enum conf_type type, int64_t n, struct buf *out)
{
	static const struct {
		int64_t unit;
		const char *name;
	} times[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" },
		{ 1000, "s" }, { 1, "ms" } },
	  sizes[] = { { (int64_t)1 << 30, "G" }, { 1 << 20, "M" },
		  { 1 << 10, "K" }, { 1, "" } };
	size_t i = 0;

	if (type == CONF_MS) {
		while (n % times[i].unit != 0 || (n == 0 && i < 3))
			i++;
		buf_addf(out, "%lld%s", (long long)(n / times[i].unit),
		    times[i].name);
	} else if (type == CONF_SIZE) {
		while (n % sizes[i].unit != 0 || (n == 0 && i < 3))
			i++;
		buf_addf(out, "%lld%s", (long long)(n / sizes[i].unit),
		    sizes[i].name);
	} else {
		buf_addf(out, "%lld", (long long)n);
	}
}

static bool
conf_value_bounds(const struct conf_option *o, int64_t n, struct buf *why)
{
	if (n >= o->min && n <= o->max)
		return true;
	buf_adds(why, "must be from ");
	conf_value_show(o->type, o->min, why);
	buf_adds(why, " to ");
	conf_value_show(o->type, o->max, why);
	return false;
}

static bool
conf_value_number(const struct conf_option *o, void *target, const char *text,
    struct buf *why)
{
	char *at = conf_place_text(o, target);
	const char *kind = "number";
	uint64_t size = 0;
	int64_t n;
	bool is;

	if (o->type == CONF_MS) {
		kind = "duration (such as 500ms, 55s, 10m, 24h, 7d)";
		is = text_to_ms(text, &n);
	} else {
		if (o->type == CONF_SIZE)
			kind = "size (such as 512, 64K, 1M, 2G)";
		is = o->type == CONF_SIZE ?
		    text_to_size(text, &size) && size <= INT64_MAX :
		    text_to_u64(text, strlen(text), INT64_MAX, &size);
		n = (int64_t)size;
	}
	if (!is) {
		buf_addf(why, "\"%s\" is no %s", text, kind);
		return false;
	}
	if (!conf_value_bounds(o, n, why))
		return false;
	if (o->type == CONF_INT)
		*(int *)(void *)at = (int)n;
	else
		*(int64_t *)(void *)at = n;
	return true;
}

static bool
conf_value_bool(const struct conf_option *o, void *target, const char *text,
    struct buf *why)
{
	bool on = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 ||
	    strcmp(text, "on") == 0;

	if (!on && strcmp(text, "no") != 0 && strcmp(text, "false") != 0 &&
	    strcmp(text, "off") != 0) {
		buf_addf(why, "\"%s\" is neither yes nor no", text);
		return false;
	}
	*(bool *)conf_place_text(o, target) = on;
	return true;
}

static bool
conf_value_find(const struct conf_option *o, const char *text, unsigned *index,
    struct buf *why)
{
	const char *near;
	unsigned i;

	for (i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(o->choices[i], text) == 0) {
			*index = i;
			return true;
		}
	}
	buf_addf(why, "\"%s\" is none of ", text);
	for (i = 0; o->choices[i] != NULL; i++)
		buf_addf(why, "%s%s", i == 0 ? "" : ", ", o->choices[i]);
	near = text_nearest(text, o->choices);
	if (near != NULL)
		buf_addf(why, " (did you mean \"%s\"?)", near);
	return false;
}

static bool
conf_value_choice(const struct conf_option *o, void *target, const char *text,
    struct buf *why)
{
	char *at = conf_place_text(o, target);
	unsigned i;

	if (!conf_value_find(o, text, &i, why))
		return false;
	if (o->type == CONF_WORD)
		*(char **)(void *)at = xstrdup(text);
	else
		*(unsigned *)(void *)at = i;
	return true;
}

static bool
conf_value_text(const struct conf_option *o, void *target, const char *text,
    struct buf *why)
{
	char **at = (char **)(void *)conf_place_text(o, target);

	if (*text == '\0') {
		buf_adds(why, "is empty");
		return false;
	}
	if (!text_is_utf8(text, strlen(text))) {
		buf_adds(why, "is not UTF-8");
		return false;
	}
	if (o->type == CONF_DOMAIN) {
		*at = conf_domain(text);
		if (*at == NULL)
			buf_addf(why, "\"%s\" is no domain name", text);
		return *at != NULL;
	}
	if (o->type == CONF_ADDRESS && !conf_address_can_listen(text)) {
		buf_addf(why,
		    "\"%s\" is no address to listen on (such as "
		    "127.0.0.1:5561, [::1]:5561, localhost:0)",
		    text);
		return false;
	}
	*at = xstrdup(text);
	return true;
}

static bool
conf_value_server(const struct conf_option *o, void *target, const char *text,
    struct buf *why)
{
	char **host = (char **)(void *)conf_place_text(o, target);
	int *port = (int *)(void *)((char *)target + o->port_offset);

	if (conf_address(text, host, port) && *port != 0)
		return true;
	free(*host);
	*host = NULL;
	buf_addf(why,
	    "\"%s\" is no server (such as 127.0.0.1:5347, xmpp.lan:5347)",
	    text);
	return false;
}

/* ---- files ------------------------------------------------------------ */

/* The file without its final newline. */
static bool
conf_file_read(const char *path, struct buf *out, struct buf *why)
{
	char part[4096];
	FILE *file = fopen(path, "re");
	size_t n;
	bool failed;

	if (file == NULL) {
		buf_addf(why, "cannot read %s: %s", path, strerror(errno));
		return false;
	}
	buf_init(out, CONF_FILE_MAX);
	while ((n = fread(part, 1, sizeof part, file)) > 0 && !out->failed)
		buf_add(out, part, n);
	failed = ferror(file);
	fclose(file);
	explicit_bzero(part, sizeof part);
	if (out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	if (out->len > 0 && out->data[out->len - 1] == '\r')
		out->data[--out->len] = '\0';
	if (!failed && !out->failed && out->len > 0)
		return true;
	buf_addf(why, "%s %s", path,
	    failed          ? "cannot be read" :
	        out->failed ? "is too large" :
	                      "is empty");
	buf_clear(out);
	return false;
}

static bool
conf_value_secret_file(const struct conf_option *o, void *target,
    const char *path, struct buf *why)
{
	struct buf text;

	if (!conf_file_read(path, &text, why))
		return false;
	if (!text_is_xml(text.data, text.len, NULL) ||
	    memchr(text.data, '\n', text.len) != NULL) {
		buf_addf(why, "%s does not hold one line of text", path);
		buf_clear(&text);
		return false;
	}
	*(char **)(void *)conf_place_text(o, target) = buf_detach(&text, NULL);
	return true;
}

/* Fanout hands out its keys as base64, everybody else as text or PEM. */
static bool
conf_value_key(const struct conf_option *o, void *target, const char *text,
    size_t len, struct buf *why)
{
	static const char prefix[] = "base64:";
	struct buf *key = (struct buf *)(void *)conf_place_text(o, target);
	size_t skip = sizeof prefix - 1;

	buf_init(key, CONF_FILE_MAX);
	if (len < skip || memcmp(text, prefix, skip) != 0) {
		buf_add(key, text, len);
	} else if (!text_base64_decode(text + skip, len - skip, key)) {
		buf_clear(key);
		buf_adds(why, "what follows base64: is not base64");
		return false;
	}
	if (key->len > 0)
		return true;
	buf_clear(key);
	buf_adds(why, "is empty");
	return false;
}

static bool
conf_value_key_file(const struct conf_option *o, void *target, const char *path,
    struct buf *why)
{
	struct buf text;
	bool ok;

	if (!conf_file_read(path, &text, why))
		return false;
	ok = conf_value_key(o, target, text.data, text.len, why);
	explicit_bzero(text.data, text.len);
	buf_clear(&text);
	return ok;
}

/* ---- the whole -------------------------------------------------------- */

static bool
conf_value_list(const struct conf_option *o, void *target,
    const char *const *values, size_t n, struct buf *why)
{
	struct conf_strings *strings = (void *)conf_place_text(o, target);
	unsigned choice;
	size_t i;

	for (i = 0; i < n; i++) {
		if (o->choices != NULL &&
		    !conf_value_find(o, values[i], &choice, why))
			return false;
		if (o->type == CONF_ADDRESSES &&
		    !conf_address_can_listen(values[i])) {
			buf_addf(why,
			    "\"%s\" is no address to listen on (such as "
			    "127.0.0.1:7999, [::]:7999)",
			    values[i]);
			return false;
		}
		if (o->type == CONF_ORIGINS && !conf_is_origin(values[i])) {
			buf_addf(why,
			    "\"%s\" is no origin (such as "
			    "https://www.example.org, or * for any)",
			    values[i]);
			return false;
		}
		if (*values[i] == '\0') {
			buf_adds(why, "has an empty element");
			return false;
		}
	}
	strings->list = n == 0 ? NULL : xcalloc(n, sizeof *strings->list);
	for (i = 0; i < n; i++)
		strings->list[i] = xstrdup(values[i]);
	strings->count = n;
	return true;
}

bool
conf_value_set(const struct conf_option *o, void *target,
    const char *const *values, size_t n, struct buf *why)
{
	if (conf_option_is_list(o))
		return conf_value_list(o, target, values, n, why);
	assert(n == 1);
	switch (o->type) {
	case CONF_SERVER:
		return conf_value_server(o, target, values[0], why);
	case CONF_SECRET_FILE:
		return conf_value_secret_file(o, target, values[0], why);
	case CONF_KEY:
		return conf_value_key(o, target, values[0], strlen(values[0]),
		    why);
	case CONF_KEY_FILE:
		return conf_value_key_file(o, target, values[0], why);
	case CONF_BOOL:
		return conf_value_bool(o, target, values[0], why);
	case CONF_INT:
	case CONF_NUMBER:
	case CONF_MS:
	case CONF_SIZE:
		return conf_value_number(o, target, values[0], why);
	case CONF_CHOICE:
	case CONF_WORD:
		return conf_value_choice(o, target, values[0], why);
	default:
		return conf_value_text(o, target, values[0], why);
	}
}

bool
conf_value_set_text(const struct conf_option *o, void *target, const char *text,
    struct buf *why)
{
	const char *values[64];
	char *copy, *rest, *part;
	size_t n = 0;
	bool ok;

	if (!conf_option_is_list(o))
		return conf_value_set(o, target, &text, 1, why);
	copy = rest = xstrdup(text);
	while (*text != '\0' && n < ARRAY_LEN(values) &&
	    (part = strsep(&rest, ",")) != NULL)
		values[n++] = part;
	ok = conf_value_set(o, target, values, n, why);
	free(copy);
	return ok;
}

void
conf_value_clear(const struct conf_option *o, void *target)
{
	char *at = conf_place_text(o, target);
	struct conf_strings *strings;
	char **text;
	size_t i;

	switch (o->type) {
	case CONF_KEY:
	case CONF_KEY_FILE:
		buf_clear((struct buf *)(void *)at);
		return;
	case CONF_TEXTS:
	case CONF_ADDRESSES:
	case CONF_ORIGINS:
		strings = (struct conf_strings *)(void *)at;
		for (i = 0; i < strings->count; i++)
			free(strings->list[i]);
		free(strings->list);
		memset(strings, 0, sizeof *strings);
		return;
	case CONF_TEXT:
	case CONF_DOMAIN:
	case CONF_ADDRESS:
	case CONF_SERVER:
	case CONF_SECRET_FILE:
	case CONF_WORD:
		text = (char **)(void *)at;
		free(*text);
		*text = NULL;
		return;
	default:
		return;
	}
}
