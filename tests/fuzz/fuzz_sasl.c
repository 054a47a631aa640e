/*
 * A negotiation of any bytes: each line of the input is one message of the
 * client, by its first letter
 *
 *	S s  auth with SCRAM-SHA-256, SCRAM-SHA-1, the rest coded in base64
 *	P O  the same with PLAIN, OAUTHBEARER
 *	r    a response of the rest, coded in base64
 *	else the line as it is, an element
 *
 * Nobody gets in by name, for the secrets are made at the start and told to no
 * one; every failure has its condition; what is sent back can stand in XML.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bosh/sasl.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char name[] = "alice", user_name[] = "bob", issuer[] = "carol",
            domain[] = "bosh.test", alg[] = "HS256", secret[33];
static struct conf_token tokens[] = {
	{ .name = name, .kind = TOKEN_STATIC, .secret = secret },
	{ .name = issuer, .kind = TOKEN_JWT, .issuer = issuer, .alg = alg },
};
static struct conf_user user = { .name = user_name, .password = secret };
static struct conf conf = { .bosh = { .domain = domain, .anonymous = true },
	.tokens = tokens,
	.n_tokens = 2,
	.users = &user,
	.n_users = 1 };
static struct logins *logins;
static struct xml_reader *reader;

static void
fuzz_check(int good)
{
	if (!good)
		abort();
}

static void
fuzz_init(void)
{
	static const struct xml_limits limits = { 65536, 16, 32, 256 };
	unsigned char bytes[16];
	struct buf hex;
	int bad;

	crypto_random(bytes, sizeof(bytes));
	buf_init(&hex, 0);
	text_hex(bytes, sizeof(bytes), &hex);
	memcpy(secret, hex.data, sizeof(secret));
	tokens[1].key = hex;
	log_set_level(LOG_ERROR);
	logins = logins_create(&conf, NULL, &bad);
	fuzz_check(bad == 0);
	reader = xml_reader_create(&limits);
}

static void
fuzz_element(const char *line, size_t len, struct buf *out)
{
	static const char letters[] = "SsPOr";
	static const char *const mechanisms[] = { "SCRAM-SHA-256",
		"SCRAM-SHA-1", "PLAIN", "OAUTHBEARER" };
	const char *letter =
	    len == 0 || *line == '\0' ? NULL : strchr(letters, *line);

	if (letter == NULL) {
		buf_add(out, line, len);
		return;
	}
	if (*letter == 'r')
		buf_adds(out, "<response xmlns='" SASL_NS "'>");
	else
		buf_addf(out, "<auth xmlns='" SASL_NS "' mechanism='%s'>",
		    mechanisms[letter - letters]);
	text_base64(line + 1, len - 1, out);
	buf_addf(out, "</%s>", *letter == 'r' ? "response" : "auth");
}

/* False: the negotiation is over. */
static bool
fuzz_step(struct sasl *sasl, bool secure, const char *line, size_t len)
{
	const struct sasl_env env = { .conf = &conf,
		.logins = logins,
		.secure = secure,
		.now_ms = 1 };
	static struct sasl_outcome outcome;
	struct xml_error error;
	enum sasl_result result;
	struct xml *root;
	struct buf text;

	buf_init(&text, 0);
	fuzz_element(line, len, &text);
	if (text.len == 0 ||
	    xml_parse(reader, text.data, text.len, true, &root, &error) !=
	        ERR_OK) {
		buf_clear(&text);
		return true;
	}
	memset(&outcome, 'x', sizeof(outcome));
	result = sasl_step(sasl, &env, root, &outcome);
	xml_free(root);
	buf_clear(&text);
	fuzz_check(result != SASL_SUCCESS || outcome.anonymous);
	fuzz_check(result != SASL_FAILURE || outcome.failure[0] != '\0');
	if (result == SASL_CHALLENGE)
		fuzz_check(
		    text_is_xml(outcome.text, strlen(outcome.text), NULL));
	return result != SASL_SUCCESS && sasl->failures < SASL_FAILURES_MAX;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data, *end = line + size, *next;
	struct sasl sasl = { 0 };
	bool secure, more = size > 0;

	if (reader == NULL)
		fuzz_init();
	secure = more && *line++ != 'i';
	while (more && line < end) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (next == NULL)
			next = end;
		more = fuzz_step(&sasl, secure, line, (size_t)(next - line));
		line = next + 1;
	}
	sasl_clear(&sasl);
	return 0;
}
