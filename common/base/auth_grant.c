#include "common/base/auth.h"

#include <string.h>

#include "common/base/crypto.h"
#include "common/base/text.h"

/* `token` or `user`, NAME, mark, expiry, subject: parted by tabs, which no
 * name has. */
#define AUTH_PARTS     5
#define AUTH_PARTS_MAX 1024

static void
auth_mark_add(struct buf *all, const char *text, size_t len)
{
	buf_addu(all, len);
	buf_addc(all, ':');
	buf_add(all, text, len);
}

static void
auth_mark_adds(struct buf *all, const char *text)
{
	if (text != NULL)
		auth_mark_add(all, text, strlen(text));
	buf_addc(all, ',');
}

/* Tells whether a secret was changed, and to one who reads the mark as good as
 * nothing else: 16 bits of a digest leave a list of passwords long. */
static unsigned
auth_mark(const struct auth_grant *grant)
{
	unsigned char digest[32];
	struct buf all;

	buf_init(&all, 0);
	if (grant->user != NULL) {
		auth_mark_adds(&all, grant->user->password);
		auth_mark_adds(&all, grant->user->scram_sha1);
		auth_mark_adds(&all, grant->user->scram_sha256);
	} else if (grant->token != NULL) {
		auth_mark_adds(&all, grant->token->secret);
		auth_mark_adds(&all, grant->token->alg);
		auth_mark_adds(&all, grant->token->issuer);
		auth_mark_adds(&all, grant->token->audience);
		auth_mark_add(&all, grant->token->key.data,
		    grant->token->key.len);
	}
	crypto_sha256(all.data, all.len, digest);
	if (all.data != NULL)
		explicit_bzero(all.data, all.size);
	buf_clear(&all);
	return (unsigned)digest[0] << 8 | digest[1];
}

void
auth_grant_write(const struct auth_grant *grant, struct buf *out)
{
	buf_addf(out, "%s\t%s\t%u\t%lld\t%s",
	    grant->user != NULL      ? "user" :
	        grant->token != NULL ? "token" :
	                               "any",
	    grant->user != NULL      ? grant->user->name :
	        grant->token != NULL ? grant->token->name :
	                               "",
	    auth_mark(grant), (long long)grant->expires_ms, grant->subject);
}

/* What the configuration has under that name; false when nothing. */
static bool
auth_grant_find(const struct conf *conf, const char *kind, const char *name,
    struct auth_grant *grant)
{
	if (strcmp(kind, "user") == 0)
		grant->user = conf_user(conf, name);
	else if (strcmp(kind, "token") == 0)
		grant->token = conf_token(conf, name);
	else
		return strcmp(kind, "any") == 0;
	return grant->user != NULL || grant->token != NULL;
}

static bool
auth_grant_split(char *text, char *parts[AUTH_PARTS])
{
	int n = 0;

	while (n < AUTH_PARTS - 1 && text != NULL)
		parts[n++] = strsep(&text, "\t");
	parts[n] = text;
	return text != NULL;
}

enum err
auth_grant_read(const struct conf *conf, const char *text, size_t len,
    int64_t now_ms, struct auth_grant *grant, const char **why)
{
	char copy[AUTH_PARTS_MAX], *parts[AUTH_PARTS];
	uint64_t mark, expires;

	memset(grant, 0, sizeof *grant);
	*why = "what was stored is no grant";
	if (len >= sizeof copy || memchr(text, '\0', len) != NULL)
		return ERR_AUTH;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (!auth_grant_split(copy, parts) ||
	    !text_to_u64(parts[2], strlen(parts[2]), 65535, &mark) ||
	    !text_to_u64(parts[3], strlen(parts[3]), INT64_MAX, &expires) ||
	    strlen(parts[4]) >= sizeof grant->subject)
		return ERR_AUTH;
	memcpy(grant->subject, parts[4], strlen(parts[4]) + 1);
	grant->expires_ms = (int64_t)expires;
	*why = "its time is over";
	if (auth_is_over(grant, now_ms))
		return ERR_AUTH;
	*why = "the configuration has it no longer";
	if (!auth_grant_find(conf, parts[0], parts[1], grant))
		return ERR_AUTH;
	*why = "its secret was changed";
	return auth_mark(grant) == mark ? ERR_OK : ERR_AUTH;
}

enum err
auth_grant_renew(const struct conf *conf, int64_t now_ms,
    struct auth_grant *grant, const char **why)
{
	struct auth_grant renewed;
	struct buf text;
	enum err err;

	buf_init(&text, 0);
	auth_grant_write(grant, &text);
	err = auth_grant_read(conf, text.data, text.len, now_ms, &renewed, why);
	if (err == ERR_OK)
		*grant = renewed;
	buf_clear(&text);
	return err;
}
