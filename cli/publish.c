#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"

enum {
	OPT_ID = 256,
	OPT_PREV_ID,
	OPT_STANZA,
	OPT_JSON,
	OPT_RESPONSE,
	OPT_STREAM,
	OPT_ITEM
};

static const char publish_usage[] =
    "usage: waft publish CHANNEL FORMAT... [--id ID] [--prev-id ID]\n"
    "\n"
    "Publishes one item.  Give one or more formats; each listener gets the one\n"
    "that its transport needs:\n"
    "\n"
    "  --stanza XML     the whole XMPP stanza, for XMPP users and BOSH\n"
    "  --json VALUE     a JSON value (json-object)\n"
    "  --response TEXT  the body of an HTTP response (http-response)\n"
    "  --stream TEXT    a piece of an HTTP stream (http-stream)\n"
    "  --item VALUE     all formats as one JSON object, as in the publish API\n"
    "\n"
    "A value `@FILE` is read from the file, `-` from standard input.\n"
    "\n"
    "  --id ID          publishing the same ID again is answered as the first time\n"
    "  --prev-id ID     the item before it, passed on to listeners\n"
    "\n"
    "Prints the item's position.  Example:\n"
    "\n"
    "  waft publish news --stanza \"<message><body>hi</body></message>\"\n";

static const struct option publish_options[] = {
	{ "id", required_argument, NULL, OPT_ID },
	{ "prev-id", required_argument, NULL, OPT_PREV_ID },
	{ "stanza", required_argument, NULL, OPT_STANZA },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "response", required_argument, NULL, OPT_RESPONSE },
	{ "stream", required_argument, NULL, OPT_STREAM },
	{ "item", required_argument, NULL, OPT_ITEM },
	{ NULL, 0, NULL, 0 },
};

/* The value of a format option, read from where it says. */
static void
publish_value(const char *option, struct buf *text)
{
	int code = 0;

	if (strcmp(option, "-") == 0)
		code = cli_read("-", text);
	else if (option[0] == '@')
		code = cli_read(option + 1, text);
	else
		buf_adds(text, option);
	if (code != 0)
		exit(code);
}

static json_t *
publish_json(const char *name, const struct buf *text)
{
	struct json_error_at at;
	json_t *value;

	value = json_read(text->data != NULL ? text->data : "", text->len, &at);
	if (value == NULL) {
		fprintf(stderr, "waft publish: --%s: line %d, column %d: %s\n",
		    name, at.line, at.column, at.why);
		exit(EX_DATAERR);
	}
	return value;
}

/* What names the thing in the message. */
static json_t *
publish_string(const char *what, const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);

	if (string == NULL) {
		fprintf(stderr, "waft publish: %s is not UTF-8\n", what);
		exit(EX_DATAERR);
	}
	return string;
}

static json_t *
publish_text(const char *field, const struct buf *text)
{
	return json_pack("{s:o}", field,
	    publish_string("the text", text->data != NULL ? text->data : "",
	        text->len));
}

static void
publish_format(json_t *formats, int option, const char *arg)
{
	struct buf text;
	json_t *all;

	buf_init(&text, 0);
	publish_value(arg, &text);
	switch (option) {
	case OPT_STANZA:
		json_object_set_new(formats, "xmpp-stanza",
		    publish_text("content", &text));
		break;
	case OPT_JSON:
		json_object_set_new(formats, "json-object",
		    publish_json("json", &text));
		break;
	case OPT_RESPONSE:
		json_object_set_new(formats, "http-response",
		    publish_text("body", &text));
		break;
	case OPT_STREAM:
		json_object_set_new(formats, "http-stream",
		    publish_text("content", &text));
		break;
	case OPT_ITEM:
		all = publish_json("item", &text);
		if (json_object_update(formats, all) != 0) {
			fputs("waft publish: --item: give a JSON object, a "
			      "member a format\n",
			    stderr);
			exit(EX_DATAERR);
		}
		json_decref(all);
		break;
	}
	buf_clear(&text);
}

static int
publish_send(struct cli *cli, json_t *item)
{
	struct buf body;
	json_t *request, *answer = NULL, *first;
	int code;

	buf_init(&body, 0);
	request = json_pack("{s:[o]}", "items", item);
	json_write(request, &body);
	json_decref(request);
	code = cli_call(cli, "POST", "/publish/", &body, CLI_WAIT_MS, &answer);
	buf_clear(&body);
	if (code != 0)
		return code;
	first = json_array_get(json_object_get(answer, "items"), 0);
	printf("%s%s\n",
	    first != NULL ? json_str(first, "position", NULL) : "published",
	    json_is_true(json_object_get(first, "duplicate")) ? " (duplicate)" :
	                                                        "");
	json_decref(answer);
	return 0;
}

static int
publish_run(struct cli *cli, int argc, char **argv)
{
	json_t *item, *formats;
	int option;

	item = json_object();
	formats = json_object();
	while ((option = cli_option(cli, &verb_publish, argc, argv,
	            publish_options)) != -1) {
		if (option == OPT_ID)
			json_object_set_new(item, "id",
			    publish_string("--id", optarg, strlen(optarg)));
		else if (option == OPT_PREV_ID)
			json_object_set_new(item, "prev-id",
			    publish_string("--prev-id", optarg,
			        strlen(optarg)));
		else
			publish_format(formats, option, optarg);
	}
	if (optind != argc - 1 || json_object_size(formats) == 0) {
		json_decref(item);
		json_decref(formats);
		return cli_usage(&verb_publish,
		    "give one channel and at least one format");
	}
	json_object_set_new(item, "channel",
	    publish_string("the channel", argv[optind], strlen(argv[optind])));
	json_object_set_new(item, "formats", formats);
	return publish_send(cli, item);
}

const struct verb verb_publish = {
	.name = "publish",
	.summary = "publish one item to a channel",
	.usage = publish_usage,
	.run = publish_run,
};
