#include <stdio.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "common/http/tls.h"

static const char check_usage[] =
    "usage: waft check [-c FILE] [--set A.B=C]...\n"
    "\n"
    "Reads the configuration and says what is wrong with it, a line a fault,\n"
    "with file, line and the nearest known name; also with the files of\n"
    "certificates.  Exit code 0 when it is good, 78 when it is not.\n";

static void
check_listen(const struct conf_strings *listen, const char *scheme,
    const char *domain)
{
	for (size_t i = 0; i < listen->count; i++)
		printf("  bosh       %s on %s://%s/http-bind\n", domain, scheme,
		    listen->list[i]);
}

/* Their keys may be for the daemon's eyes alone, but then it is not good as
 * seen from here. */
static bool
check_certificates(const struct conf *conf)
{
	struct buf faults, warnings;
	struct tls *tls;

	if (conf->n_certificates == 0)
		return true;
	buf_init(&faults, 0);
	buf_init(&warnings, 0);
	tls = tls_create(conf, &faults, &warnings);
	if (warnings.len > 0)
		fprintf(stderr, "warning: %s", warnings.data);
	if (faults.len > 0)
		fputs(faults.data, stderr);
	tls_unref(tls);
	buf_clear(&faults);
	buf_clear(&warnings);
	return tls != NULL;
}

static int
check_run(struct cli *cli, int argc, char **argv)
{
	struct conf *conf;
	size_t i;

	cli_option(cli, &verb_check, argc, argv, NULL);
	if (optind != argc)
		return cli_usage(&verb_check, "no arguments wanted");
	conf = cli_conf(cli);
	if (!check_certificates(conf))
		return EX_CONFIG;
	printf("%s: good\n",
	    conf->file != NULL ? conf->file : "built-in defaults");
	printf("  store      %s (%s)\n", conf->store.path, conf->store.engine);
	for (i = 0; i < conf->n_components; i++)
		printf("  component  %s at %s:%d\n", conf->components[i].domain,
		    conf->components[i].host, conf->components[i].port);
	check_listen(&conf->bosh.listen, "http", conf->bosh.domain);
	check_listen(&conf->bosh.tls_listen, "https", conf->bosh.domain);
	for (i = 0; i < conf->n_certificates; i++)
		printf("  certificate %s\n", conf->certificates[i].name);
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
