#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/bulk.h"
#include "cli/cli.h"
#include "common/base/text.h"

enum {
	OPT_ADD = 256,
	OPT_REMOVE,
	OPT_CHANNEL,
	OPT_COMPONENT,
	OPT_FORMAT,
	OPT_OUTPUT
};

static const char subscriptions_usage[] =
    "usage: waft subscriptions CHANNEL [--add JID | --remove JID] [--component D]\n"
    "       waft subscriptions resume CHANNEL JID [--component D]\n"
    "       waft subscriptions import FILE|- [--format csv|jsonl]\n"
    "       waft subscriptions export [CHANNEL] [--format csv|jsonl] [--output FILE]\n"
    "\n"
    "Lists the durable subscriptions of a channel: JID, state, and when one is\n"
    "suspended, since when and why.\n"
    "\n"
    "  --add JID       subscribe this user; he gets what is published from now on\n"
    "  --remove JID    end his subscription\n"
    "  --channel NAME  the channel, if it is called import, export or resume\n"
    "  --component D   the domain of the component section that sends to him, if it\n"
    "                  is not the first one\n"
    "\n"
    "Resume wakes a suspended one: it gets what it missed, as far as the history\n"
    "has it.\n"
    "\n"
    "Import takes many at once from a file, or from standard input (-).  CSV begins\n"
    "with a line that names its columns; JSON has an object on each line:\n"
    "\n"
    "  channel,jid,state,reason,component\n"
    "  news,alice@example.org\n"
    "  \"a, b\",bob@example.org,suspended,his account is gone\n"
    "  news,carol@example.net,,,push.example.net\n"
    "\n"
    "  {\"channel\": \"news\", \"jid\": \"alice@example.org\"}\n"
    "\n"
    "State is active (so without one), suspended or pending; component the domain\n"
    "of the section that sends to him (so without one, the first).\n"
    "\n"
    "A bad line is refused with its number and changes nothing, the others are\n"
    "taken; the exit code is 65 then.  Taking a file twice does no harm: what is\n"
    "there already is left alone.\n"
    "\n"
    "Export prints what import takes: of one channel, or of all.\n"
    "\n"
    "  --format NAME   csv or jsonl; else the file's ending says it (.csv; .jsonl,\n"
    "                  .ndjson or .json), and export to no file is CSV\n"
    "  --output FILE   write there instead of to standard output\n"
    "\n"
    "  waft subscriptions import users.csv\n"
    "  waft subscriptions export news --format jsonl | gzip > news.jsonl.gz\n";

static const struct option subscriptions_options[] = {
	{ "add", required_argument, NULL, OPT_ADD },
	{ "remove", required_argument, NULL, OPT_REMOVE },
	{ "channel", required_argument, NULL, OPT_CHANNEL },
	{ "component", required_argument, NULL, OPT_COMPONENT },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "output", required_argument, NULL, OPT_OUTPUT },
	{ NULL, 0, NULL, 0 },
};

struct subscriptions_args {
	const char *add, *remove, *channel, *component, *format, *output;
	const char *rest[3];
	int n_rest;
};

