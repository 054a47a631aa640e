#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "common/base/text.h"

static const struct verb *const verbs[] = {
	&verb_run,
	&verb_check,
	&verb_publish,
	&verb_subscribe,
	&verb_channels,
	&verb_subscriptions,
	&verb_token,
	&verb_user,
	&verb_status,
};

static void
main_help(FILE *out)
{
	size_t i;

	fputs("waft: publish once, deliver to XMPP users, browsers and HTTP\n"
	      "\n"
	      "usage: waft VERB [options]\n"
	      "\n",
	    out);
	for (i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(out, "  %-14s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n"
	      "Every verb takes\n"
	      "  -c FILE        the configuration (default ./waft.conf, then\n"
	      "                 /etc/waft/waft.conf, else built-in defaults)\n"
	      "  --set A.B=C    change one of its options\n"
	      "  --control URL  the control API to talk to, such as\n"
	      "                 http://127.0.0.1:5561 (default: from the\n"
	      "                 configuration)\n"
	      "  --token TEXT   the bearer token for it (or $WAFT_TOKEN)\n"
	      "  --help         all about the verb\n",
	    out);
}

static const struct verb *
main_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static int
main_unknown(const char *name)
{
	const char *names[ARRAY_LEN(verbs) + 1], *near;
	size_t i;

	for (i = 0; i < ARRAY_LEN(verbs); i++)
		names[i] = verbs[i]->name;
	names[i] = NULL;
	near = text_nearest(name, names);
	fprintf(stderr, "waft: no such verb: %s", name);
	if (near != NULL)
		fprintf(stderr, " (did you mean %s?)", near);
	fputs("\nTry `waft --help`.\n", stderr);
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	struct cli cli = { 0 };
	const struct verb *verb;
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		main_help(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		verb = argc > 2 ? main_find(argv[2]) : NULL;
		if (verb != NULL)
			cli_help(verb);
		else
			main_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("waft " PACKAGE_VERSION);
		return 0;
	}
	verb = main_find(argv[1]);
	if (verb == NULL)
		return main_unknown(argv[1]);
	status = verb->run(&cli, argc - 1, argv + 1);
	conf_free(cli.conf);
	return status;
}
