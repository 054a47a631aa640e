#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "common/base/auth.h"
#include "common/base/clock.h"
#include "common/base/text.h"

enum {
	OPT_SUBJECT = 256,
	OPT_TTL
};

static const char token_usage[] =
    "usage: waft token NAME [--ttl 10m] [--subject TEXT]\n"
    "\n"
    "Makes a JWT with the key of the section `token NAME` (HS256), for\n"
    "Authorization: Bearer, or as the password of a BOSH client.\n"
    "\n"
    "  --ttl TIME      how long it is good: 55s, 10m, 24h (default 10m)\n"
    "  --subject TEXT  the user it speaks for (claim sub)\n";

static const struct option token_options[] = {
	{ "ttl", required_argument, NULL, OPT_TTL },
	{ "subject", required_argument, NULL, OPT_SUBJECT },
	{ NULL, 0, NULL, 0 },
};

static int
token_run(struct cli *cli, int argc, char **argv)
{
	const struct conf_token *token;
	const char *subject = NULL, *why = "";
	int64_t ttl_ms = 10 * 60 * 1000;
	struct buf out;
	int option;

	while ((option = cli_option(cli, &verb_token, argc, argv,
	            token_options)) != -1) {
		if (option == OPT_SUBJECT)
			subject = optarg;
		else if (!text_to_ms(optarg, &ttl_ms) || ttl_ms <= 0)
			return cli_usage(&verb_token, "--ttl: not a time: %s",
			    optarg);
	}
	if (optind != argc - 1)
		return cli_usage(&verb_token, "give the name of one token");
	token = conf_token(cli_conf(cli), argv[optind]);
	if (token == NULL) {
		fprintf(stderr,
		    "waft token: the configuration has no `token \"%s\"`\n",
		    argv[optind]);
		return EX_CONFIG;
	}
	buf_init(&out, 0);
	if (auth_mint(token, subject, clock_wall_ms() + ttl_ms, &out, &why) !=
	    ERR_OK) {
		fprintf(stderr, "waft token: %s: %s\n", argv[optind], why);
		return EX_CONFIG;
	}
	puts(out.data);
	buf_clear(&out);
	return 0;
}

const struct verb verb_token = {
	.name = "token",
	.summary = "make a token (JWT) from a key of the configuration",
	.usage = token_usage,
	.run = token_run,
};
