#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base/text.h"

#define SUBSCRIBE_WAIT_S  55
#define SUBSCRIBE_AGAIN_S 1

enum {
	OPT_AFTER = 256,
	OPT_FORMAT,
	OPT_COUNT
};

static const char subscribe_usage[] =
    "usage: waft subscribe CHANNEL [--after POSITION] [--format NAME] [--count N]\n"
    "\n"
    "Prints the items of a channel as they arrive, a line each: position, id and\n"
    "all formats as JSON.  When its daemon ends, it waits for it and goes on where\n"
    "it was.  Ctrl-C ends it.\n"
    "\n"
    "  --after POSITION  begin behind this position (default: from now on; `0`:\n"
    "                    from the oldest stored item)\n"
    "  --format NAME     print the value of this format alone, and only of items\n"
    "                    that have it; for xmpp-stanza the stanza itself\n"
    "  --count N         end after N items\n";

static const struct option subscribe_options[] = {
	{ "after", required_argument, NULL, OPT_AFTER },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ NULL, 0, NULL, 0 },
};

struct listen {
	const char *channel;
	const char *format;
	long left; /* items to print; negative: no end */
	char after[64];
};

/* False when the item has not the wanted format. */
static bool
subscribe_print(const struct listen *listen, json_t *item)
{
	const char *text;
	struct buf out;
	json_t *formats, *value;

	formats = json_object_get(item, "formats");
	value = listen->format != NULL ?
	    json_object_get(formats, listen->format) :
	    formats;
	if (value == NULL)
		return false;
	buf_init(&out, 0);
	if (listen->format == NULL) {
		buf_addf(&out, "%s ", json_str(item, "position", NULL));
		text = json_str(item, "id", NULL);
		buf_addf(&out, "%s ", text != NULL ? text : "-");
	}
	text = json_str(value, "content", NULL);
	if (listen->format != NULL && text != NULL)
		buf_adds(&out, text);
	else
		json_write(value, &out);
	puts(out.data != NULL ? out.data : "");
	fflush(stdout);
	buf_clear(&out);
	return true;
}

static int
subscribe_take(struct listen *listen, json_t *answer)
{
	const char *position;
	json_t *item;
	size_t i;

	if (json_str(answer, "state", NULL) != NULL &&
	    strcmp(json_str(answer, "state", NULL), "partial") == 0)
		fputs("waft subscribe: items before these were trimmed from "
		      "the history\n",
		    stderr);
	json_array_foreach(json_object_get(answer, "items"), i, item)
	{
		if (listen->left == 0)
			return 0;
		if (subscribe_print(listen, item) && listen->left > 0)
			listen->left--;
	}
	position = json_str(answer, "position", NULL);
	if (position != NULL)
		snprintf(listen->after, sizeof(listen->after), "%s", position);
	return 0;
}

static int
subscribe_poll(struct cli *cli, struct listen *listen, int wait_s)
{
	json_t *answer = NULL;
	struct buf path, rest;
	int code;

	buf_init(&path, 0);
	buf_init(&rest, 0);
	buf_addf(&rest, "items/?max=100&wait=%d", wait_s);
	if (listen->after[0] != '\0') {
		buf_adds(&rest, "&after=");
		text_percent_encode(listen->after, strlen(listen->after),
		    &rest);
	}
	cli_channel_path(&path, listen->channel, rest.data);
	code = cli_call(cli, "GET", path.data, NULL, (wait_s + 15) * 1000L,
	    &answer);
	if (code == 0)
		code = subscribe_take(listen, answer);
	json_decref(answer);
	buf_clear(&path);
	buf_clear(&rest);
	return code;
}

/* The newest position there is: where "from now on" begins. */
static int
subscribe_now(struct cli *cli, struct listen *listen)
{
	const char *position;
	json_t *answer = NULL;
	int code;

	code = cli_call(cli, "GET", "/status", NULL, CLI_WAIT_MS, &answer);
	if (code != 0)
		return code;
	position = json_str(answer, "position", NULL);
	if (position != NULL)
		snprintf(listen->after, sizeof(listen->after), "%s", position);
	json_decref(answer);
	return 0;
}

/* Until it has what was wanted.  A daemon that was there before comes back. */
static int
subscribe_follow(struct cli *cli, struct listen *listen)
{
	bool answered = false;
	int code;

	while (listen->left != 0) {
		code = subscribe_poll(cli, listen, SUBSCRIBE_WAIT_S);
		if (code == 0) {
			answered = true;
			cli->quiet = false;
			continue;
		}
		if (!answered ||
		    (code != EX_UNAVAILABLE && code != EX_TEMPFAIL))
			return code;
		if (!cli->quiet)
			fputs("waft subscribe: trying again\n", stderr);
		cli->quiet = true;
		sleep(SUBSCRIBE_AGAIN_S);
	}
	return 0;
}

static bool
subscribe_count(const char *text, struct listen *listen)
{
	uint64_t count;

	if (!text_to_u64(text, strlen(text), LONG_MAX, &count) || count == 0)
		return false;
	listen->left = (long)count;
	return true;
}

static int
subscribe_run(struct cli *cli, int argc, char **argv)
{
	struct listen listen = { .left = -1 };
	const char *after = NULL;
	int option, code = 0;

	while ((option = cli_option(cli, &verb_subscribe, argc, argv,
	            subscribe_options)) != -1) {
		if (option == OPT_AFTER)
			after = optarg;
		else if (option == OPT_FORMAT)
			listen.format = optarg;
		else if (!subscribe_count(optarg, &listen))
			return cli_usage(&verb_subscribe,
			    "--count: not a number from 1: %s", optarg);
	}
	if (optind != argc - 1)
		return cli_usage(&verb_subscribe, "give one channel");
	listen.channel = argv[optind];
	if (after == NULL)
		code = subscribe_now(cli, &listen);
	else if (strcmp(after, "0") != 0)
		snprintf(listen.after, sizeof(listen.after), "%s", after);
	return code != 0 ? code : subscribe_follow(cli, &listen);
}

const struct verb verb_subscribe = {
	.name = "subscribe",
	.summary = "print the items of a channel as they arrive",
	.usage = subscribe_usage,
	.run = subscribe_run,
};
