#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "bench/tool.h"

enum component_step {
	COMPONENT_STREAM,
	COMPONENT_HANDSHAKE,
	COMPONENT_NODE,
	COMPONENT_READY
};

/* An XMPP component (XEP-0114) that does nothing but send. */
struct component {
	struct net_conn conn;
	struct load *load;
	enum component_step step;
	uint32_t next; /* receiver */
};

static void
component_opened(struct net_conn *conn)
{
	const struct component *component = conn->owner;

	net_printf(conn,
	    "<?xml version='1.0'?><stream:stream "
	    "xmlns='jabber:component:accept' "
	    "xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
	    component->load->options.name);
}

static bool
component_answer_stream(struct component *component)
{
	const struct load_options *options = &component->load->options;
	const char *data = component->conn.in, *stream, *id, *end;
	size_t len = component->conn.in_len;
	char text[512], hex[41];
	int n;

	stream = tool_find(data, len, "<stream:stream");
	if (stream == NULL)
		return false;
	len -= (size_t)(stream - data);
	id = tool_find(stream, len, " id=");
	end = memchr(stream, '>', len);
	if (id == NULL || end == NULL)
		return false;
	id += strlen(" id='");
	n = snprintf(text, sizeof text, "%.*s%s", (int)strcspn(id, "'\""), id,
	    options->secret);
	tool_sha1_hex(text, (size_t)n, hex);
	net_printf(&component->conn, "<handshake>%s</handshake>", hex);
	return true;
}

static void
component_create_node(struct component *component)
{
	const struct load_options *options = &component->load->options;

	net_printf(&component->conn,
	    "<iq type='set' id='node' from='%s' to='%s'>"
	    "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
	    "<create node='%s'/></pubsub></iq>",
	    options->name, options->service, options->node);
}

/* True: something of what was received is done with. */
static bool
component_step(struct component *component)
{
	struct load *load = component->load;
	const char *data = component->conn.in;
	size_t len = component->conn.in_len;

	switch (component->step) {
	case COMPONENT_STREAM:
		if (!component_answer_stream(component))
			return false;
		break;
	case COMPONENT_HANDSHAKE:
		if (tool_find(data, len, "<handshake") == NULL)
			return false;
		if (load->sender == &pubsub_sender) {
			component_create_node(component);
			break;
		}
		component->step = COMPONENT_READY;
		load_sender_ready(load);
		return true;
	case COMPONENT_NODE:
		if (tool_find(data, len, "</iq>") == NULL &&
		    tool_find(data, len, "/>") == NULL)
			return false;
		load_sender_ready(load);
		break;
	case COMPONENT_READY:
		return true;
	}
	component->step++;
	return true;
}

static void
component_input(struct net_conn *conn)
{
	struct component *component = conn->owner;

	if (tool_find(conn->in, conn->in_len, "type='error'") != NULL ||
	    tool_find(conn->in, conn->in_len, "type=\"error\"") != NULL ||
	    tool_find(conn->in, conn->in_len, "stream:error") != NULL) {
		if (component->step != COMPONENT_READY ||
		    component->load->errors++ == 0)
			fprintf(stderr, "load: the server says: %.*s\n",
			    (int)conn->in_len, conn->in);
		if (component->step != COMPONENT_READY)
			exit(1);
	}
	if (component_step(component))
		net_consume(conn, conn->in_len);
}

static void
component_ended(struct net_conn *conn)
{
	tool_die("the server closed the component's link: %.*s",
	    (int)conn->in_len, conn->in);
}

static const struct net_ops component_ops = { component_opened, component_input,
	component_ended };

static void
component_start(struct load *load)
{
	struct component *component = tool_calloc(1, sizeof *component);
	struct sockaddr_in address = net_address(load->options.component);

	load->sending = component;
	component->load = load;
	net_open(&component->conn, &load->net, &address, &component_ops,
	    component);
}

/* As long as what waft sends. */
static bool
component_send_direct(struct load *load)
{
	struct component *component = load->sending;
	uint32_t number = load->tally.sent;

	net_printf(&component->conn,
	    "<message to='%s' from='%s@%s' id='c0ffee00-%u'><body>%s</body>"
	    "</message>",
	    load->jids[component->next], load->options.node, load->options.name,
	    number, load_text(load));
	component->next = (component->next + 1) % load->options.clients;
	return true;
}

static bool
component_send_pubsub(struct load *load)
{
	struct component *component = load->sending;
	const struct load_options *options = &load->options;
	uint32_t number = load->tally.sent;

	net_printf(&component->conn,
	    "<iq type='set' id='p%u' from='%s' to='%s'>"
	    "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
	    "<publish node='%s'><item id='i%u'>"
	    "<bench xmlns='urn:waft:bench'>%s</bench>"
	    "</item></publish></pubsub></iq>",
	    number, options->name, options->service, options->node, number,
	    load_text(load));
	return true;
}

const struct load_sender direct_sender = { "direct", component_start,
	component_send_direct };
const struct load_sender pubsub_sender = { "pubsub", component_start,
	component_send_pubsub };
