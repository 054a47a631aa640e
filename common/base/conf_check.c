#include <stdlib.h>
#include <string.h>

#include "common/base/auth.h"
#include "common/base/auth_scram.h"
#include "common/base/conf_load.h"
#include "common/base/mem.h"
#include "common/base/network.h"
#include "common/base/text.h"

/* Where to point: at the option if it was given, else at its section. */
static const struct conf_place *
conf_check_at(const struct conf_loader *l, const char *section, size_t n,
    const char *option)
{
	const struct conf_opened *opened = conf_loader_opened(l, section, n);
	const struct conf_given *given;

	given = conf_loader_given(l, opened, option);
	return given != NULL ? &given->at : &opened->at;
}

/* `name` and `name-file` fill the same place. */
static void
conf_check_once(struct conf_loader *l, const char *section, size_t n,
    const char *option, const char *file_option)
{
	const struct conf_opened *opened = conf_loader_opened(l, section, n);

	if (conf_loader_given(l, opened, option) != NULL &&
	    conf_loader_given(l, opened, file_option) != NULL)
		conf_fault(l, conf_check_at(l, section, n, file_option),
		    "%s and %s: give one of them", option, file_option);
}

/* Each of an option's values. */
static void
conf_check_networks(struct conf_loader *l, const char *section, size_t n,
    const char *option, const struct conf_strings *texts)
{
	struct network network;
	size_t i;

	for (i = 0; i < texts->count; i++)
		if (!network_parse(texts->list[i], strlen(texts->list[i]),
		        &network))
			conf_fault(l, conf_check_at(l, section, n, option),
			    "%s: \"%s\" is no address or network (such as "
			    "127.0.0.1, 10.0.0.0/8)",
			    option, texts->list[i]);
}

static void
conf_check_origin(struct conf_loader *l, size_t n)
{
	const struct conf_component *c = &l->conf->components[n];
	const struct conf_token *token;
	const char *host = NULL;

	conf_check_networks(l, "component", n, "origin-networks",
	    &c->origin_networks);
	if (c->origin != NULL && strncmp(c->origin, "https://", 8) == 0)
		host = c->origin + 8;
	else if (c->origin != NULL && strncmp(c->origin, "http://", 7) == 0)
		host = c->origin + 7;
	if (c->origin != NULL &&
	    (host == NULL || *host == '\0' || *host == '/' ||
	        strpbrk(host, "?#@\"'<> ") != NULL))
		conf_fault(l, conf_check_at(l, "component", n, "origin"),
		    "origin: must be https://HOST or http://HOST, with a port "
		    "or a path before /xmpp/ where there is one");
	if (c->origin_token == NULL)
		return;
	token = conf_token(l->conf, c->origin_token);
	if (token == NULL || token->kind != TOKEN_JWT || token->alg == NULL ||
	    strcmp(token->alg, "HS256") != 0)
		conf_fault(l, conf_check_at(l, "component", n, "origin-token"),
		    "origin-token: needs a section token \"%s\" { kind = jwt "
		    "alg = HS256 key = ... }",
		    c->origin_token);
}

static void
conf_check_component(struct conf_loader *l, size_t n)
{
	struct conf_component *c = &l->conf->components[n];
	const struct conf_place *at;
	const char *dot;
	char *domain = conf_domain(c->domain);

	at = &conf_loader_opened(l, "component", n)->at;
	if (domain == NULL) {
		conf_fault(l, at, "component \"%s\" is no domain name",
		    c->domain);
		return;
	}
	free(c->domain);
	c->domain = domain;
	if (c->ping == NULL) {
		dot = strchr(domain, '.');
		c->ping = xstrdup(dot == NULL ? domain : dot + 1);
	}
	conf_check_once(l, "component", n, "secret", "secret-file");
	if (c->secret == NULL)
		conf_fault(l, at,
		    "component \"%s\" needs a secret or a secret-file",
		    c->domain);
	if (c->host != NULL && !c->allow_plain &&
	    !conf_host_is_loopback(c->host))
		conf_fault(l, conf_check_at(l, "component", n, "server"),
		    "server: %s is not this machine and the link is not "
		    "encrypted; if its network can be trusted say "
		    "allow-plain = yes",
		    c->host);
	conf_check_origin(l, n);
	if (l->conf->bosh.domain != NULL &&
	    strcmp(l->conf->bosh.domain, c->domain) == 0)
		conf_fault(l, conf_check_at(l, "bosh", 0, "domain"),
		    "domain: must not be that of a component");
}

