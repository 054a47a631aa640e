#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/dialog.h"
#include "bench/load.h"
#include "bench/tool.h"

/* Log-ins under way at once. */
#define WS_RAMP 32
#define WS_PING 9
#define WS_PONG 10

/* One XMPP session over a WebSocket (RFC 7395). */
struct ws_user {
	struct net_conn conn;
	struct load *load;
	uint32_t number;
	enum dialog_step step;
	bool upgraded;
};

struct ws {
	struct sockaddr_in address;
	uint32_t opened;
	struct ws_user *users;
};

/* One frame at the front of what was received. */
struct ws_frame {
	unsigned opcode;
	const char *data;
	size_t data_len;
	size_t len;
};

static void ws_open(struct load *load);

/* A client's frames are masked (RFC 6455 §5.3); zeros change nothing. */
static void
ws_send(struct net_conn *conn, unsigned opcode, const char *data, size_t len)
{
	char head[8] = { (char)(0x80 | opcode) };
	size_t n = 2;

	if (len < 126) {
		head[1] = (char)(0x80 | len);
	} else {
		head[1] = (char)(0x80 | 126);
		head[2] = (char)(len >> 8);
		head[3] = (char)len;
		n = 4;
	}
	net_send(conn, head, n + 4);
	net_send(conn, data, len);
}

static void
ws_text(struct net_conn *conn, const char *text)
{
	ws_send(conn, 1, text, strlen(text));
}

/* One stanza a frame. */
static void
ws_stanzas(struct net_conn *conn, const char *text)
{
	size_t first = strlen(DIALOG_PRESENCE);

	if (strncmp(text, DIALOG_PRESENCE, first) == 0) {
		ws_send(conn, 1, text, first);
		text += first;
	}
	ws_text(conn, text);
}

static void
ws_stream(struct ws_user *user)
{
	char text[512];

	snprintf(text, sizeof text,
	    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='%s' "
	    "version='1.0'/>",
	    user->load->options.domain);
	ws_text(&user->conn, text);
}

/* False: not all of it is here yet. */
static bool
ws_frame(const char *data, size_t len, struct ws_frame *frame)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t head = 2;

	if (len < 2)
		return false;
	frame->opcode = p[0] & 15;
	frame->data_len = p[1];
	if (p[1] == 126) {
		if (len < 4)
			return false;
		frame->data_len = (size_t)p[2] << 8 | p[3];
		head = 4;
	} else if (p[1] > 126) {
		tool_die("a frame of that length is not expected");
	}
	frame->data = data + head;
	frame->len = head + frame->data_len;
	return frame->len <= len;
}

static void
ws_login(struct ws_user *user, const struct ws_frame *frame)
{
	struct load *load = user->load;
	char out[DIALOG_MAX];

	switch (dialog_next(&load->options, &user->step, frame->data,
	    frame->data_len, out, load->jids[user->number])) {
	case DIALOG_MORE:
		break;
	case DIALOG_SEND:
		ws_stanzas(&user->conn, out);
		break;
	case DIALOG_RESTART:
		ws_stream(user);
		break;
	case DIALOG_DONE:
		load_user_ready(load);
		ws_open(load);
		break;
	}
}

static void
ws_take(struct ws_user *user, const struct ws_frame *frame)
{
	if (frame->opcode == WS_PING)
		ws_send(&user->conn, WS_PONG, frame->data, frame->data_len);
	else if (frame->opcode > 1)
		tool_die("the server closed the WebSocket of %s",
		    user->load->jids[user->number]);
	else if (user->step == DIALOG_READY)
		(void)tally_scan(&user->load->tally, user->number, frame->data,
		    frame->data_len);
	else
		ws_login(user, frame);
}

static bool
ws_upgraded(struct ws_user *user)
{
	struct net_conn *conn = &user->conn;
	const char *end = tool_find(conn->in, conn->in_len, "\r\n\r\n");

	if (user->upgraded)
		return true;
	if (end == NULL)
		return false;
	if (tool_find(conn->in, conn->in_len, "HTTP/1.1 101") != conn->in)
		tool_die("no WebSocket: %.*s", (int)conn->in_len, conn->in);
	net_consume(conn, (size_t)(end - conn->in) + 4);
	user->upgraded = true;
	ws_stream(user);
	return true;
}

static void
ws_input(struct net_conn *conn)
{
	struct ws_user *user = conn->owner;
	struct ws_frame frame;
	size_t used = 0;

	if (!ws_upgraded(user))
		return;
	while (ws_frame(conn->in + used, conn->in_len - used, &frame)) {
		ws_take(user, &frame);
		used += frame.len;
	}
	net_consume(conn, used);
}

static void
ws_opened(struct net_conn *conn)
{
	const struct ws_user *user = conn->owner;
	const struct load_options *options = &user->load->options;

	net_printf(conn,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Protocol: xmpp\r\n\r\n",
	    options->path, options->server);
}

static void
ws_ended(struct net_conn *conn)
{
	const struct ws_user *user = conn->owner;

	tool_die("the server closed the connection of %s",
	    user->load->jids[user->number]);
}

static const struct net_ops ws_ops = { ws_opened, ws_input, ws_ended };

static void
ws_open(struct load *load)
{
	struct ws *ws = load->receivers;
	struct ws_user *user;

	if (ws->opened == load->options.clients)
		return;
	user = &ws->users[ws->opened];
	user->load = load;
	user->number = ws->opened++;
	net_open(&user->conn, &load->net, &ws->address, &ws_ops, user);
}

static void
ws_start(struct load *load)
{
	struct ws *ws = tool_calloc(1, sizeof *ws);
	int i;

	load->receivers = ws;
	ws->address = net_address(load->options.server);
	ws->users = tool_calloc(load->options.clients, sizeof *ws->users);
	for (i = 0; i < WS_RAMP; i++)
		ws_open(load);
}

const struct load_receiver ws_receiver = { "ws", ws_start };
