#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/dialog.h"
#include "bench/http.h"
#include "bench/load.h"
#include "bench/tool.h"

/* Log-ins under way at once. */
#define BOSH_RAMP  32
#define BOSH_SID   128
#define BOSH_FIRST 1000000

/* One session on one connection: the poll after each answer goes out at once.
 */
struct bosh_user {
	struct net_conn conn;
	struct load *load;
	uint32_t number;
	enum dialog_step step;
	bool restart;         /* what the next request asks */
	char out[DIALOG_MAX]; /* what the next request carries */
	unsigned long rid;
	char sid[BOSH_SID];
};

struct bosh {
	struct sockaddr_in address;
	uint32_t opened;
	struct bosh_user *users;
};

static void bosh_open(struct load *load);

/* The request with user->rid: the same again after a broken connection. */
static void
bosh_request(struct bosh_user *user)
{
	const struct load_options *options = &user->load->options;
	char body[DIALOG_MAX + 512];
	int len;

	if (user->sid[0] == '\0')
		len = snprintf(body, sizeof body,
		    "<body xmlns='http://jabber.org/protocol/httpbind' "
		    "xmlns:xmpp='urn:xmpp:xbosh' rid='%lu' to='%s' "
		    "xml:lang='en' wait='55' hold='1' ver='1.6' "
		    "content='text/xml; charset=utf-8' xmpp:version='1.0'/>",
		    user->rid, options->domain);
	else if (user->restart)
		len = snprintf(body, sizeof body,
		    "<body xmlns='http://jabber.org/protocol/httpbind' "
		    "xmlns:xmpp='urn:xmpp:xbosh' rid='%lu' sid='%s' to='%s' "
		    "xmpp:restart='true'/>",
		    user->rid, user->sid, options->domain);
	else if (user->out[0] != '\0')
		len = snprintf(body, sizeof body,
		    "<body xmlns='http://jabber.org/protocol/httpbind' "
		    "rid='%lu' sid='%s'>%s</body>",
		    user->rid, user->sid, user->out);
	else
		len = snprintf(body, sizeof body,
		    "<body xmlns='http://jabber.org/protocol/httpbind' "
		    "rid='%lu' sid='%s'/>",
		    user->rid, user->sid);
	net_printf(&user->conn,
	    "POST %s HTTP/1.1\r\nHost: %s\r\n"
	    "Content-Type: text/xml; charset=utf-8\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    options->path, options->server, len, body);
}

static void
bosh_sid(struct bosh_user *user, const char *body, size_t len)
{
	const char *p = tool_find(body, len, " sid=");
	size_t n;

	if (p == NULL)
		tool_die("no session: %.*s", (int)len, body);
	n = strcspn(p + 6, "'\"");
	if (n >= sizeof user->sid)
		tool_die("sid too long");
	memcpy(user->sid, p + 6, n);
}

static void
bosh_login(struct bosh_user *user, const char *body, size_t len)
{
	struct load *load = user->load;

	user->restart = false;
	user->out[0] = '\0';
	if (user->sid[0] == '\0')
		bosh_sid(user, body, len);
	switch (dialog_next(&load->options, &user->step, body, len, user->out,
	    load->jids[user->number])) {
	case DIALOG_RESTART:
		user->restart = true;
		break;
	case DIALOG_DONE:
		load_user_ready(load);
		bosh_open(load);
		break;
	case DIALOG_MORE:
	case DIALOG_SEND:
		break;
	}
}

static void
bosh_count(struct bosh_user *user, const char *body, size_t len)
{
	struct tally *tally = &user->load->tally;
	uint64_t before = tally->deliveries;

	(void)tally_scan(tally, user->number, body, len);
	if (tally->deliveries > before)
		tally->responses++;
	else if (tool_find(body, len, "terminate") != NULL)
		tool_die("the session of %s ended: %.*s",
		    user->load->jids[user->number], (int)len, body);
}

static void
bosh_input(struct net_conn *conn)
{
	struct bosh_user *user = conn->owner;
	struct http_answer answer;

	if (!http_parse(conn->in, conn->in_len, &answer))
		return;
	if (answer.status != 200)
		tool_die("BOSH answered %.*s", (int)conn->in_len, conn->in);
	if (user->step == DIALOG_READY)
		bosh_count(user, answer.body, answer.body_len);
	else
		bosh_login(user, answer.body, answer.body_len);
	net_consume(conn, answer.len);
	user->rid++;
	bosh_request(user);
}

static void
bosh_opened(struct net_conn *conn)
{
	bosh_request(conn->owner);
}

static void bosh_ended(struct net_conn *conn);
static const struct net_ops bosh_ops = { bosh_opened, bosh_input, bosh_ended };

static void
bosh_ended(struct net_conn *conn)
{
	struct bosh_user *user = conn->owner;
	struct bosh *bosh = user->load->receivers;

	if (conn->opening)
		tool_die("BOSH refuses connections");
	user->load->reconnects++;
	net_open(conn, &user->load->net, &bosh->address, &bosh_ops, user);
}

static void
bosh_open(struct load *load)
{
	struct bosh *bosh = load->receivers;
	struct bosh_user *user;

	if (bosh->opened == load->options.clients)
		return;
	user = &bosh->users[bosh->opened];
	user->load = load;
	user->number = bosh->opened++;
	user->rid = BOSH_FIRST;
	net_open(&user->conn, &load->net, &bosh->address, &bosh_ops, user);
}

static void
bosh_start(struct load *load)
{
	struct bosh *bosh = tool_calloc(1, sizeof *bosh);
	int i;

	load->receivers = bosh;
	bosh->address = net_address(load->options.server);
	bosh->users = tool_calloc(load->options.clients, sizeof *bosh->users);
	for (i = 0; i < BOSH_RAMP; i++)
		bosh_open(load);
}

const struct load_receiver bosh_receiver = { "bosh", bosh_start };