static void
conf_check_token(struct conf_loader *l, size_t n)
{
	struct conf_token *t = &l->conf->tokens[n];
	const struct conf_place *at;
	const char *why;

	at = &conf_loader_opened(l, "token", n)->at;
	if (!text_is_channel(t->name, strlen(t->name)) ||
	    strchr(t->name, '/') != NULL || strchr(t->name, ':') != NULL)
		conf_fault(l, at,
		    "token \"%s\": a name is 1 to 255 bytes without control "
		    "characters, / and :",
		    t->name);
	conf_check_once(l, "token", n, "secret", "secret-file");
	conf_check_once(l, "token", n, "key", "key-file");
	if (t->issuer == NULL)
		t->issuer = xstrdup(t->name);
	if (t->kind != TOKEN_JWT && t->secret == NULL)
		conf_fault(l, at,
		    "token \"%s\" needs a secret or a secret-file (or kind = "
		    "jwt and a key)",
		    t->name);
	if (t->kind == TOKEN_JWT && t->key.len == 0)
		conf_fault(l, at,
		    "token \"%s\" is a jwt and needs a key or a key-file",
		    t->name);
	else if (t->kind == TOKEN_JWT && !auth_key_ok(t, &why))
		conf_fault(l, at, "token \"%s\": its key %s", t->name, why);
}

/* What the files hold is for those who speak TLS to judge. */
static void
conf_check_certificate(struct conf_loader *l, size_t n)
{
	const struct conf_certificate *c = &l->conf->certificates[n];

	if (c->chain == NULL || c->key == NULL)
		conf_fault(l, &conf_loader_opened(l, "certificate", n)->at,
		    "certificate \"%s\" needs a chain and a key", c->name);
}

static void
conf_check_scram(struct conf_loader *l, size_t n, const char *option,
    enum crypto_hash hash, const char *text)
{
	struct auth_scram scram;

	if (text != NULL && !auth_scram_parse(hash, text, &scram))
		conf_fault(l, conf_check_at(l, "user", n, option),
		    "%s: must be ITERATIONS:SALT:STORED-KEY:SERVER-KEY, %d to "
		    "%d iterations and the rest in base64, as `waft user` "
		    "makes it",
		    option, AUTH_SCRAM_MIN, AUTH_SCRAM_MAX);
}

static void
conf_check_user(struct conf_loader *l, size_t n)
{
	const struct conf_user *u = &l->conf->users[n];
	const struct conf_place *at = &conf_loader_opened(l, "user", n)->at;

	if (!text_is_channel(u->name, strlen(u->name)) ||
	    strpbrk(u->name, "\"&'/:<>@ ") != NULL)
		conf_fault(l, at,
		    "user \"%s\": a name is 1 to 255 bytes without control "
		    "characters, spaces and \"&'/:<>@",
		    u->name);
	if (conf_token(l->conf, u->name) != NULL)
		conf_fault(l, at, "user \"%s\": there is a token of that name",
		    u->name);
	conf_check_once(l, "user", n, "password", "password-file");
	conf_check_once(l, "user", n, "password", "scram-sha-256");
	conf_check_once(l, "user", n, "password-file", "scram-sha-256");
	if (u->password == NULL && u->scram_sha256 == NULL)
		conf_fault(l, at,
		    "user \"%s\" needs a password, a password-file or "
		    "scram-sha-256",
		    u->name);
	else if (u->password != NULL && u->scram_sha1 != NULL)
		conf_fault(l, conf_check_at(l, "user", n, "scram-sha-1"),
		    "scram-sha-1: it is made from the password");
	conf_check_scram(l, n, "scram-sha-256", CRYPTO_SHA256, u->scram_sha256);
	conf_check_scram(l, n, "scram-sha-1", CRYPTO_SHA1, u->scram_sha1);
}

