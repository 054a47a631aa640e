#include "bench/load.h"

#include <sys/resource.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tool.h"

/* Without a delivery for so long the run is over. */
#define LOAD_PATIENCE_NS UINT64_C(20000000000)

static const char load_help[] =
    "usage: load --receive c2s|bosh|ws|none --send direct|pubsub|http|none ...\n"
    "       load --flood --control HOST:PORT ...\n"
    "\n"
    "Prints {\"event\":\"ready\", ...}, waits for a line on standard input, runs,\n"
    "prints one line of JSON, and ends when standard input does.\n"
    "\n"
    "receivers  --server HOST:PORT --domain D --clients N [--path P]\n"
    "           [--service S --node NODE]   subscribe by XEP-0060\n"
    "           [--bound]   are ready once bound, and ask nothing more\n"
    "direct     --component HOST:PORT --name D --secret S\n"
    "           messages to the receivers in turn\n"
    "pubsub     the same, and --service S --node NODE: publishes there\n"
    "http       --control HOST:PORT --node CHANNEL\n"
    "all        --count MESSAGES, --window OUTSTANDING or --rate A_SECOND,\n"
    "           --size BYTES of text\n"
    "flood      --connections N --batch ITEMS_A_CALL --channels N\n"
    "           --seconds S [--count ITEMS]\n";

void
load_user_ready(struct load *load)
{
	load->ready++;
}

void
load_sender_ready(struct load *load)
{
	load->is_sender_ready = true;
}

const char *
load_text(struct load *load)
{
	tally_mark(&load->tally, load->text);
	return load->text;
}

static bool
load_may_send(const struct load *load, uint64_t now, uint64_t begin)
{
	const struct tally *tally = &load->tally;

	if (tally->sent == tally->count)
		return false;
	if (load->options.rate > 0)
		return (double)(now - begin) / 1e9 * load->options.rate >=
		    tally->sent;
	return tally->sent - tally->complete < load->options.window;
}

static void
load_run(struct load *load)
{
	uint64_t begin = tool_now_ns(), now = begin, heard = begin, before = 0;

	while (load->tally.complete < load->tally.count &&
	    now - heard < LOAD_PATIENCE_NS) {
		while (
		    load_may_send(load, now, begin) && load->sender->send(load))
			;
		net_turn(&load->net, load->options.rate > 0 ? 1 : 1000);
		now = tool_now_ns();
		if (load->tally.deliveries != before)
			heard = now;
		before = load->tally.deliveries;
	}
}

static void
load_report(const struct load *load)
{
	const struct tally *tally = &load->tally;
	double seconds = (double)(tally->last_ns - tally->first_ns) / 1e9;

	printf("{\"event\":\"done\",\"messages\":%u,\"deliveries\":%llu,"
	       "\"expected\":%llu,\"repeats\":%llu,\"seconds\":%.6f,"
	       "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
	       "\"last_ms\":%.3f,\"responses\":%llu,"
	       "\"reconnects\":%llu,\"errors\":%llu}\n",
	    tally->sent, (unsigned long long)tally->deliveries,
	    (unsigned long long)tally->count * tally->per,
	    (unsigned long long)tally->repeats, seconds,
	    tally_ms(&tally->times, 0.5), tally_ms(&tally->times, 0.99),
	    (double)tally->times.max_ns / 1e6,
	    (double)tally->to_last_ns / 1e6 /
	        (tally->complete > 0 ? tally->complete : 1),
	    (unsigned long long)tally->responses,
	    (unsigned long long)load->reconnects,
	    (unsigned long long)load->errors);
}

static void
load_prepare(struct load *load)
{
	uint32_t clients = load->receiver ? load->options.clients : 0;
	uint64_t begin;

	load->jids = tool_calloc(clients + 1, sizeof *load->jids);
	tally_init(&load->tally, load->sender ? load->options.count : 0,
	    load->sender == &direct_sender ? 1 : clients, clients);
	if (load->sender != NULL) {
		load->sender->start(load);
		while (!load->is_sender_ready)
			net_turn(&load->net, 1000);
	}
	begin = tool_now_ns();
	if (load->receiver != NULL)
		load->receiver->start(load);
	while (load->ready < clients)
		net_turn(&load->net, 1000);
	load->ready_seconds = (double)(tool_now_ns() - begin) / 1e9;
	/* The last one's next request leaves. */
	net_turn(&load->net, 0);
}

static const struct load_receiver *
load_receiver(const char *name)
{
	if (strcmp(name, c2s_receiver.name) == 0)
		return &c2s_receiver;
	if (strcmp(name, bosh_receiver.name) == 0)
		return &bosh_receiver;
	if (strcmp(name, ws_receiver.name) == 0)
		return &ws_receiver;
	if (strcmp(name, "none") == 0)
		return NULL;
	tool_die("no such receiver: %s", name);
}

static const struct load_sender *
load_sender(const char *name)
{
	static const struct load_sender *const all[] = { &direct_sender,
		&pubsub_sender, &http_sender };
	size_t i;

	for (i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(name, all[i]->name) == 0)
			return all[i];
	if (strcmp(name, "none") == 0)
		return NULL;
	tool_die("no such sender: %s", name);
}

/* As many descriptors as may be. */
static void
load_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		tool_die("setrlimit: %s", strerror(errno));
}

