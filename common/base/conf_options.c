#include "common/base/conf_options.h"

#include <limits.h>
#include <string.h>

#include "common/base/conf.h"
#include "common/base/mem.h"
#include "common/base/text.h"

#define CONF_SECOND INT64_C(1000)
#define CONF_MINUTE (60 * CONF_SECOND)
#define CONF_HOUR   (60 * CONF_MINUTE)
#define CONF_DAY    (24 * CONF_HOUR)
#define CONF_K      INT64_C(1024)
#define CONF_M      (1024 * CONF_K)
#define CONF_G      (1024 * CONF_M)

/* In the order of their enums. */
static const char *const conf_levels[] = { "debug", "info", "warn", "error",
	NULL };
static const char *const conf_engines[] = { "sqlite", "memory", NULL };
static const char *const conf_accesses[] = { "anyone", "token", "none", NULL };
static const char *const conf_notifies[] = { "auto", "raw", "event", NULL };
static const char *const conf_stanza_ids[] = { "auto", "always", NULL };
static const char *const conf_auths[] = { "none", "token", NULL };
static const char *const conf_bounces[] = { "suspend", "remove", "ignore",
	NULL };
static const char *const conf_relays[] = { "rest", "all", "none", NULL };
static const char *const conf_mechanisms[] = { "SCRAM-SHA-256", "SCRAM-SHA-1",
	"PLAIN", "OAUTHBEARER", "ANONYMOUS", NULL };
static const char *const conf_shutdowns[] = { "keep", "end", NULL };
static const char *const conf_kinds[] = { "static", "basic", "jwt", NULL };
static const char *const conf_algs[] = { "HS256", "RS256", "ES256", "EdDSA",
	NULL };

#define PLAIN(name, field, meaning)                                        \
	{                                                                  \
		name, NULL, offsetof(struct conf, field), 0, 0, 0, meaning \
	}
#define TITLED(name, title, list, count, type, title_field, meaning)   \
	{                                                              \
		name, title, offsetof(struct conf, list),              \
		    offsetof(struct conf, count), sizeof(struct type), \
		    offsetof(struct type, title_field), meaning        \
	}

const struct conf_section conf_sections[] = {
	{ "log", NULL, 0, 0, 0, 0, "What is written to standard error" },
	PLAIN("store", store, "Where items are kept; the same for all daemons"),
	TITLED("component", "DOMAIN", components, n_components, conf_component,
	    domain, "waft-component: the link to the XMPP server (XEP-0114)"),
	PLAIN("bosh", bosh, "waft-bosh: the public HTTP side"),
	TITLED("certificate", "LABEL", certificates, n_certificates,
	    conf_certificate, name,
	    "A certificate for tls-listen; a client gets the one that has the "
	    "name it asks for, or the first"),
	PLAIN("http", http, "Limits of every HTTP connection, public or not"),
	PLAIN("control", control,
	    "The control API of each daemon: who may call it, and how much"),
	TITLED("channels", "PATTERN", classes, n_classes, conf_class, pattern,
	    "Rules of the channels whose name matches (* any run, ? one "
	    "character); the first that matches decides"),
	TITLED("token", "NAME", tokens, n_tokens, conf_token, name,
	    "One who may call the control API, publish or log in over BOSH; "
	    "NAME is its realm, its user, and its JWT's iss"),
	TITLED("user", "LOGIN", users, n_users, conf_user, name,
	    "One who may log in over BOSH and do nothing else; LOGIN is the "
	    "part of the JID before the @"),
	{ NULL, NULL, 0, 0, 0, 0, NULL }
};

#define ROW(section, type, field, name, kind, def, min, max, choices, what) \
	{                                                                   \
		section, name, kind, offsetof(struct type, field), 0, def,  \
		    min, max, choices, what                                 \
	}
#define LOG_ROW(...)       ROW("log", conf, __VA_ARGS__)
#define STORE_ROW(...)     ROW("store", conf_store, __VA_ARGS__)
#define COMPONENT_ROW(...) ROW("component", conf_component, __VA_ARGS__)
#define BOSH_ROW(...)      ROW("bosh", conf_bosh, __VA_ARGS__)
#define CERT_ROW(...)      ROW("certificate", conf_certificate, __VA_ARGS__)
#define HTTP_ROW(...)      ROW("http", conf_http, __VA_ARGS__)
#define CONTROL_ROW(...)   ROW("control", conf_control, __VA_ARGS__)
#define CLASS_ROW(...)     ROW("channels", conf_class, __VA_ARGS__)
#define TOKEN_ROW(...)     ROW("token", conf_token, __VA_ARGS__)
#define USER_ROW(...)      ROW("user", conf_user, __VA_ARGS__)

