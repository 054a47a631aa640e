#include <stdio.h>

#include "cli/cli.h"

static const char check_usage[] =
    "usage: waft check [-c FILE] [--set A.B=C]...\n"
    "\n"
    "Reads the configuration and says what is wrong with it, a line a fault,\n"
    "with file, line and the nearest known name.  Exit code 0 when it is good,\n"
    "78 when it is not.\n";

static int
check_run(struct cli *cli, int argc, char **argv)
{
	struct conf *conf;
	size_t i;

	cli_option(cli, &verb_check, argc, argv, NULL);
	if (optind != argc)
		return cli_usage(&verb_check, "no arguments wanted");
	conf = cli_conf(cli);
	printf("%s: good\n",
	    conf->file != NULL ? conf->file : "built-in defaults");
	printf("  store      %s (%s)\n", conf->store.path, conf->store.engine);
	for (i = 0; i < conf->n_components; i++)
		printf("  component  %s at %s:%d\n", conf->components[i].domain,
		    conf->components[i].host, conf->components[i].port);
	for (i = 0; i < conf->bosh.listen.count; i++)
		printf("  bosh       %s on http://%s/http-bind\n",
		    conf->bosh.domain, conf->bosh.listen.list[i]);
	for (i = 0; i < conf->n_classes; i++)
		printf("  channels   %s\n", conf->classes[i].pattern);
	for (i = 0; i < conf->n_tokens; i++)
		printf("  token      %s\n", conf->tokens[i].name);
	return 0;
}

const struct verb verb_check = {
	.name = "check",
	.summary = "check the configuration",
	.usage = check_usage,
	.run = check_run,
};