static void
conf_check_control(struct conf_loader *l, const char *section, size_t n,
    const char *address)
{
	if (address != NULL && l->conf->control.auth == AUTH_NONE &&
	    !conf_address_is_loopback(address))
		conf_fault(l, conf_check_at(l, section, n, "control"),
		    "control: %s can be reached from elsewhere; that needs "
		    "control { auth = token }",
		    address);
}

static void
conf_check_bosh(struct conf_loader *l)
{
	struct conf_bosh *b = &l->conf->bosh;
	const struct conf_opened *opened = conf_loader_opened(l, "bosh", 0);
	size_t i;

	if (conf_loader_given(l, opened, "assume-secure") == NULL) {
		b->assume_secure = true;
		for (i = 0; i < b->listen.count; i++)
			if (!conf_address_is_loopback(b->listen.list[i]))
				b->assume_secure = false;
	}
	if (b->listen.count + b->tls_listen.count == 0)
		conf_fault(l, conf_check_at(l, "bosh", 0, "listen"),
		    "listen: needs an address, or tls-listen does");
	if (b->tls_listen.count > 0 && l->conf->n_certificates == 0)
		conf_fault(l, conf_check_at(l, "bosh", 0, "tls-listen"),
		    "tls-listen: needs a section certificate \"NAME\" { chain "
		    "= ... key = ... }");
	if (b->secure_uri != NULL && strncmp(b->secure_uri, "https://", 8) != 0)
		conf_fault(l, conf_check_at(l, "bosh", 0, "secure-uri"),
		    "secure-uri: must begin with https://");
	if (b->public_url != NULL &&
	    (strncmp(b->public_url, "https://", 8) != 0 ||
	        b->public_url[8] == '\0' || b->public_url[8] == '/' ||
	        strpbrk(b->public_url, "?#\"'<> ") != NULL))
		conf_fault(l, conf_check_at(l, "bosh", 0, "public-url"),
		    "public-url: must be https://HOST, with a port or a path "
		    "before /http-bind where there is one");
	conf_check_networks(l, "bosh", 0, "trusted-proxies",
	    &b->trusted_proxies);
	conf_check_control(l, "bosh", 0, b->control);
}

static void
conf_check_sizes(struct conf_loader *l)
{
	const struct conf_control *c = &l->conf->control;

	if (c->auth == AUTH_TOKEN && l->conf->n_tokens == 0)
		conf_fault(l, conf_check_at(l, "control", 0, "auth"),
		    "auth: token needs at least one section token \"NAME\" { "
		    "... }");
	if (c->stanza_max > c->item_max)
		conf_fault(l, conf_check_at(l, "control", 0, "stanza-max"),
		    "stanza-max: must not be above item-max");
	if (c->item_max > c->max_body)
		conf_fault(l, conf_check_at(l, "control", 0, "item-max"),
		    "item-max: must not be above max-body");
}

void
conf_check(struct conf_loader *l)
{
	const struct conf *conf = l->conf;
	size_t i;

	conf_check_bosh(l);
	conf_check_sizes(l);
	for (i = 0; i < conf->n_components; i++) {
		conf_check_component(l, i);
		conf_check_control(l, "component", i,
		    conf->components[i].control);
	}
	for (i = 0; i < conf->n_certificates; i++)
		conf_check_certificate(l, i);
	for (i = 0; i < conf->n_tokens; i++)
		conf_check_token(l, i);
	for (i = 0; i < conf->n_users; i++)
		conf_check_user(l, i);
	for (i = 0; i < conf->n_classes; i++)
		if (*conf->classes[i].pattern == '\0')
			conf_fault(l, &conf_loader_opened(l, "channels", i)->at,
			    "channels: the pattern is empty");
}
