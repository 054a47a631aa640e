/*
 * The `waft` command: a table of verbs, one file each.  A verb reads its own
 * options with getopt_long, talks to the control API of a running daemon, and
 * returns an exit code of sysexits.h.
 */
#ifndef WAFT_CLI_H
#define WAFT_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/conf.h"
#include "common/base/json.h"

#define CLI_SETS_MAX 64

/* What every verb accepts: -c FILE, --set a.b=c, --control URL, --token TEXT.
 */
struct cli {
	const char *file;
	const char *sets[CLI_SETS_MAX];
	size_t n_sets;
	const char *control; /* "http://127.0.0.1:5561" or NULL */
	const char *token;   /* bearer; NULL: made from the configuration */
	bool quiet;          /* cli_call() says nothing of a daemon not there */
	struct conf *conf;   /* after cli_conf() */
};

struct verb {
	const char *name;
	const char *summary; /* one line for `waft --help` */
	const char *usage;   /* all of `waft VERB --help` */
	int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct verb verb_run, verb_check, verb_publish, verb_subscribe,
    verb_channels, verb_subscriptions, verb_token, verb_user, verb_status;

/*
 * Getopt_long over the shared options and the verb's own (ending in a zero
 * row; NULL for none).  Handles the shared ones, --help and mistakes; returns
 * the verb's option or -1 at the end, where optind is the first argument left.
 */
int cli_option(struct cli *cli, const struct verb *verb, int argc, char **argv,
    const struct option *own);
/* All about the verb, to standard output. */
void cli_help(const struct verb *verb);
/* Says what is wrong and how to get help; returns EX_USAGE. */
int cli_usage(const struct verb *verb, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Loads the configuration or ends with 78 and its faults on stderr. */
struct conf *cli_conf(struct cli *cli);

/*
 * One call of the control API.  Path starts with "/".  On a 2xx *json is the
 * answer (the caller's; json is NULL where any text will do) and 0 is
 * returned; otherwise the reason is on stderr and the exit code returned.
 */
int cli_call(struct cli *cli, const char *method, const char *path,
    const struct buf *body, long timeout_ms, json_t **json);

/* "/channels/NAME/" with NAME percent-encoded, then rest. */
void cli_channel_path(struct buf *path, const char *channel, const char *rest);
/* All of a file, or of standard input for "-".  0 or an exit code. */
int cli_read(const char *file, struct buf *out);

#define CLI_WAIT_MS 30000L

#endif
