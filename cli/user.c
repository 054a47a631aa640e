#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base/auth_scram.h"
#include "common/base/text.h"
#include "common/xmpp/jid.h"

#define USER_PASSWORD_MAX 1023

enum {
	OPT_ITERATIONS = 256
};

static const char user_usage[] =
    "usage: waft user NAME [--iterations 4096] < PASSWORD\n"
    "\n"
    "Makes the section `user NAME` for waft.conf from a password, which is\n"
    "the first line of standard input, or asked for.  The section holds what\n"
    "proves the password (SCRAM, RFC 5802), not the password.\n"
    "\n"
    "  --iterations N  what a guess costs, 4096 (default) to 100000; a login\n"
    "                  by PLAIN costs as much\n";

static const struct option user_options[] = {
	{ "iterations", required_argument, NULL, OPT_ITERATIONS },
	{ NULL, 0, NULL, 0 },
};

/* One line without an echo, where somebody types it. */
static bool
user_ask(const char *name, char *line, size_t size)
{
	struct termios before, silent;
	bool typed = tcgetattr(STDIN_FILENO, &before) == 0, ok;

	if (typed) {
		fprintf(stderr, "password of %s: ", name);
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	ok = fgets(line, (int)size, stdin) != NULL;
	if (typed) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (ok)
		line[strcspn(line, "\r\n")] = '\0';
	return ok;
}

static void
user_print(enum crypto_hash hash, const char *option, int iterations,
    const struct buf *password)
{
	struct auth_scram scram = { .iterations = iterations,
		.salt_len = AUTH_SCRAM_SALT };
	struct buf text;

	crypto_random(scram.salt, scram.salt_len);
	auth_scram_derive(hash, password->data, password->len, &scram);
	buf_init(&text, 0);
	auth_scram_write(hash, &scram, &text);
	printf("\t%s = \"%s\"\n", option, text.data);
	buf_clear(&text);
}

static bool
user_is_name(const char *name)
{
	struct buf address;
	struct jid jid;
	const char *why;
	bool ok;

	buf_init(&address, 0);
	buf_addf(&address, "%s@localhost", name);
	ok = strpbrk(name, "@/\"\\") == NULL &&
	    jid_parse(address.data, address.len, &jid, &why) == ERR_OK;
	buf_clear(&address);
	return ok;
}

static int
user_run(struct cli *cli, int argc, char **argv)
{
	char line[USER_PASSWORD_MAX + 2];
	uint64_t iterations = AUTH_SCRAM_MIN;
	struct buf password;
	const char *name;

	while (cli_option(cli, &verb_user, argc, argv, user_options) != -1)
		if (!text_to_u64(optarg, strlen(optarg), AUTH_SCRAM_MAX,
		        &iterations) ||
		    iterations < AUTH_SCRAM_MIN)
			return cli_usage(&verb_user,
			    "--iterations: must be from %d to %d",
			    AUTH_SCRAM_MIN, AUTH_SCRAM_MAX);
	if (optind != argc - 1)
		return cli_usage(&verb_user, "give the name of one user");
	name = argv[optind];
	if (!user_is_name(name))
		return cli_usage(&verb_user, "%s cannot be a user's name",
		    name);
	buf_init(&password, 0);
	if (!user_ask(name, line, sizeof(line)) ||
	    !jid_saslprep(line, strlen(line), &password)) {
		fprintf(stderr, "waft user: that cannot be a password\n");
		return EX_DATAERR;
	}
	printf("user \"%s\" {\n", name);
	user_print(CRYPTO_SHA256, "scram-sha-256", (int)iterations, &password);
	user_print(CRYPTO_SHA1, "scram-sha-1", (int)iterations, &password);
	puts("}");
	explicit_bzero(line, sizeof(line));
	explicit_bzero(password.data, password.len);
	buf_clear(&password);
	return 0;
}

const struct verb verb_user = {
	.name = "user",
	.summary = "make the section of one who may log in over BOSH",
	.usage = user_usage,
	.run = user_run,
};
