/*
 * The configuration: waft.conf read by libconfuse into plain structs, checked
 * as a whole; after conf_load() nothing in it is wrong, every default is filled
 * in. Immutable once loaded; shared by all threads.  SIGHUP loads a new one.
 *
 * What each option means is said once, in conf_options.c, in the table that the
 * reader, `waft check` and the documentation use.
 */
#ifndef WAFT_CONF_H
#define WAFT_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/log.h"

enum conf_access {
	ACCESS_ANYONE,
	ACCESS_TOKEN,
	ACCESS_NONE
};
enum conf_notify {
	NOTIFY_AUTO,
	NOTIFY_RAW,
	NOTIFY_EVENT
};
enum conf_stanza_id {
	STANZA_ID_AUTO, /* where the stanza's own id is not the position */
	STANZA_ID_ALWAYS
};
enum conf_auth {
	AUTH_NONE,
	AUTH_TOKEN
};
enum conf_shutdown {
	SHUTDOWN_KEEP,
	SHUTDOWN_END
};
enum conf_bounce {
	BOUNCE_SUSPEND,
	BOUNCE_REMOVE,
	BOUNCE_IGNORE
};

enum conf_relay {
	RELAY_REST,
	RELAY_ALL,
	RELAY_NONE
};

struct conf_strings {
	char **list;
	size_t count;
};

struct conf_store {
	char *engine; /* "sqlite" or "memory" */
	char *path;
	int64_t publish_timeout_ms; /* wait for the lock before 503; 5s */
	int64_t duplicate_ttl_ms;   /* 10m */
	uint64_t tail_size;         /* ring of recent items in memory; 16M */
	uint64_t max_size;          /* of all stored items; 1G; 0: no limit */
	uint64_t wal_size;          /* 64M */
	uint64_t pin_size;          /* held back for one listener; 64M */
};

struct conf_component {
	char *domain; /* the section's title, prepared */
	char *host;   /* of server = "host:port" */
	int port;
	char *secret;     /* from secret or secret-file */
	char *ping;       /* the server's own domain for barriers; default: what
	                   * follows the first dot of domain */
	bool allow_plain; /* server is not on loopback, and that is known */
	char *control;
	int64_t rewind_ms;       /* 5s */
	int64_t reconnect_ms;    /* longest wait between attempts; 60s */
	int64_t bounce_retry_ms; /* until one who is away is tried; 1h */
	uint64_t window_bytes;   /* unconfirmed on the link; 1M */
	uint64_t window_stanzas; /* unconfirmed on the link; 1024 */
	enum conf_bounce bounce;
	char *multicast;           /* JID of the service, or NULL: looked for */
	int multicast_group;       /* receivers in one stanza; 100 */
	uint64_t multicast_window; /* copies unconfirmed; 2000 */
	struct conf_strings creators;        /* bare JIDs and domains */
	struct conf_strings operators;       /* the same */
	int stanzas_per_jid;                 /* a second; 100 */
	int presences_max;                   /* 100000 */
	int jids_max;                        /* counted at once; 100000 */
	char *origin;                        /* URL of the relay, or NULL */
	int64_t origin_timeout_ms;           /* 10s */
	int origin_requests;                 /* under way at once; 8 */
	uint64_t origin_queue;               /* bytes that wait; 1M */
	uint64_t origin_answer;              /* bytes of one answer; 256K */
	int origin_stanzas;                  /* in one answer; 100 */
	struct conf_strings origin_networks; /* private ones; {} */
	char *origin_ca;                     /* file, or NULL: the system's */
	char *origin_token; /* token that signs, or NULL: not signed */
};

struct conf_bosh {
	struct conf_strings listen;
	struct conf_strings tls_listen;
	char *domain;
	struct conf_strings former_domains; /* none */
	char *control;
	int workers;                    /* 0: as many as processors */
	bool anonymous;                 /* SASL ANONYMOUS offered; yes */
	char *public_url;               /* for XEP-0156; NULL: not told */
	struct conf_strings mechanisms; /* SASL; {}: what is of use */
	bool
	    assume_secure; /* PLAIN without TLS; default yes on loopback only */
	int64_t max_wait_ms;            /* 59s */
	int max_hold;                   /* 1 */
	int64_t inactivity_ms;          /* 60s */
	int64_t polling_ms;             /* 2s */
	int64_t max_pause_ms;           /* 120s */
	int64_t ws_ping_ms;             /* silence of a WebSocket; 60s */
	uint64_t max_body;              /* of a request or message; 256K */
	uint64_t max_response;          /* bytes packed in one body; 128K */
	uint64_t client_queue;          /* bytes waiting for one session; 1M */
	enum conf_shutdown shutdown;    /* what becomes of sessions */
	uint64_t resume_window;         /* rids past the stored one; 1000 */
	uint64_t session_record;        /* of a session's record on disk; 64K */
	int sessions_max;               /* 20000 */
	int sessions_per_address;       /* 200 */
	int creations_per_address;      /* a second; 10 */
	int requests_per_address;       /* a second; 1000 */
	int login_failures_per_address; /* a minute; 30 */
	int unknown_sids_per_address;   /* a minute; 1000 */
	int addresses_max;              /* counted at once; 100000 */
	bool limit_loopback;            /* loopback is counted, too; no */
	int subscriptions_per_session;  /* 1000 */
	struct conf_strings origins;    /* CORS; {"*"} */
	char *secure_uri;               /* or NULL */
	bool gzip;                      /* of answers; no */
	struct conf_strings trusted_proxies; /* networks; {} */
	bool demo;                           /* serve /demo/ */
	char *web;                           /* folder of the demo's files */
};

