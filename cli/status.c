#include <stdio.h>

#include "cli/cli.h"

static const char status_usage[] =
    "usage: waft status [--control URL]\n"
    "\n"
    "Asks each daemon of the configuration (or the one at URL) how it is, and\n"
    "prints what it says.  Exit code 0 when all answered and are ready.\n";

static void
status_print(const char *name, json_t *answer)
{
	const char *key;
	struct buf text;
	json_t *value;

	printf("%s\n", name);
	json_object_foreach(answer, key, value)
	{
		buf_init(&text, 0);
		if (json_is_string(value))
			buf_adds(&text, json_string_value(value));
		else
			json_write(value, &text);
		printf("  %-16s %s\n", key, text.data != NULL ? text.data : "");
		buf_clear(&text);
	}
}

static int
status_ask(struct cli *cli, const char *name, const char *control)
{
	json_t *answer = NULL;
	int code, ready;

	cli->control = control;
	code = cli_call(cli, "GET", "/status", NULL, CLI_WAIT_MS, &answer);
	if (code != 0)
		return code;
	status_print(name, answer);
	json_decref(answer);
	ready = cli_call(cli, "GET", "/readyz", NULL, CLI_WAIT_MS, NULL);
	return ready;
}

static int
status_run(struct cli *cli, int argc, char **argv)
{
	struct conf *conf;
	int code = 0, worst;

	cli_option(cli, &verb_status, argc, argv, NULL);
	if (optind != argc)
		return cli_usage(&verb_status, "no arguments wanted");
	if (cli->control != NULL)
		return status_ask(cli, cli->control, cli->control);
	conf = cli_conf(cli);
	worst = status_ask(cli, "waft-bosh", conf->bosh.control);
	if (conf->n_components > 0)
		code = status_ask(cli, "waft-component",
		    conf->components[0].control);
	return code != 0 ? code : worst;
}

const struct verb verb_status = {
	.name = "status",
	.summary = "how the daemons are",
	.usage = status_usage,
	.run = status_run,
};
