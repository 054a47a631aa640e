#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/auth.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/fetch/fetch.h"

#define CLI_ANSWER_MAX  (64 << 20)
#define CLI_INPUT_MAX   (16 << 20)
#define CLI_TOKEN_MS    (10 * 60 * 1000)
#define CLI_OPTIONS_MAX 24

enum {
	OPT_SET = 1000,
	OPT_CONTROL,
	OPT_TOKEN,
	OPT_HELP
};

static const struct option cli_shared[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "set", required_argument, NULL, OPT_SET },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "token", required_argument, NULL, OPT_TOKEN },
	{ "help", no_argument, NULL, OPT_HELP },
};

static void
cli_options(const struct option *own, struct option all[CLI_OPTIONS_MAX])
{
	size_t n = ARRAY_LEN(cli_shared);

	memcpy(all, cli_shared, sizeof(cli_shared));
	for (; own != NULL && own->name != NULL; own++)
		if (n + 1 < CLI_OPTIONS_MAX)
			all[n++] = *own;
	memset(&all[n], 0, sizeof(all[n]));
}

void
cli_help(const struct verb *verb)
{
	fputs(verb->usage, stdout);
	fputs("\nAlso -c, --set, --control and --token: see `waft --help`.\n",
	    stdout);
}

/* True when the option was one of the shared ones. */
static bool
cli_take_shared(struct cli *cli, const struct verb *verb, int option)
{
	switch (option) {
	case 'c':
		cli->file = optarg;
		return true;
	case OPT_SET:
		if (cli->n_sets == CLI_SETS_MAX)
			exit(cli_usage(verb, "too many --set"));
		cli->sets[cli->n_sets++] = optarg;
		return true;
	case OPT_CONTROL:
		cli->control = optarg;
		return true;
	case OPT_TOKEN:
		cli->token = optarg;
		return true;
	case 'h':
	case OPT_HELP:
		cli_help(verb);
		exit(0);
	case '?':
		fprintf(stderr, "Try `waft %s --help`.\n", verb->name);
		exit(EX_USAGE);
	}
	return false;
}

int
cli_option(struct cli *cli, const struct verb *verb, int argc, char **argv,
    const struct option *own)
{
	struct option all[CLI_OPTIONS_MAX];
	int option;

	cli_options(own, all);
	do {
		option = getopt_long(argc, argv, "c:h", all, NULL);
	} while (option != -1 && cli_take_shared(cli, verb, option));
	return option;
}

int
cli_usage(const struct verb *verb, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "waft %s: ", verb->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry `waft %s --help`.\n", verb->name);
	return EX_USAGE;
}

struct conf *
cli_conf(struct cli *cli)
{
	struct buf why;

	if (cli->conf != NULL)
		return cli->conf;
	buf_init(&why, 0);
	cli->conf = conf_load(cli->file, cli->sets, cli->n_sets, &why);
	if (cli->conf == NULL) {
		fputs(why.data != NULL ? why.data : "", stderr);
		exit(EX_CONFIG);
	}
	buf_clear(&why);
	return cli->conf;
}

/* Without --control: that of the gateway, as the configuration says. */
static void
cli_url(struct cli *cli, const char *path, struct buf *url)
{
	size_t len;

	if (cli->control == NULL) {
		buf_adds(url, "http://");
		buf_adds(url, cli_conf(cli)->bosh.control);
		buf_adds(url, path);
		return;
	}
	if (strstr(cli->control, "://") == NULL)
		buf_adds(url, "http://");
	len = strlen(cli->control);
	while (len > 0 && cli->control[len - 1] == '/')
		len--;
	buf_add(url, cli->control, len);
	buf_adds(url, path);
}

static bool
cli_has_all(const struct conf_strings *patterns)
{
	size_t i;

	for (i = 0; i < patterns->count; i++)
		if (strcmp(patterns->list[i], "*") == 0)
			return true;
	return false;
}

static bool
cli_take_token(const struct conf_token *token, struct buf *bearer)
{
	const char *why;

	if (token->kind == TOKEN_STATIC) {
		buf_adds(bearer, token->secret);
		return true;
	}
	return token->kind == TOKEN_JWT &&
	    auth_mint(token, NULL, clock_wall_ms() + CLI_TOKEN_MS, bearer,
	        &why) == ERR_OK;
}

