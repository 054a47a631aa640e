#include "bosh/login.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/xmpp/jid.h"

#define LOGIN_HASHES 2

struct login_entry {
	struct login login; /* first */
	UT_hash_handle hh;
	char *password; /* prepared; NULL: not known */
	bool has[LOGIN_HASHES];
	struct auth_scram scram[LOGIN_HASHES];
	char name[];
};

struct logins {
	_Atomic int refs;
	struct login_entry *entries;
	size_t count;
	size_t having[LOGIN_HASHES]; /* of them */
	bool hashed;                 /* one has no password */
	unsigned char key[32];       /* of made-up salts */
};

/* ---- made-up salts --------------------------------------------------- */

/* The same at each start as long as the secrets are: a salt that changes with a
 * restart would tell whom it was made up for. */
static void
logins_draw(struct logins *logins, const struct conf *conf)
{
	struct buf all;
	size_t i;

	buf_init(&all, 0);
	buf_adds(&all, "salts of logins\n");
	for (i = 0; i < conf->n_users; i++) {
		buf_addf(&all, "%s\n%s\n%s\n", conf->users[i].name,
		    conf->users[i].password == NULL ? "" :
		                                      conf->users[i].password,
		    conf->users[i].scram_sha256 == NULL ?
		        "" :
		        conf->users[i].scram_sha256);
	}
	for (i = 0; i < conf->n_tokens; i++)
		buf_addf(&all, "%s\n%s\n", conf->tokens[i].name,
		    conf->tokens[i].secret == NULL ? "" :
		                                     conf->tokens[i].secret);
	crypto_sha256(all.data, all.len, logins->key);
	explicit_bzero(all.data, all.size);
	buf_clear(&all);
}

static void
logins_make_up(const struct logins *logins, const char *what, const char *name,
    unsigned char out[32])
{
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text, "%s\n%s", what, name);
	crypto_hmac_sha256(logins->key, sizeof(logins->key), text.data,
	    text.len, out);
	buf_clear(&text);
}

/* The shape of one that is there, so that a stranger's fits among them. */
static void
logins_fake(const struct logins *logins, const char *name,
    enum crypto_hash hash, struct auth_scram *keys)
{
	const struct login_entry *like = NULL, *entry;
	unsigned char made[32];
	size_t at;

	memset(keys, 0, sizeof(*keys));
	logins_make_up(logins, "like", name, made);
	at = logins->having[hash] == 0 ?
	    0 :
	    ((size_t)made[0] << 8 | made[1]) % logins->having[hash];
	for (entry = logins->entries; entry != NULL && like == NULL;
	     entry = entry->hh.next)
		if (entry->has[hash] && at-- == 0)
			like = entry;
	keys->iterations =
	    like == NULL ? AUTH_SCRAM_MIN : like->scram[hash].iterations;
	keys->salt_len =
	    like == NULL ? AUTH_SCRAM_SALT : like->scram[hash].salt_len;
	logins_make_up(logins, "salt", name, keys->salt);
	logins_make_up(logins, "more salt", name, keys->salt + 32);
	logins_make_up(logins, "stored", name, keys->stored);
	logins_make_up(logins, "server", name, keys->server);
}

/* ---- making ---------------------------------------------------------- */

static struct login_entry *
logins_find(const struct logins *logins, const char *name)
{
	struct login_entry *entry;

	HASH_FIND_STR(logins->entries, name, entry);
	return entry;
}

static void
login_free(struct login_entry *entry)
{
	if (entry->password != NULL)
		explicit_bzero(entry->password, strlen(entry->password));
	free(entry->password);
	free(entry);
}

static void
login_derive(const struct logins *logins, struct login_entry *entry,
    const struct logins *old)
{
	const struct login_entry *before =
	    old == NULL ? NULL : logins_find(old, entry->name);

	for (enum crypto_hash i = CRYPTO_SHA1; i <= CRYPTO_SHA256; i++) {
		entry->has[i] = true;
		if (before != NULL && before->password != NULL &&
		    strcmp(before->password, entry->password) == 0) {
			entry->scram[i] = before->scram[i];
			continue;
		}
		entry->scram[i].iterations = AUTH_SCRAM_MIN;
		entry->scram[i].salt_len = AUTH_SCRAM_SALT;
		logins_make_up(logins, "salt", entry->name,
		    entry->scram[i].salt);
		auth_scram_derive(i, entry->password, strlen(entry->password),
		    &entry->scram[i]);
	}
}

static void
login_parse(struct login_entry *entry, const struct conf_user *user)
{
	entry->has[CRYPTO_SHA256] = user->scram_sha256 != NULL &&
	    auth_scram_parse(CRYPTO_SHA256, user->scram_sha256,
	        &entry->scram[CRYPTO_SHA256]);
	entry->has[CRYPTO_SHA1] = user->scram_sha1 != NULL &&
	    auth_scram_parse(CRYPTO_SHA1, user->scram_sha1,
	        &entry->scram[CRYPTO_SHA1]);
}