static int
subscriptions_page(struct cli *cli, const char *channel, long long *after)
{
	const char *address, *state, *changed, *reason, *component;
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
		changed = json_str(sub, "changed", NULL);
		component = json_str(sub, "component", NULL);
		printf("%-40s %-10s %s%s%s%s%s\n", address, state,
		    component != NULL ? component : "",
		    component != NULL ? " " : "",
		    changed != NULL ? changed : "", changed != NULL ? " " : "",
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

struct subscriptions_whom {
	const char *channel, *jid, *component;
};

/* State NULL: it is made when it is not there. */
static int
subscriptions_put(struct cli *cli, const struct subscriptions_whom *whom,
    const char *state)
{
	struct buf path, body;
	json_t *request;
	int code;

	request = json_pack("{s:s,s:s*,s:s*}", "jid", whom->jid, "component",
	    whom->component, "state", state);
	if (request == NULL)
		return cli_usage(&verb_subscriptions, "the JID is not UTF-8");
	buf_init(&path, 0);
	buf_init(&body, 0);
	cli_channel_path(&path, whom->channel, "subscriptions/");
	json_write(request, &body);
	json_decref(request);
	code = cli_call(cli, "POST", path.data, &body, CLI_WAIT_MS, NULL);
	buf_clear(&path);
	buf_clear(&body);
	return code;
}

static int
subscriptions_remove(struct cli *cli, const struct subscriptions_whom *whom)
{
	struct buf path;
	int code;

	buf_init(&path, 0);
	cli_channel_path(&path, whom->channel, "subscriptions/");
	text_percent_encode(whom->jid, strlen(whom->jid), &path);
	buf_adds(&path, "/");
	if (whom->component != NULL) {
		buf_adds(&path, "?component=");
		text_percent_encode(whom->component, strlen(whom->component),
		    &path);
	}
	code = cli_call(cli, "DELETE", path.data, NULL, CLI_WAIT_MS, NULL);
	buf_clear(&path);
	return code;
}

bool
bulk_is_csv(const char *format, const char *file, bool *csv)
{
	static const char *const jsons[] = { "jsonl", "ndjson", "json" };
	const char *name = format;
	size_t i;

	if (name == NULL && file != NULL) {
		name = strrchr(file, '.');
		name = name != NULL ? name + 1 : NULL;
	}
	if (name == NULL)
		return false;
	*csv = strcasecmp(name, "csv") == 0;
	for (i = 0; i < ARRAY_LEN(jsons); i++)
		if (strcasecmp(name, jsons[i]) == 0)
			return true;
	return *csv;
}

static int
subscriptions_import(struct cli *cli, const struct subscriptions_args *args)
{
	bool csv;

	if (args->n_rest != 2 || args->output != NULL)
		return cli_usage(&verb_subscriptions,
		    "give one file to import, or -");
	if (!bulk_is_csv(args->format, args->rest[1], &csv))
		return cli_usage(&verb_subscriptions,
		    "which format has it?  Give --format csv or jsonl");
	return bulk_import(cli, args->rest[1], csv);
}

static int
subscriptions_export(struct cli *cli, const struct subscriptions_args *args)
{
	bool csv = true;

	if (!bulk_is_csv(args->format, args->output, &csv) &&
	    (args->format != NULL || args->output != NULL))
		return cli_usage(&verb_subscriptions,
		    "in which format?  Give --format csv or jsonl");
	return bulk_export(cli, args->n_rest == 2 ? args->rest[1] : NULL,
	    args->output, csv);
}

static int
subscriptions_resume(struct cli *cli, const struct subscriptions_args *args)
{
	struct subscriptions_whom whom = { args->rest[1], args->rest[2],
		args->component };

	if (args->n_rest != 3 || args->format != NULL || args->output != NULL)
		return cli_usage(&verb_subscriptions,
		    "give the channel and the JID to resume");
	return subscriptions_put(cli, &whom, "active");
}

static int
subscriptions_one(struct cli *cli, const struct subscriptions_args *args)
{
	struct subscriptions_whom whom = { args->channel, NULL,
		args->component };

	if (args->format != NULL || args->output != NULL)
		return cli_usage(&verb_subscriptions,
		    "--format and --output are of import and export");
	if (args->n_rest + (whom.channel != NULL) != 1)
		return cli_usage(&verb_subscriptions, "give one channel");
	if (whom.channel == NULL)
		whom.channel = args->rest[0];
	whom.jid = args->add != NULL ? args->add : args->remove;
	if (args->add != NULL)
		return subscriptions_put(cli, &whom, NULL);
	if (args->remove != NULL)
		return subscriptions_remove(cli, &whom);
	if (args->component != NULL)
		return cli_usage(&verb_subscriptions,
		    "--component is for --add, --remove and resume");
	return subscriptions_list(cli, whom.channel);
}

static int
subscriptions_run(struct cli *cli, int argc, char **argv)
{
	struct subscriptions_args args = { 0 };
	bool import, export, resume;
	int option;

	while ((option = cli_option(cli, &verb_subscriptions, argc, argv,
	            subscriptions_options)) != -1) {
		if (option == OPT_ADD)
			args.add = optarg;
		else if (option == OPT_REMOVE)
			args.remove = optarg;
		else if (option == OPT_CHANNEL)
			args.channel = optarg;
		else if (option == OPT_COMPONENT)
			args.component = optarg;
		else if (option == OPT_FORMAT)
			args.format = optarg;
		else
			args.output = optarg;
	}
	if (args.add != NULL && args.remove != NULL)
		return cli_usage(&verb_subscriptions, "give --add or --remove");
	if (argc - optind > 3)
		return cli_usage(&verb_subscriptions, "give one channel");
	for (; optind < argc; optind++)
		args.rest[args.n_rest++] = argv[optind];
	import = args.n_rest > 0 && strcmp(args.rest[0], "import") == 0;
	export = args.n_rest > 0 && strcmp(args.rest[0], "export") == 0;
	resume = args.n_rest > 0 && strcmp(args.rest[0], "resume") == 0;
	if (!import && !export && !resume)
		return subscriptions_one(cli, &args);
	if (args.add != NULL || args.remove != NULL || args.channel != NULL)
		return cli_usage(&verb_subscriptions,
		    "%s takes no --add, --remove or --channel", args.rest[0]);
	if (resume)
		return subscriptions_resume(cli, &args);
	if (args.n_rest > 2 || args.component != NULL)
		return cli_usage(&verb_subscriptions,
		    args.n_rest > 2 ? "give one channel" :
		                      "import and export take no --component");
	return import ? subscriptions_import(cli, &args) :
	                subscriptions_export(cli, &args);
}

const struct verb verb_subscriptions = {
	.name = "subscriptions",
	.summary = "list, add, remove, resume, import or export subscribers",
	.usage = subscriptions_usage,
	.run = subscriptions_run,
};