/* clang-format off */
const struct conf_option conf_options[] = {
	LOG_ROW(log_level, "level", CONF_CHOICE, "info", 0, 0, conf_levels,
	    "Least grave lines that are written: debug, info, warn, error"),

	STORE_ROW(engine, "engine", CONF_WORD, "sqlite", 0, 0, conf_engines,
	    "sqlite, or memory, which forgets everything at the end"),
	STORE_ROW(path, "path", CONF_TEXT, "./waft.db", 0, 0, NULL,
	    "The log's file; others beside it begin with the same name"),
	STORE_ROW(publish_timeout_ms, "publish-timeout", CONF_MS, "5s",
	    100, 5 * CONF_MINUTE, NULL,
	    "How long a publish waits for the lock before it gets 503"),
	STORE_ROW(duplicate_ttl_ms, "duplicate-ttl", CONF_MS, "10m",
	    0, 7 * CONF_DAY, NULL,
	    "How long a repeated id on a channel is known as a duplicate"),
	STORE_ROW(tail_size, "tail-size", CONF_SIZE, "16M",
	    256 * CONF_K, 16 * CONF_G, NULL,
	    "Memory for recent items; slower listeners read the store"),
	STORE_ROW(max_size, "max-size", CONF_SIZE, "1G", 0, INT64_MAX, NULL,
	    "Of all items on disk, the oldest go first; 0 is no limit"),
	STORE_ROW(wal_size, "wal-size", CONF_SIZE, "64M",
	    CONF_M, 64 * CONF_G, NULL,
	    "Size of the write-ahead log beyond which a checkpoint is forced"),
	STORE_ROW(pin_size, "pin-size", CONF_SIZE, "64M", 0, INT64_MAX, NULL,
	    "Items kept past their time for one listener that is behind"),

	{ "component", "server", CONF_SERVER,
	    offsetof(struct conf_component, host),
	    offsetof(struct conf_component, port), "127.0.0.1:5347", 0, 0, NULL,
	    "Where the XMPP server listens for components" },
	COMPONENT_ROW(secret, "secret", CONF_TEXT, NULL, 0, 0, NULL,
	    "Shared with the XMPP server; this or secret-file is required"),
	COMPONENT_ROW(secret, "secret-file", CONF_SECRET_FILE, NULL, 0, 0, NULL,
	    "File that holds the secret; a final newline does not count"),
	COMPONENT_ROW(ping, "ping", CONF_DOMAIN, NULL, 0, 0, NULL,
	    "The server's own domain, asked whether it has routed what was "
	    "sent; default: DOMAIN after its first dot"),
	COMPONENT_ROW(allow_plain, "allow-plain", CONF_BOOL, "no", 0, 0, NULL,
	    "The server may be on another host, though nothing is encrypted"),
	COMPONENT_ROW(control, "control", CONF_ADDRESS, "127.0.0.1:5562",
	    0, 0, NULL, "Address of this daemon's control API"),
	COMPONENT_ROW(rewind_ms, "rewind", CONF_MS, "5s", 0, CONF_HOUR, NULL,
	    "Deliveries repeated after the server ended the link: what it "
	    "had routed may have died in its memory"),
	COMPONENT_ROW(reconnect_ms, "reconnect", CONF_MS, "60s",
	    CONF_SECOND, CONF_HOUR, NULL,
	    "Longest wait between attempts to attach"),
	COMPONENT_ROW(window_bytes, "window-bytes", CONF_SIZE, "1M",
	    16 * CONF_K, CONF_G, NULL,
	    "Bytes on the link that the server has not confirmed"),
	COMPONENT_ROW(window_stanzas, "window-stanzas", CONF_NUMBER, "1000",
	    1, 1000000, NULL,
	    "Stanzas on the link that the server has not confirmed"),
	COMPONENT_ROW(bounce, "bounce", CONF_CHOICE, "suspend",
	    0, 0, conf_bounces,
	    "What a receiver that is gone for good loses: suspend or remove "
	    "the subscription, or ignore"),
	COMPONENT_ROW(bounce_retry_ms, "bounce-retry", CONF_MS, "1h",
	    CONF_SECOND, 24 * CONF_HOUR, NULL,
	    "Who was suspended because nothing reached him is tried again "
	    "after this, then after twice as long, up to 24 times"),
	COMPONENT_ROW(multicast, "multicast", CONF_DOMAIN, NULL, 0, 0, NULL,
	    "The server's multicast service (XEP-0033), for channels with "
	    "multicast = yes; default: looked for among the items of `ping`"),
	COMPONENT_ROW(multicast_group, "multicast-group", CONF_INT, "100",
	    1, 10000, NULL,
	    "Receivers in one stanza for the multicast service, which may "
	    "allow less"),
	COMPONENT_ROW(multicast_window, "multicast-window", CONF_NUMBER, "2000",
	    1, 1000000, NULL,
	    "Copies that the multicast service has not confirmed: it takes "
	    "what it is given and keeps it in memory, and more of them only "
	    "wait there longer"),
	COMPONENT_ROW(creators, "creators", CONF_TEXTS, NULL, 0, 0, NULL,
	    "Users of the XMPP server who may create nodes and own them: "
	    "bare JIDs, or domains for all who are there"),
	COMPONENT_ROW(operators, "operators", CONF_TEXTS, NULL, 0, 0, NULL,
	    "Users who may use the ad-hoc commands of operators (publish, "
	    "subscribers, statistics): bare JIDs, or domains"),
	COMPONENT_ROW(presences_max, "presences-max", CONF_INT, "100000",
	    1, 10000000, NULL,
	    "Clients whose presence at channels is known at once"),
	COMPONENT_ROW(stanzas_per_jid, "stanzas-per-jid", CONF_INT, "100",
	    1, 1000000, NULL,
	    "Stanzas of one bare JID in a second, errors not counted; ten "
	    "times as many in a burst; past it policy-violation once a second"),
	COMPONENT_ROW(jids_max, "jids-max", CONF_INT, "100000",
	    1, 10000000, NULL, "JIDs that are counted at once"),
	COMPONENT_ROW(origin, "origin", CONF_TEXT, NULL, 0, 0, NULL,
	    "https://... that is sent, as POST .../xmpp/JID, what users send "
	    "to JID and waft does not answer; the stanzas of its answer are "
	    "sent on"),
	COMPONENT_ROW(origin_timeout_ms, "origin-timeout", CONF_MS, "10s",
	    100, 5 * CONF_MINUTE, NULL, "The origin must have answered within"),
	COMPONENT_ROW(origin_requests, "origin-requests", CONF_INT, "8",
	    1, 1000, NULL,
	    "Requests to the origin at once; one for each user"),
	COMPONENT_ROW(origin_queue, "origin-queue", CONF_SIZE, "1M",
	    16 * CONF_K, CONF_G, NULL,
	    "Stanzas that wait for the origin, in bytes, a quarter of them at "
	    "most of one user; resource-constraint past it"),
	COMPONENT_ROW(origin_answer, "origin-answer", CONF_SIZE, "256K",
	    CONF_K, 16 * CONF_M, NULL, "Of an answer of the origin"),
	COMPONENT_ROW(origin_stanzas, "origin-stanzas", CONF_INT, "100",
	    1, 100000, NULL, "Stanzas in one answer of the origin"),
	COMPONENT_ROW(origin_networks, "origin-networks", CONF_TEXTS, NULL,
	    0, 0, NULL,
	    "Private networks (127.0.0.0/8) where the origin may be; any "
	    "other private address is refused"),
	COMPONENT_ROW(origin_ca, "origin-ca", CONF_TEXT, NULL, 0, 0, NULL,
	    "File in PEM: the authority that signed the origin's certificate; "
	    "default: the system's"),
	COMPONENT_ROW(origin_token, "origin-token", CONF_TEXT, NULL, 0, 0, NULL,
	    "Section token (jwt, HS256) whose key signs Grip-Sig in each "
	    "request to the origin"),

	BOSH_ROW(listen, "listen", CONF_ADDRESSES, "127.0.0.1:7999", 0, 0, NULL,
	    "Public addresses, without TLS"),
	BOSH_ROW(tls_listen, "tls-listen", CONF_ADDRESSES, NULL, 0, 0, NULL,
	    "Public addresses with TLS; they need a section certificate"),
	BOSH_ROW(domain, "domain", CONF_DOMAIN, "bosh.localhost", 0, 0, NULL,
	    "Domain of the JIDs of those who log in over BOSH"),
	BOSH_ROW(former_domains, "former-domains", CONF_TEXTS, NULL, 0, 0, NULL,
	    "Domains served before: who asks for one is told that it is gone"),
	BOSH_ROW(control, "control", CONF_ADDRESS, "127.0.0.1:5561", 0, 0, NULL,
	    "Address of this daemon's control API: that of the first section"),
	BOSH_ROW(workers, "workers", CONF_INT, "0", 0, 256, NULL,
	    "Threads that serve; 0 is one for each processor"),
	BOSH_ROW(anonymous, "anonymous", CONF_BOOL, "yes", 0, 0, NULL,
	    "Offer SASL ANONYMOUS"),
	BOSH_ROW(public_url, "public-url", CONF_TEXT, NULL, 0, 0, NULL,
	    "https://HOST where clients reach it, told at "
	    "/.well-known/host-meta (XEP-0156)"),
	BOSH_ROW(mechanisms, "mechanisms", CONF_TEXTS, NULL,
	    0, 0, conf_mechanisms,
	    "SASL mechanisms to offer, in this order; {} is those that the "
	    "users and tokens have a use for"),
	BOSH_ROW(assume_secure, "assume-secure", CONF_BOOL, NULL, 0, 0, NULL,
	    "Offer PLAIN although waft itself sees no TLS; default: yes if "
	    "listen is on loopback alone"),
	BOSH_ROW(max_wait_ms, "max-wait", CONF_MS, "59s",
	    CONF_SECOND, 10 * CONF_MINUTE, NULL,
	    "Longest time a request is held (XEP-0124 wait)"),
	BOSH_ROW(max_hold, "max-hold", CONF_INT, "1", 1, 4, NULL,
	    "Requests of one session held at once (XEP-0124 hold)"),
	BOSH_ROW(inactivity_ms, "inactivity", CONF_MS, "60s",
	    5 * CONF_SECOND, CONF_HOUR, NULL,
	    "A session without a request ends after"),
	BOSH_ROW(polling_ms, "polling", CONF_MS, "2s", 0, CONF_MINUTE, NULL,
	    "Shortest time between polls of a session that holds none"),
	BOSH_ROW(max_pause_ms, "max-pause", CONF_MS, "120s",
	    0, CONF_HOUR, NULL, "Longest pause a client may ask for"),
	BOSH_ROW(ws_ping_ms, "ws-ping", CONF_MS, "60s",
	    CONF_SECOND, CONF_HOUR, NULL,
	    "A silent WebSocket is pinged after, and cut after twice that"),
	BOSH_ROW(max_body, "max-body", CONF_SIZE, "256K",
	    4 * CONF_K, 64 * CONF_M, NULL,
	    "Of a request, or of a WebSocket message"),
	BOSH_ROW(max_response, "max-response", CONF_SIZE, "128K",
	    4 * CONF_K, 64 * CONF_M, NULL, "Stanzas joined in one response"),
	BOSH_ROW(client_queue, "client-queue", CONF_SIZE, "1M",
	    16 * CONF_K, CONF_G, NULL, "Waiting for one session, and sent but not yet acknowledged"),
	BOSH_ROW(shutdown, "shutdown", CONF_CHOICE, "keep",
	    0, 0, conf_shutdowns,
	    "What becomes of the sessions at the end: keep them for the next "
	    "start, or end them with system-shutdown"),
	BOSH_ROW(resume_window, "resume-window", CONF_NUMBER, "1000",
	    1, 100000, NULL,
	    "How far a client may be past the rid that was stored when "
	    "waft-bosh died"),
	BOSH_ROW(session_record, "session-record", CONF_SIZE, "64K",
	    4 * CONF_K, 16 * CONF_M, NULL,
	    "Of a session's answers and stanzas that are no items, kept on "
	    "disk for a restart"),
	BOSH_ROW(sessions_max, "sessions-max", CONF_INT, "20000",
	    1, 10000000, NULL, "Sessions in all"),
	BOSH_ROW(sessions_per_address, "sessions-per-address", CONF_INT, "200",
	    1, 10000000, NULL,
	    "Sessions of one client address; IPv6 counts by /64, loopback "
	    "is not counted, here and in the next four"),
	BOSH_ROW(creations_per_address, "creations-per-address", CONF_INT, "10",
	    1, 1000000, NULL,
	    "Sessions that one address may open in a second; ten times as "
	    "many in a burst"),
	BOSH_ROW(requests_per_address, "requests-per-address", CONF_INT, "1000",
	    1, 1000000, NULL,
	    "Requests and WebSocket messages of one address in a second; ten "
	    "times as many in a burst; 503 past it, or the session's end"),
	BOSH_ROW(login_failures_per_address, "login-failures-per-address",
	    CONF_INT, "30", 1, 1000000, NULL,
	    "Failed logins of one address in a minute; past it no password "
	    "is looked at"),
	BOSH_ROW(unknown_sids_per_address, "unknown-sids-per-address", CONF_INT,
	    "1000", 1, 1000000, NULL,
	    "Requests of one address in a minute for sessions that are not "
	    "there; past it connections are closed"),
	BOSH_ROW(addresses_max, "addresses-max", CONF_INT, "100000",
	    1, 10000000, NULL, "Addresses that are counted at once"),
	BOSH_ROW(limit_loopback, "limit-loopback", CONF_BOOL, "no", 0, 0, NULL,
	    "Count loopback as any other address"),
	BOSH_ROW(subscriptions_per_session, "subscriptions-per-session",
	    CONF_INT, "1000", 1, 1000000, NULL, "Channels of one session"),
	BOSH_ROW(origins, "origins", CONF_ORIGINS, "*", 0, 0, NULL,
	    "Web pages that may connect (CORS); * is any"),
	BOSH_ROW(gzip, "gzip", CONF_BOOL, "no", 0, 0, NULL,
	    "Code answers of 1K and more with gzip for clients that accept "
	    "it. Over TLS their length then tells something of what a "
	    "stranger's text shares with a secret beside it (BREACH), and it "
	    "costs processor time: for slow lines and channels without "
	    "secrets"),
	BOSH_ROW(secure_uri, "secure-uri", CONF_TEXT, NULL, 0, 0, NULL,
	    "https://... where clients are sent that begin a session without "
	    "TLS (see-other-uri); default: they are served"),
	BOSH_ROW(trusted_proxies, "trusted-proxies", CONF_TEXTS, NULL, 0, 0,
	    NULL,
	    "Addresses and networks (10.0.0.0/8) whose X-Forwarded-For and "
	    "X-Forwarded-Proto are believed"),
	BOSH_ROW(demo, "demo", CONF_BOOL, "no", 0, 0, NULL,
	    "Serve the demo page under /demo/"),
	BOSH_ROW(web, "web", CONF_TEXT, "./web", 0, 0, NULL,
	    "Folder of the demo page's files"),

	HTTP_ROW(head_max, "head-max", CONF_SIZE, "16K",
	    CONF_K, CONF_M, NULL, "Of a request's head; 431 past it"),
	HTTP_ROW(request_ms, "request-timeout", CONF_MS, "20s",
	    CONF_SECOND, CONF_HOUR, NULL,
	    "A whole request must arrive within; 408 past it"),
	HTTP_ROW(idle_ms, "idle-timeout", CONF_MS, "75s",
	    CONF_SECOND, CONF_DAY, NULL,
	    "A connection without a request is closed after"),
	HTTP_ROW(connections_max, "connections-max", CONF_INT, "20000",
	    1, 10000000, NULL, "Connections to one address in one worker; 503 past it"),
	HTTP_ROW(write_queue, "write-queue", CONF_SIZE, "1M",
	    16 * CONF_K, CONF_G, NULL,
	    "Bytes a connection has not taken; it is closed past them"),
	HTTP_ROW(pipeline_max, "pipeline-max", CONF_INT, "16", 1, 1024, NULL,
	    "Unanswered requests of one connection"),
	HTTP_ROW(handshake_ms, "handshake-timeout", CONF_MS, "10s",
	    100, CONF_HOUR, NULL, "A TLS handshake must be over within"),
	HTTP_ROW(handshakes_max, "handshakes-max", CONF_INT, "1000",
	    1, 10000000, NULL,
	    "TLS handshakes under way in one worker; past it the oldest is "
	    "given up"),

	CERT_ROW(chain, "chain", CONF_TEXT, NULL, 0, 0, NULL,
	    "File in PEM: the certificate, then those that lead to its root"),
	CERT_ROW(key, "key", CONF_TEXT, NULL, 0, 0, NULL,
	    "File in PEM: its private key, without a passphrase"),

	CONTROL_ROW(auth, "auth", CONF_CHOICE, "none", 0, 0, conf_auths,
	    "none (on loopback only), or token: one of the token sections"),
	CONTROL_ROW(hosts, "hosts", CONF_TEXTS, NULL, 0, 0, NULL,
	    "Host values that are ours beside localhost and its addresses"),
	CONTROL_ROW(origins, "origins", CONF_ORIGINS, NULL, 0, 0, NULL,
	    "Web pages that may call; any other Origin is refused"),
	CONTROL_ROW(max_body, "max-body", CONF_SIZE, "1M",
	    4 * CONF_K, CONF_G, NULL, "Of a request; 413 past it"),
	CONTROL_ROW(items_max, "items-max", CONF_INT, "1000",
	    1, 100000, NULL, "Items in one publish, lines in one import"),
	CONTROL_ROW(stanza_max, "stanza-max", CONF_SIZE, "128K",
	    CONF_K, 16 * CONF_M, NULL, "Of an xmpp-stanza"),
	CONTROL_ROW(stanza_depth, "stanza-depth", CONF_INT, "64",
	    2, 1000, NULL, "Elements inside each other in an xmpp-stanza"),
	CONTROL_ROW(item_max, "item-max", CONF_SIZE, "256K",
	    CONF_K, 64 * CONF_M, NULL, "Of an item in all its formats"),
	CONTROL_ROW(channels_max, "channels-max", CONF_INT, "100000",
	    1, 100000000, NULL, "Channels that strangers listen on"),
	CONTROL_ROW(subscriptions_per_jid, "subscriptions-per-jid", CONF_INT,
	    "1000", 1, 1000000, NULL, "Channels of one JID"),
	CONTROL_ROW(texts_per_jid, "texts-per-jid", CONF_INT, "20",
	    1, 60000, NULL,
	    "Commands by chat message that one JID has answered in a minute"),
	CONTROL_ROW(affiliations_max, "affiliations-max", CONF_INT, "1000",
	    1, 100000, NULL,
	    "Users whom the owner of a channel has given a role in it"),

	CLASS_ROW(history_items, "history-items", CONF_NUMBER, "100",
	    0, 1000000000, NULL, "Items kept of a channel"),
	CLASS_ROW(history_age_ms, "history-age", CONF_MS, "1h",
	    0, 3650 * CONF_DAY, NULL, "How long an item is kept"),
	CLASS_ROW(subscribe, "subscribe", CONF_CHOICE, "anyone",
	    0, 0, conf_accesses,
	    "Who may listen: anyone, token (whom a token allows it), none"),
	CLASS_ROW(publish, "publish", CONF_CHOICE, "none",
	    0, 0, conf_accesses,
	    "Which users may publish over XMPP; the control API has its own "
	    "rule"),
	CLASS_ROW(notify, "notify", CONF_CHOICE, "auto", 0, 0, conf_notifies,
	    "What XMPP listeners get: the item's own stanza (raw), an "
	    "XEP-0060 event (event), or raw where there is one (auto)"),
	CLASS_ROW(iq, "iq", CONF_BOOL, "no", 0, 0, NULL,
	    "Allow iq stanzas as items"),
	CLASS_ROW(stanza_id, "stanza-id", CONF_CHOICE, "auto",
	    0, 0, conf_stanza_ids,
	    "Which messages say their position besides (XEP-0359): those "
	    "whose id is not it already (auto), or all (always)"),
	CLASS_ROW(relay, "relay", CONF_CHOICE, "rest", 0, 0, conf_relays,
	    "What the component's origin gets of what users send to the "
	    "channel's address: the rest, which waft does not answer itself; "
	    "all of it; none"),
	CLASS_ROW(available_only, "available-only", CONF_BOOL, "no", 0, 0, NULL,
	    "Leave out users of the XMPP server who show the channel their "
	    "presence and are not available"),
	CLASS_ROW(multicast, "multicast", CONF_BOOL, "no", 0, 0, NULL,
	    "Send one stanza for many users of the domain `ping`, which the "
	    "server's multicast service copies (ejabberd's mod_multicast)"),

	TOKEN_ROW(kind, "kind", CONF_CHOICE, "static", 0, 0, conf_kinds,
	    "static (a bearer), basic (NAME and a password), or jwt"),
	TOKEN_ROW(secret, "secret", CONF_TEXT, NULL, 0, 0, NULL,
	    "static: the bearer; basic: the password"),
	TOKEN_ROW(secret, "secret-file", CONF_SECRET_FILE, NULL, 0, 0, NULL,
	    "File that holds the secret; a final newline does not count"),
	TOKEN_ROW(alg, "alg", CONF_WORD, "HS256", 0, 0, conf_algs,
	    "jwt: the one algorithm accepted: HS256, RS256, ES256, EdDSA"),
	TOKEN_ROW(key, "key", CONF_KEY, NULL, 0, 0, NULL,
	    "jwt: HS256's secret as text or base64:..., else a public key in "
	    "PEM"),
	TOKEN_ROW(key, "key-file", CONF_KEY_FILE, NULL, 0, 0, NULL,
	    "File that holds the key"),
	TOKEN_ROW(issuer, "issuer", CONF_TEXT, NULL, 0, 0, NULL,
	    "jwt: the iss it must have; default: NAME"),
	TOKEN_ROW(audience, "audience", CONF_TEXT, NULL, 0, 0, NULL,
	    "jwt: the aud it must have; default: any"),
	TOKEN_ROW(prefix, "prefix", CONF_BOOL, "no", 0, 0, NULL,
	    "/realm/NAME/ puts NAME/ before every channel"),
	TOKEN_ROW(publish, "publish", CONF_TEXTS, "*", 0, 0, NULL,
	    "Patterns of channels it may publish to"),
	TOKEN_ROW(subscribe, "subscribe", CONF_TEXTS, "*", 0, 0, NULL,
	    "Patterns of channels it may listen on"),

	USER_ROW(password, "password", CONF_TEXT, NULL, 0, 0, NULL,
	    "This, password-file or scram-sha-256 is required"),
	USER_ROW(password, "password-file", CONF_SECRET_FILE, NULL, 0, 0, NULL,
	    "File that holds the password; a final newline does not count"),
	USER_ROW(scram_sha256, "scram-sha-256", CONF_TEXT, NULL, 0, 0, NULL,
	    "In place of a password what proves it: "
	    "ITERATIONS:SALT:STORED-KEY:SERVER-KEY, as `waft user` makes it"),
	USER_ROW(scram_sha1, "scram-sha-1", CONF_TEXT, NULL, 0, 0, NULL,
	    "The same for clients that have SCRAM-SHA-1 alone"),
	USER_ROW(publish, "publish", CONF_TEXTS, NULL, 0, 0, NULL,
	    "Patterns of channels whose class says publish = token that it "
	    "may publish to"),
	USER_ROW(subscribe, "subscribe", CONF_TEXTS, "*", 0, 0, NULL,
	    "Patterns of channels whose class says subscribe = token that it "
	    "may listen on"),

	{ NULL, NULL, CONF_TEXT, 0, 0, NULL, 0, 0, NULL, NULL }
};
/* clang-format on */

const struct conf_section *
conf_section_find(const char *name)
{
	const struct conf_section *s;

	for (s = conf_sections; s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

const struct conf_option *
conf_option_find(const char *section, const char *name)
{
	const struct conf_option *o;

	for (o = conf_options; o->name != NULL; o++)
		if (strcmp(o->section, section) == 0 &&
		    strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

void
conf_options_hint(const char *section, const char *name, struct buf *out)
{
	const char *names[ARRAY_LEN(conf_options)];
	const struct conf_section *s;
	const struct conf_option *o;
	const char *near;
	size_t n = 0;

	if (section == NULL) {
		for (s = conf_sections; s->name != NULL; s++)
			names[n++] = s->name;
		names[n++] = "include";
	} else {
		for (o = conf_options; o->name != NULL; o++)
			if (strcmp(o->section, section) == 0)
				names[n++] = o->name;
	}
	names[n] = NULL;
	near = text_nearest(name, names);
	if (near != NULL)
		buf_addf(out, " (did you mean \"%s\"?)", near);
}

bool
conf_option_is_list(const struct conf_option *option)
{
	return option->type >= CONF_TEXTS;
}