/* The prepared name, or NULL; *why is static. */
static struct login_entry *
login_create(const char *domain, const char *name, const char **why)
{
	struct login_entry *entry = NULL;
	struct buf address;
	struct jid jid;

	buf_init(&address, 0);
	buf_addf(&address, "%s@%s", name, domain);
	*why = "the name is no node of a JID";
	if (strpbrk(name, "@/") == NULL &&
	    jid_parse(address.data, address.len, &jid, why) == ERR_OK) {
		entry = xcalloc(1, sizeof(*entry) + jid.node_len + 1u);
		memcpy(entry->name, jid.full, jid.node_len);
	}
	buf_clear(&address);
	return entry;
}

static char *
login_prepare(const char *password)
{
	struct buf prepared;

	buf_init(&prepared, 0);
	if (!jid_saslprep(password, strlen(password), &prepared)) {
		buf_clear(&prepared);
		return NULL;
	}
	return buf_detach(&prepared, NULL);
}

static bool
logins_add(struct logins *logins, const char *domain, const char *name,
    const char *password, struct login login, const struct logins *old)
{
	const char *why = "";
	struct login_entry *entry = login_create(domain, name, &why);

	if (entry != NULL && logins_find(logins, entry->name) != NULL) {
		why = "there is another of that name";
	} else if (entry != NULL && password != NULL &&
	    (entry->password = login_prepare(password)) == NULL) {
		why = "the password has characters that SASLprep forbids";
	} else if (entry != NULL) {
		entry->login = login;
		if (password != NULL)
			login_derive(logins, entry, old);
		else if (login.user != NULL)
			login_parse(entry, login.user);
		logins->hashed = logins->hashed || password == NULL;
		for (int i = 0; i < LOGIN_HASHES; i++)
			logins->having[i] += entry->has[i];
		logins->count++;
		HASH_ADD_STR(logins->entries, name, entry);
		return true;
	}
	if (entry != NULL)
		login_free(entry);
	/* A token may have other uses, a user has none. */
	(login.user != NULL ? log_error : log_info)("bosh.login",
	    "name=%s reason=%s", LOGQ(name), LOGQ(why));
	return false;
}

struct logins *
logins_create(const struct conf *conf, const struct logins *old, int *bad)
{
	struct logins *logins = xcalloc(1, sizeof(*logins));
	const char *domain = conf->bosh.domain;
	struct login login = { NULL, NULL };
	size_t i;

	*bad = 0;
	atomic_init(&logins->refs, 1);
	logins_draw(logins, conf);
	for (i = 0; i < conf->n_users; i++) {
		login.user = &conf->users[i];
		*bad += !logins_add(logins, domain, login.user->name,
		    login.user->password, login, old);
	}
	login.user = NULL;
	for (i = 0; i < conf->n_tokens; i++) {
		login.token = &conf->tokens[i];
		/* One whose name is no node can do all but this. */
		if (login.token->kind != TOKEN_JWT)
			logins_add(logins, domain, login.token->name,
			    login.token->secret, login, old);
	}
	return logins;
}

struct logins *
logins_ref(struct logins *logins)
{
	atomic_fetch_add(&logins->refs, 1);
	return logins;
}

void
logins_unref(struct logins *logins)
{
	struct login_entry *entry, *next;

	if (logins == NULL || atomic_fetch_sub(&logins->refs, 1) > 1)
		return;
	MAP_FOREACH(entry, next, logins->entries) {
		HASH_DEL(logins->entries, entry);
		login_free(entry);
	}
	free(logins);
}

/* ---- asking ---------------------------------------------------------- */

bool
logins_have(const struct logins *logins, enum crypto_hash hash)
{
	return logins->count > 0 && logins->having[hash] == logins->count;
}

const struct login *
logins_scram(const struct logins *logins, const char *name,
    enum crypto_hash hash, struct auth_scram *keys)
{
	const struct login_entry *entry = logins_find(logins, name);

	/* Made up in any case: time tells nothing. */
	logins_fake(logins, name, hash, keys);
	if (entry == NULL || !entry->has[hash])
		return NULL;
	*keys = entry->scram[hash];
	return &entry->login;
}

static bool
login_matches(const struct logins *logins, const struct login_entry *entry,
    const char *name, const char *password)
{
	unsigned char wanted[32], got[32];
	struct auth_scram keys, tried;

	if (!logins->hashed) {
		logins_make_up(logins, "password",
		    entry == NULL ? "" : entry->password, wanted);
		logins_make_up(logins, "password", password, got);
		return crypto_equal(wanted, 32, got, 32) && entry != NULL;
	}
	logins_scram(logins, name, CRYPTO_SHA256, &keys);
	tried = keys;
	auth_scram_derive(CRYPTO_SHA256, password, strlen(password), &tried);
	return crypto_equal(tried.stored, 32, keys.stored, 32) && entry != NULL;
}

const struct login *
logins_password(const struct logins *logins, const char *name,
    const char *password)
{
	const struct login_entry *entry = logins_find(logins, name);
	char *prepared = login_prepare(password);
	bool ok;

	ok = login_matches(logins, entry, name,
	    prepared == NULL ? "" : prepared);
	ok = ok && prepared != NULL;
	if (prepared != NULL)
		explicit_bzero(prepared, strlen(prepared));
	free(prepared);
	return ok ? &entry->login : NULL;
}