/* Whoever can read the configuration is its operator: without --token one is
 * taken or made from it, best one that may do everything. */
static bool
cli_bearer(struct cli *cli, struct buf *bearer)
{
	const struct conf_token *token;
	struct conf *conf;
	size_t i;
	int all;

	if (cli->token == NULL)
		cli->token = getenv("WAFT_TOKEN");
	if (cli->token != NULL) {
		buf_adds(bearer, cli->token);
		return true;
	}
	conf = cli_conf(cli);
	if (conf->control.auth != AUTH_TOKEN)
		return false;
	for (all = 1; all >= 0; all--)
		for (i = 0; i < conf->n_tokens; i++) {
			token = &conf->tokens[i];
			if (all ==
			        (cli_has_all(&token->publish) &&
			            cli_has_all(&token->subscribe)) &&
			    cli_take_token(token, bearer))
				return true;
		}
	return false;
}

static int
cli_explain(const char *url, int status, const struct buf *answer, json_t *json)
{
	const char *text;

	text = json != NULL ? json_str(json, "detail", NULL) : NULL;
	if (text == NULL && json != NULL)
		text = json_str(json, "error", NULL);
	if (text == NULL)
		text = answer->data != NULL ? answer->data : "";
	fprintf(stderr, "waft: %s answered %d: %s%s", url, status, text,
	    text[0] != '\0' && text[strlen(text) - 1] == '\n' ? "" : "\n");
	if (status == 401 || status == 403)
		fputs("Give a token that may: --token TEXT.\n", stderr);
	if (status == 503)
		return EX_TEMPFAIL;
	return status >= 500 ? EX_SOFTWARE : EX_DATAERR;
}

int
cli_call(struct cli *cli, const char *method, const char *path,
    const struct buf *body, long timeout_ms, json_t **json)
{
	struct fetch_request request = { .method = method,
		.accept = "application/json" };
	struct buf url, bearer, answer;
	struct json_error_at at;
	const char *why = "";
	json_t *value = NULL;
	int code = 0, status;

	buf_init(&url, 0);
	buf_init(&bearer, 0);
	buf_init(&answer, CLI_ANSWER_MAX);
	cli_url(cli, path, &url);
	request.url = url.data;
	request.bearer = cli_bearer(cli, &bearer) ? bearer.data : NULL;
	request.body = body != NULL ? body->data : NULL;
	request.len = body != NULL ? body->len : 0;
	request.timeout_ms = timeout_ms;
	if (fetch_now(&request, &status, &answer, &why) != ERR_OK) {
		if (!cli->quiet)
			fprintf(stderr,
			    "waft: %s: %s\n"
			    "Is the daemon running?  `waft run` starts it; "
			    "--control names another address.\n",
			    url.data, why);
		code = EX_UNAVAILABLE;
	} else {
		value = json_read(answer.data, answer.len, &at);
		if (status / 100 != 2) {
			code = cli_explain(url.data, status, &answer, value);
		} else if (json != NULL && value == NULL) {
			fprintf(stderr, "waft: %s is no control API of waft\n",
			    url.data);
			code = EX_PROTOCOL;
		}
	}
	if (json != NULL && code == 0)
		*json = value;
	else
		json_decref(value);
	buf_clear(&url);
	buf_clear(&bearer);
	buf_clear(&answer);
	return code;
}

void
cli_channel_path(struct buf *path, const char *channel, const char *rest)
{
	buf_adds(path, "/channels/");
	text_percent_encode(channel, strlen(channel), path);
	buf_adds(path, "/");
	buf_adds(path, rest);
}

int
cli_read(const char *file, struct buf *out)
{
	char chunk[65536];
	size_t got;
	FILE *in;
	int code = 0;

	in = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
	if (in == NULL) {
		fprintf(stderr, "waft: %s: %s\n", file, strerror(errno));
		return EX_NOINPUT;
	}
	while ((got = fread(chunk, 1, sizeof(chunk), in)) > 0 &&
	    out->len <= CLI_INPUT_MAX)
		buf_add(out, chunk, got);
	if (ferror(in) || out->len > CLI_INPUT_MAX) {
		fprintf(stderr, "waft: %s: %s\n", file,
		    ferror(in) ? strerror(errno) : "larger than 16 MB");
		code = EX_DATAERR;
	}
	if (in != stdin)
		fclose(in);
	return code;
}