enum load_option {
	OPTION_RECEIVE = 256,
	OPTION_SEND,
	OPTION_FLOOD,
	OPTION_SERVER,
	OPTION_PATH,
	OPTION_DOMAIN,
	OPTION_SERVICE,
	OPTION_NODE,
	OPTION_COMPONENT,
	OPTION_NAME,
	OPTION_SECRET,
	OPTION_CONTROL,
	OPTION_CLIENTS,
	OPTION_COUNT,
	OPTION_WINDOW,
	OPTION_RATE,
	OPTION_SIZE,
	OPTION_CONNECTIONS,
	OPTION_BATCH,
	OPTION_CHANNELS,
	OPTION_SECONDS,
	OPTION_BOUND
};

static const struct option load_long[] = { { "receive", required_argument, NULL,
	                                       OPTION_RECEIVE },
	{ "send", required_argument, NULL, OPTION_SEND },
	{ "flood", no_argument, NULL, OPTION_FLOOD },
	{ "server", required_argument, NULL, OPTION_SERVER },
	{ "path", required_argument, NULL, OPTION_PATH },
	{ "domain", required_argument, NULL, OPTION_DOMAIN },
	{ "service", required_argument, NULL, OPTION_SERVICE },
	{ "node", required_argument, NULL, OPTION_NODE },
	{ "component", required_argument, NULL, OPTION_COMPONENT },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "secret", required_argument, NULL, OPTION_SECRET },
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "clients", required_argument, NULL, OPTION_CLIENTS },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "window", required_argument, NULL, OPTION_WINDOW },
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "size", required_argument, NULL, OPTION_SIZE },
	{ "connections", required_argument, NULL, OPTION_CONNECTIONS },
	{ "batch", required_argument, NULL, OPTION_BATCH },
	{ "channels", required_argument, NULL, OPTION_CHANNELS },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "bound", no_argument, NULL, OPTION_BOUND },
	{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };

static uint32_t
load_number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value > UINT32_MAX)
		tool_die("not a number: %s", text);
	return (uint32_t)value;
}

/* False: not one of the texts. */
static bool
load_set_text(struct load_options *options, int option, const char *value)
{
	const char **fields[] = { &options->server, &options->path,
		&options->domain, &options->service, &options->node,
		&options->component, &options->name, &options->secret,
		&options->control };

	if (option < OPTION_SERVER || option > OPTION_CONTROL)
		return false;
	*fields[option - OPTION_SERVER] = value;
	return true;
}

static void
load_set(struct load *load, bool *flood, int option, const char *value)
{
	struct load_options *options = &load->options;

	if (load_set_text(options, option, value))
		return;
	switch (option) {
	case OPTION_RECEIVE:
		load->receiver = load_receiver(value);
		break;
	case OPTION_SEND:
		load->sender = load_sender(value);
		break;
	case OPTION_FLOOD:
		*flood = true;
		break;
	case OPTION_CLIENTS:
		options->clients = load_number(value);
		break;
	case OPTION_COUNT:
		options->count = load_number(value);
		break;
	case OPTION_WINDOW:
		options->window = load_number(value);
		break;
	case OPTION_RATE:
		options->rate = strtod(value, NULL);
		break;
	case OPTION_SIZE:
		options->size = load_number(value);
		break;
	case OPTION_CONNECTIONS:
		options->connections = load_number(value);
		break;
	case OPTION_BATCH:
		options->batch = load_number(value);
		break;
	case OPTION_CHANNELS:
		options->channels = load_number(value);
		break;
	case OPTION_SECONDS:
		options->seconds = strtod(value, NULL);
		break;
	case OPTION_BOUND:
		options->bound = true;
		break;
	case 'h':
		fputs(load_help, stdout);
		exit(0);
	default:
		fputs(load_help, stderr);
		exit(64);
	}
}

/* What the chosen parts cannot do without. */
static void
load_check(const struct load *load, bool flood)
{
	const struct load_options *o = &load->options;

	if (load->receiver != NULL && (o->server == NULL || o->domain == NULL))
		tool_die("receivers need --server and --domain");
	if ((load->sender == &direct_sender ||
	        load->sender == &pubsub_sender) &&
	    (o->component == NULL || o->name == NULL || o->secret == NULL))
		tool_die("%s needs --component, --name and --secret",
		    load->sender->name);
	if ((flood || load->sender == &http_sender) && o->control == NULL)
		tool_die("--control is missing");
	if (load->sender != NULL && load->receiver == NULL)
		tool_die("a sender needs receivers");
	if (load->sender == &pubsub_sender && o->service == NULL)
		tool_die("pubsub needs --service");
	if (o->size < TALLY_MARK || o->window == 0 || o->connections == 0 ||
	    o->batch == 0 || o->channels == 0)
		tool_die("--size is at least %d, other numbers at least 1",
		    TALLY_MARK);
}

int
main(int argc, char **argv)
{
	struct load load = { .options = { .path = "/http-bind",
		                 .node = "bench",
		                 .window = 1,
		                 .size = 200,
		                 .connections = 1,
		                 .batch = 1,
		                 .channels = 1000,
		                 .seconds = 3 } };
	bool flood = false;
	char line[16];
	int option;

	while ((option = getopt_long(argc, argv, "h", load_long, NULL)) != -1)
		load_set(&load, &flood, option, optarg);
	load_check(&load, flood);
	load_raise_limit();
	net_init(&load.net);
	load.text = tool_calloc(load.options.size + 1, 1);
	memset(load.text, 'x', load.options.size);
	if (flood) {
		flood_run(&load);
	} else {
		load_prepare(&load);
		printf("{\"event\":\"ready\",\"seconds\":%.6f}\n",
		    load.ready_seconds);
		fflush(stdout);
		if (fgets(line, sizeof line, stdin) == NULL)
			return 0;
		load_run(&load);
		load_report(&load);
	}
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL)
		;
	return 0;
}
