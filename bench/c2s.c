#include <stdlib.h>

#include "bench/dialog.h"
#include "bench/load.h"
#include "bench/tool.h"

/* Log-ins under way at once. */
#define C2S_RAMP 32

struct c2s_user {
	struct net_conn conn;
	struct load *load;
	uint32_t number;
	enum dialog_step step;
};

static void c2s_open(struct load *load);

static void
c2s_stream(struct net_conn *conn, const struct load *load)
{
	net_printf(conn,
	    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
	    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
	    "to='%s'>",
	    load->options.domain);
}

static void
c2s_opened(struct net_conn *conn)
{
	const struct c2s_user *user = conn->owner;

	c2s_stream(conn, user->load);
}

static void
c2s_login(struct c2s_user *user)
{
	struct load *load = user->load;
	char out[DIALOG_MAX];

	switch (dialog_next(&load->options, &user->step, user->conn.in,
	    user->conn.in_len, out, load->jids[user->number])) {
	case DIALOG_MORE:
		return;
	case DIALOG_SEND:
		net_printf(&user->conn, "%s", out);
		break;
	case DIALOG_RESTART:
		c2s_stream(&user->conn, load);
		break;
	case DIALOG_DONE:
		load_user_ready(load);
		c2s_open(load);
		break;
	}
	net_consume(&user->conn, user->conn.in_len);
}

static void
c2s_input(struct net_conn *conn)
{
	struct c2s_user *user = conn->owner;

	if (user->step != DIALOG_READY)
		c2s_login(user);
	else
		net_consume(conn,
		    tally_scan(&user->load->tally, user->number, conn->in,
		        conn->in_len));
}

static void
c2s_ended(struct net_conn *conn)
{
	const struct c2s_user *user = conn->owner;

	tool_die("the server closed the connection of %s",
	    user->load->jids[user->number]);
}

static const struct net_ops c2s_ops = { c2s_opened, c2s_input, c2s_ended };

struct c2s {
	struct sockaddr_in address;
	uint32_t opened;
	struct c2s_user *users;
};

static void
c2s_open(struct load *load)
{
	struct c2s *c2s = load->receivers;
	struct c2s_user *user;

	if (c2s->opened == load->options.clients)
		return;
	user = &c2s->users[c2s->opened];
	user->load = load;
	user->number = c2s->opened++;
	net_open(&user->conn, &load->net, &c2s->address, &c2s_ops, user);
}

static void
c2s_start(struct load *load)
{
	struct c2s *c2s = tool_calloc(1, sizeof *c2s);
	int i;

	load->receivers = c2s;
	c2s->address = net_address(load->options.server);
	c2s->users = tool_calloc(load->options.clients, sizeof *c2s->users);
	for (i = 0; i < C2S_RAMP; i++)
		c2s_open(load);
}

const struct load_receiver c2s_receiver = { "c2s", c2s_start };