struct conf_http {
	uint64_t head_max;    /* request head; 16K */
	int64_t request_ms;   /* a whole request must arrive within; 20s */
	int64_t idle_ms;      /* keep-alive without a request; 75s */
	int connections_max;  /* 20000 */
	uint64_t write_queue; /* unsent bytes of one connection; 1M */
	int pipeline_max;     /* requests of one connection unanswered; 16 */
	int64_t handshake_ms; /* of TLS; 10s */
	int handshakes_max;   /* under way in one worker; 1000 */
};

/* The first serves whoever asks for a name that none of them has. */
struct conf_certificate {
	char *name;  /* the section's title */
	char *chain; /* file: its own certificate, then the intermediate ones */
	char *key;   /* file */
};

struct conf_control {
	enum conf_auth auth;
	struct conf_strings hosts;   /* further Host values that are ours */
	struct conf_strings origins; /* web origins that may call */
	uint64_t max_body;           /* 1M */
	int items_max;               /* in one publish; 1000 */
	uint64_t stanza_max;         /* bytes of an xmpp-stanza; 128K */
	int stanza_depth;            /* 64 */
	uint64_t item_max;           /* bytes of all formats of an item; 256K */
	int channels_max;            /* watched by strangers; 100000 */
	int subscriptions_per_jid;   /* 1000 */
	int texts_per_jid;           /* a minute; 20 */
	int affiliations_max;        /* of one channel; 1000 */
};

/* The first `channels PATTERN` that matches decides. */
struct conf_class {
	char *pattern;
	int64_t history_items;  /* 100 */
	int64_t history_age_ms; /* 1h */
	enum conf_access subscribe;
	enum conf_access publish; /* by users; none */
	enum conf_notify notify;
	bool iq;
	enum conf_stanza_id stanza_id;
	enum conf_relay relay;
	bool available_only; /* XMPP users who are there, as far as known */
	bool multicast;      /* one stanza for many users of the XMPP server */
};

enum conf_token_kind {
	TOKEN_STATIC,
	TOKEN_BASIC,
	TOKEN_JWT
};

struct conf_token {
	char *name; /* the section's title: also the realm, the user, the iss */
	enum conf_token_kind kind;
	char *secret;   /* static: the bearer; basic: the password */
	char *alg;      /* jwt: HS256, RS256, ES256, EdDSA */
	struct buf key; /* jwt: HMAC secret (decoded) or PEM */
	char *issuer;   /* jwt: wanted iss; default: name */
	char *audience; /* jwt: wanted aud or NULL */
	bool prefix;    /* /realm/NAME/ puts NAME/ before channels */
	struct conf_strings publish;   /* channel patterns; {"*"} */
	struct conf_strings subscribe; /* channel patterns; {"*"} */
};

/* One who may log in over BOSH and do nothing else. */
struct conf_user {
	char *name;
	char *password;   /* NULL: its hash is known alone */
	char *scram_sha1; /* auth_scram.h; NULL: none */
	char *scram_sha256;
	struct conf_strings publish;   /* channel patterns; {} */
	struct conf_strings subscribe; /* channel patterns; {"*"} */
};

struct conf {
	char *file; /* NULL: built-in defaults */
	enum log_level log_level;
	struct conf_store store;
	struct conf_http http;
	struct conf_control control;
	struct conf_bosh bosh;
	struct conf_certificate *certificates;
	size_t n_certificates;
	struct conf_component *components;
	size_t n_components;
	struct conf_class *classes;
	size_t n_classes;
	struct conf_token *tokens;
	size_t n_tokens;
	struct conf_user *users;
	size_t n_users;
};

/*
 * File NULL: ./waft.conf, then /etc/waft/waft.conf, else the built-in defaults.
 * Sets are "a.b=c" overrides in order; `a` is a section, and a titled one is
 * named by its title or, if there is only one, by its kind.  On failure returns
 * NULL and *why has one line a fault, each `FILE:LINE: text (hint)`.
 */
struct conf *conf_load(const char *file, const char *const *sets, size_t n_sets,
    struct buf *why);
void conf_free(struct conf *conf);

/* Never NULL: a last class `*` with the defaults always exists. */
const struct conf_class *conf_class(const struct conf *conf,
    const char *channel);
const struct conf_token *conf_token(const struct conf *conf, const char *name);
const struct conf_user *conf_user(const struct conf *conf, const char *name);

/* All options of the two sections have equal values, but for `creators` and
 * `operators`, which is read anew. */
bool conf_component_same(const struct conf_component *a,
    const struct conf_component *b);

/* The command line that all daemons share: -c FILE, --set a.b=c, --version,
 * --help (usage is printed for it).  Ends the process on --help, --version, a
 * bad option (64) and a bad configuration (78). */
struct conf *conf_from_args(int argc, char **argv, const char *usage);
/* The same again, on SIGHUP, as conf_load(): NULL and *why when it is bad. */
struct conf *conf_from_args_again(int argc, char **argv, struct buf *why);

#endif
