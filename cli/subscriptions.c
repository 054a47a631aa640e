#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/text.h"

enum {
	OPT_ADD = 256,
	OPT_REMOVE
};

static const char subscriptions_usage[] =
    "usage: waft subscriptions CHANNEL [--add JID | --remove JID]\n"
    "\n"
    "Lists the durable subscriptions of a channel: JID, state, and the reason when\n"
    "one is suspended.\n"
    "\n"
    "  --add JID     subscribe this user; he gets what is published from now on\n"
    "  --remove JID  end his subscription\n";

static const struct option subscriptions_options[] = {
	{ "add", required_argument, NULL, OPT_ADD },
	{ "remove", required_argument, NULL, OPT_REMOVE },
	{ NULL, 0, NULL, 0 },
};

static int
subscriptions_page(struct cli *cli, const char *channel, long long *after)
{
	const char *address, *state, *reason;
	json_t *answer = NULL, *sub;
	struct buf path, rest;
	size_t i;
	int code;

	buf_init(&path, 0);
	buf_init(&rest, 0);
	buf_addf(&rest, "subscriptions/?max=1000&after=%lld", *after);
	cli_channel_path(&path, channel, rest.data);
	code = cli_call(cli, "GET", path.data, NULL, CLI_WAIT_MS, &answer);
	buf_clear(&path);
	buf_clear(&rest);
	*after = -1;
	if (code != 0)
		return code;
	json_array_foreach(json_object_get(answer, "subscriptions"), i, sub)
	{
		address = json_str(sub, "jid", NULL);
		if (address == NULL)
			address = json_str(sub, "url", NULL);
		state = json_str(sub, "state", NULL);
		reason = json_str(sub, "reason", NULL);
		printf("%-40s %-10s %s\n", address, state,
		    reason != NULL ? reason : "");
		if (json_is_true(json_object_get(answer, "more")))
			*after = (long long)json_integer_value(
			    json_object_get(sub, "n"));
	}
	json_decref(answer);
	return 0;
}

static int
subscriptions_list(struct cli *cli, const char *channel)
{
	long long after = 0;
	int code;

	do {
		code = subscriptions_page(cli, channel, &after);
	} while (code == 0 && after >= 0);
	return code;
}

static int
subscriptions_add(struct cli *cli, const char *channel, const char *jid)
{
	struct buf path, body;
	json_t *request;
	int code;

	request = json_pack("{s:s}", "jid", jid);
	if (request == NULL)
		return cli_usage(&verb_subscriptions, "the JID is not UTF-8");
	buf_init(&path, 0);
	buf_init(&body, 0);
	cli_channel_path(&path, channel, "subscriptions/");
	json_write(request, &body);
	json_decref(request);
	code = cli_call(cli, "POST", path.data, &body, CLI_WAIT_MS, NULL);
	buf_clear(&path);
	buf_clear(&body);
	return code;
}

static int
subscriptions_remove(struct cli *cli, const char *channel, const char *jid)
{
	struct buf path;
	int code;

	buf_init(&path, 0);
	cli_channel_path(&path, channel, "subscriptions/");
	text_percent_encode(jid, strlen(jid), &path);
	buf_adds(&path, "/");
	code = cli_call(cli, "DELETE", path.data, NULL, CLI_WAIT_MS, NULL);
	buf_clear(&path);
	return code;
}

static int
subscriptions_run(struct cli *cli, int argc, char **argv)
{
	const char *add = NULL, *del = NULL;
	int option;

	while ((option = cli_option(cli, &verb_subscriptions, argc, argv,
	            subscriptions_options)) != -1) {
		if (option == OPT_ADD)
			add = optarg;
		else
			del = optarg;
	}
	if (add != NULL && del != NULL)
		return cli_usage(&verb_subscriptions, "give --add or --remove");
	if (optind != argc - 1)
		return cli_usage(&verb_subscriptions, "give one channel");
	if (add != NULL)
		return subscriptions_add(cli, argv[optind], add);
	if (del != NULL)
		return subscriptions_remove(cli, argv[optind], del);
	return subscriptions_list(cli, argv[optind]);
}

const struct verb verb_subscriptions = {
	.name = "subscriptions",
	.summary = "list, add or remove the subscribers of a channel",
	.usage = subscriptions_usage,
	.run = subscriptions_run,
};
