#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/text.h"

enum {
	OPT_DELETE = 256,
	OPT_CREATE
};

static const char channels_usage[] =
    "usage: waft channels [CHANNEL] [--create | --delete]\n"
    "\n"
    "Lists the stored channels: name, newest position, stored items.  With CHANNEL,\n"
    "that one alone.\n"
    "\n"
    "  --create  make it, empty (publishing to a channel makes it, too)\n"
    "  --delete  remove it with its items and subscriptions; its listeners are told\n";

static const struct option channels_options[] = {
	{ "delete", no_argument, NULL, OPT_DELETE },
	{ "create", no_argument, NULL, OPT_CREATE },
	{ NULL, 0, NULL, 0 },
};

static void
channels_print(json_t *channel)
{
	const char *position = json_str(channel, "position", NULL);

	printf("%-32s %-22s %lld\n", json_str(channel, "channel", NULL),
	    position != NULL ? position : "-",
	    (long long)json_integer_value(json_object_get(channel, "items")));
}

/* One page; *after becomes the name to go on behind, empty at the end. */
static int
channels_page(struct cli *cli, struct buf *after)
{
	json_t *answer = NULL, *channel;
	const char *name = NULL;
	struct buf path;
	size_t i;
	int code;

	buf_init(&path, 0);
	buf_adds(&path, "/channels/?max=1000&after=");
	if (after->len > 0)
		text_percent_encode(after->data, after->len, &path);
	code = cli_call(cli, "GET", path.data, NULL, CLI_WAIT_MS, &answer);
	buf_clear(&path);
	buf_reset(after);
	if (code != 0)
		return code;
	json_array_foreach(json_object_get(answer, "channels"), i, channel)
	{
		channels_print(channel);
		name = json_str(channel, "channel", NULL);
	}
	if (name != NULL && json_is_true(json_object_get(answer, "more")))
		buf_adds(after, name);
	json_decref(answer);
	return 0;
}

static int
channels_list(struct cli *cli)
{
	struct buf after;
	int code;

	buf_init(&after, 0);
	do {
		code = channels_page(cli, &after);
	} while (code == 0 && after.len > 0);
	buf_clear(&after);
	return code;
}

static int
channels_one(struct cli *cli, const char *method, const char *channel)
{
	json_t *answer = NULL;
	struct buf path;
	int code;

	buf_init(&path, 0);
	cli_channel_path(&path, channel, "");
	code = cli_call(cli, method, path.data, NULL, CLI_WAIT_MS, &answer);
	buf_clear(&path);
	if (code == 0 && strcmp(method, "GET") == 0)
		channels_print(answer);
	json_decref(answer);
	return code;
}

static int
channels_run(struct cli *cli, int argc, char **argv)
{
	bool create = false, delete = false;
	int option;

	while ((option = cli_option(cli, &verb_channels, argc, argv,
	            channels_options)) != -1) {
		if (option == OPT_DELETE)
			delete = true;
		else
			create = true;
	}
	if (create && delete)
		return cli_usage(&verb_channels, "give --create or --delete");
	if (optind == argc && !create && !delete)
		return channels_list(cli);
	if (optind != argc - 1)
		return cli_usage(&verb_channels, "give one channel");
	return channels_one(cli,
	    create     ? "PUT" :
	        delete ? "DELETE" :
	                 "GET",
	    argv[optind]);
}

const struct verb verb_channels = {
	.name = "channels",
	.summary = "list, make or delete channels",
	.usage = channels_usage,
	.run = channels_run,
};
