#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/http.h"
#include "bench/load.h"
#include "bench/tool.h"

/*
 * Publishers at a control API, each with one call under way at a time.  As a
 * sender (one item a call, marked) they are as many as the window; as a flood
 * they are options.connections, and each calls again as soon as it is answered.
 */
struct publisher {
	struct net_conn conn;
	struct load *load;
	struct publish *publish;
	struct publisher *next_idle;
	uint64_t called_ns;
};

struct publish {
	struct publisher *idle;
	bool is_flood, is_over;
	uint32_t open, busy;
	uint64_t items, calls;
	uint64_t began_ns; /* in every id: another run's are no duplicates */
	struct tally_times times;
	char *body;
	size_t body_len, body_size;
};

static void
publish_add(struct publish *publish, const char *text, size_t len)
{
	if (publish->body_len + len > publish->body_size) {
		publish->body_size = (publish->body_len + len) * 2;
		publish->body = tool_realloc(publish->body, publish->body_size);
	}
	memcpy(publish->body + publish->body_len, text, len);
	publish->body_len += len;
}

static void
publish_add_item(struct publish *publish, const char *channel, uint64_t id,
    const char *text)
{
	char head[512];
	int len;

	len = snprintf(head, sizeof head,
	    "%s{\"channel\":\"%s\",\"id\":\"%llx-%llu\",\"formats\":{"
	    "\"xmpp-stanza\":{\"content\":\"<message><body>",
	    publish->body_len == 0 ? "{\"items\":[" : ",", channel,
	    (unsigned long long)publish->began_ns, (unsigned long long)id);
	publish_add(publish, head, (size_t)len);
	publish_add(publish, text, strlen(text));
	publish_add(publish, "</body></message>\"}}}", 21);
}

static void
publish_call(struct publisher *publisher)
{
	struct publish *publish = publisher->publish;

	publish_add(publish, "]}", 2);
	net_printf(&publisher->conn,
	    "POST /publish/ HTTP/1.1\r\nHost: %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    publisher->load->options.control, publish->body_len);
	net_send(&publisher->conn, publish->body, publish->body_len);
	publish->body_len = 0;
	publish->busy++;
	publisher->called_ns = tool_now_ns();
}

static void
publish_call_batch(struct publisher *publisher)
{
	const struct load_options *options = &publisher->load->options;
	struct publish *publish = publisher->publish;
	char channel[32];
	uint32_t i;

	for (i = 0; i < options->batch; i++) {
		snprintf(channel, sizeof channel, "c%llu",
		    (unsigned long long)publish->items % options->channels);
		publish_add_item(publish, channel, publish->items++,
		    publisher->load->text);
	}
	publish_call(publisher);
}

static void
publish_opened(struct net_conn *conn)
{
	struct publisher *publisher = conn->owner;
	struct publish *publish = publisher->publish;
	const struct load_options *options = &publisher->load->options;

	publisher->next_idle = publish->idle;
	publish->idle = publisher;
	if (++publish->open ==
	    (publish->is_flood ? options->connections : options->window))
		load_sender_ready(publisher->load);
}

static void
publish_input(struct net_conn *conn)
{
	struct publisher *publisher = conn->owner;
	struct publish *publish = publisher->publish;
	struct http_answer answer;

	if (!http_parse(conn->in, conn->in_len, &answer))
		return;
	if (answer.status != 200 && publisher->load->errors++ == 0)
		fprintf(stderr, "load: publish answered %.*s\n",
		    (int)answer.len, conn->in);
	net_consume(conn, answer.len);
	tally_time(&publish->times, tool_now_ns() - publisher->called_ns);
	publish->busy--;
	publish->calls++;
	if (publish->is_flood && !publish->is_over) {
		publish_call_batch(publisher);
		return;
	}
	publisher->next_idle = publish->idle;
	publish->idle = publisher;
}

static void
publish_ended(struct net_conn *conn)
{
	(void)conn;
	tool_die("the control API closed a connection");
}

static const struct net_ops publish_ops = { publish_opened, publish_input,
	publish_ended };

static struct publish *
publish_open(struct load *load, uint32_t connections)
{
	struct sockaddr_in address = net_address(load->options.control);
	struct publish *publish = tool_calloc(1, sizeof *publish);
	struct publisher *publishers =
	    tool_calloc(connections, sizeof *publishers);
	uint32_t i;

	publish->began_ns = tool_now_ns();
	for (i = 0; i < connections; i++) {
		publishers[i].load = load;
		publishers[i].publish = publish;
		net_open(&publishers[i].conn, &load->net, &address,
		    &publish_ops, &publishers[i]);
	}
	return publish;
}

static void
publish_start(struct load *load)
{
	load->sending = publish_open(load, load->options.window);
}

static bool
publish_send(struct load *load)
{
	struct publish *publish = load->sending;
	struct publisher *publisher = publish->idle;
	uint32_t number = load->tally.sent;

	if (publisher == NULL)
		return false;
	publish->idle = publisher->next_idle;
	publish_add_item(publish, load->options.node, number, load_text(load));
	publish_call(publisher);
	return true;
}

const struct load_sender http_sender = { "http", publish_start, publish_send };

void
flood_run(struct load *load)
{
	struct load_options *options = &load->options;
	struct publish *publish = publish_open(load, options->connections);
	struct publisher *publisher;
	uint64_t begin, end;
	uint64_t length_ns = (uint64_t)(options->seconds * 1e9);
	char line[16];

	publish->is_flood = true;
	while (!load->is_sender_ready)
		net_turn(&load->net, 1000);
	printf("{\"event\":\"ready\"}\n");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		return;
	begin = tool_now_ns();
	while ((publisher = publish->idle) != NULL) {
		publish->idle = publisher->next_idle;
		publish_call_batch(publisher);
	}
	do {
		net_turn(&load->net, 100);
		end = tool_now_ns();
		publish->is_over = end - begin >= length_ns ||
		    (options->count != 0 && publish->items >= options->count);
	} while (!publish->is_over || publish->busy > 0);
	printf("{\"event\":\"done\",\"calls\":%llu,\"items\":%llu,"
	       "\"seconds\":%.6f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
	       "\"max_ms\":%.3f,\"errors\":%llu}\n",
	    (unsigned long long)publish->calls,
	    (unsigned long long)publish->items, (double)(end - begin) / 1e9,
	    tally_ms(&publish->times, 0.5), tally_ms(&publish->times, 0.99),
	    (double)publish->times.max_ns / 1e6,
	    (unsigned long long)load->errors);
}
