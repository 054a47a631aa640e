#include "common/base/conf.h"
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/base/mem.h"

enum {
	CONF_ARG_SET = 256,
	CONF_ARG_VERSION,
	CONF_ARG_HELP
};

struct conf_args {
	const char *file;
	const char **sets;
	size_t n_sets;
};

static void
conf_args_read(int argc, char **argv, const char *usage, struct conf_args *args)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "set", required_argument, NULL, CONF_ARG_SET },
		{ "version", no_argument, NULL, CONF_ARG_VERSION },
		{ "help", no_argument, NULL, CONF_ARG_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	args->file = NULL;
	args->sets = xcalloc((size_t)argc, sizeof *args->sets);
	args->n_sets = 0;
	optind = 0; /* from the start, also the second time */
	while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			args->file = optarg;
			break;
		case CONF_ARG_SET:
			args->sets[args->n_sets++] = optarg;
			break;
		case CONF_ARG_VERSION:
			printf("%s %s\n", program_invocation_short_name,
			    PACKAGE_VERSION);
			exit(EX_OK);
		case CONF_ARG_HELP:
			fputs(usage, stdout);
			exit(EX_OK);
		default:
			fputs(usage, stderr);
			exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: what is \"%s\"?\n%s",
		    program_invocation_short_name, argv[optind], usage);
		exit(EX_USAGE);
	}
}

struct conf *
conf_from_args(int argc, char **argv, const char *usage)
{
	struct conf_args args;
	struct conf *conf;
	struct buf why;

	buf_init(&why, 0);
	conf_args_read(argc, argv, usage, &args);
	conf = conf_load(args.file, args.sets, args.n_sets, &why);
	if (conf == NULL) {
		fputs(why.data, stderr);
		exit(EX_CONFIG);
	}
	buf_clear(&why);
	free(args.sets);
	return conf;
}

struct conf *
conf_from_args_again(int argc, char **argv, struct buf *why)
{
	struct conf_args args;
	struct conf *conf;

	conf_args_read(argc, argv, "", &args);
	conf = conf_load(args.file, args.sets, args.n_sets, why);
	free(args.sets);
	return conf;
}
