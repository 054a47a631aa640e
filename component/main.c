/* waft-component: the channels of a domain of its own, attached to an XMPP
 * server as an external component (XEP-0114). */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/control/daemon.h"
#include "component/domain.h"

static const char usage[] =
    "usage: waft-component [-c FILE] [--set SECTION.OPTION=VALUE] …\n"
    "\n"
    "Attaches to the XMPP server that the component section of the\n"
    "configuration names, and delivers what is published on channels to\n"
    "the JIDs subscribed to them.  SIGTERM ends it in order, SIGHUP\n"
    "reloads the configuration.\n";

struct program {
	struct daemon *daemon;
	struct domain **domains;
	size_t n_domains;
	size_t n_loading;
	size_t n_paused;
	size_t n_drained;
	bool following;
};

static int
program_setup(struct daemon *daemon)
{
	const struct conf *conf = daemon->conf;

	if (conf->n_components == 0) {
		log_error("component.config",
		    "file=%s why=\"no component section\" add=%s",
		    LOGQ(conf->file == NULL ? "(defaults)" : conf->file),
		    LOGQ("component \"push.example.org\" { server = "
		         "\"127.0.0.1:5347\" secret = \"…\" }"));
		return EX_CONFIG;
	}
	daemon->control_address = conf->components[0].control;
	daemon->owner = conf->components[0].domain;
	return 0;
}

/* ---- what the domains tell ------------------------------------------- */

static void
program_entry(struct entry *entry, void *arg)
{
	struct program *program = arg;
	size_t i;

	for (i = 0; i < program->n_domains; i++)
		domain_entry(program->domains[i], entry);
}

/* All have read what they stored: the log is followed from where the one
 * furthest behind goes on. */
static void
program_follow(struct program *program)
{
	uint64_t seq = UINT64_MAX;
	size_t i;

	for (i = 0; i < program->n_domains; i++)
		if (domain_seq(program->domains[i]) < seq)
			seq = domain_seq(program->domains[i]);
	program->following = true;
	worker_follow(program->daemon->workers[0], seq, program_entry, program);
	for (i = 0; i < program->n_domains; i++)
		domain_begin(program->domains[i]);
}

static void
program_loaded(void *arg, enum err err)
{
	struct program *program = arg;

	if (err != ERR_OK) {
		log_error("component.load", "err=%s", err_name(err));
		daemon_fail(program->daemon, EX_IOERR);
	} else if (--program->n_loading == 0)
		program_follow(program);
}

static void
program_changed(void *arg)
{
	struct program *program = arg;

	daemon_check_ready(program->daemon);
}

static void
program_pause(void *arg, bool paused)
{
	struct program *program = arg;

	if (paused)
		program->n_paused++;
	else
		program->n_paused--;
	worker_pause(program->daemon->workers[0], program->n_paused > 0);
}

static void
program_drained(void *arg)
{
	struct program *program = arg;

	if (++program->n_drained >= program->n_domains)
		daemon_drained(program->daemon);
}

static const struct domain_ops program_ops = {
	.loaded = program_loaded,
	.changed = program_changed,
	.pause = program_pause,
	.drained = program_drained,
};

/* ---- what the daemon asks -------------------------------------------- */

static int
program_start(struct daemon *daemon)
{
	struct program *program = daemon->arg;
	const struct conf *conf = daemon->conf;
	struct domain_opts opts = {
		.worker = daemon->workers[0],
		.ops = &program_ops,
		.arg = program,
	};
	int status = 0;
	size_t i;

	program->daemon = daemon;
	program->domains =
	    xcalloc(conf->n_components, sizeof(*program->domains));
	for (i = 0; i < conf->n_components; i++) {
		opts.component = &conf->components[i];
		program->domains[i] = domain_create(&opts, &status);
		if (program->domains[i] == NULL)
			return status;
		program->n_domains++;
	}
	program->n_loading = program->n_domains;
	for (i = 0; i < program->n_domains; i++)
		domain_load(program->domains[i]);
	return 0;
}

static bool
program_ready(struct daemon *daemon, const char **why)
{
	struct program *program = daemon->arg;
	size_t i;

	for (i = 0; i < program->n_domains; i++)
		if (!domain_is_ready(program->domains[i], why))
			return false;
	return true;
}

static void
program_status(struct daemon *daemon, void *json_object)
{
	struct program *program = daemon->arg;
	json_t *links = json_array();
	size_t i;

	for (i = 0; i < program->n_domains; i++)
		domain_status(program->domains[i], links);
	json_object_set_new(json_object, "links", links);
}

static void
program_drain(struct daemon *daemon)
{
	struct program *program = daemon->arg;
	size_t i;

	if (!program->following) {
		daemon_drained(daemon);
		return;
	}
	for (i = 0; i < program->n_domains; i++)
		domain_drain(program->domains[i]);
}

/* A link is made once. */
static void
program_reload(struct daemon *daemon)
{
	const struct program *program = daemon->arg;
	size_t i;

	for (i = 0; i < program->n_domains; i++) {
		domain_reload(program->domains[i], daemon->conf);
		if (!domain_is_current(program->domains[i], daemon->conf))
			log_warn("component.reload",
			    "domain=%s why=\"its section changed; restart "
			    "waft-component to apply it\"",
			    LOGQ(domain_name(program->domains[i])));
	}
	if (daemon->conf->n_components > program->n_domains)
		log_warn("component.reload",
		    "why=\"component sections were added; restart "
		    "waft-component to attach them\"");
}

static void
program_stop(struct daemon *daemon)
{
	struct program *program = daemon->arg;
	size_t i;

	for (i = 0; i < program->n_domains; i++)
		domain_free(program->domains[i]);
	free(program->domains);
	program->n_domains = 0;
}

int
main(int argc, char **argv)
{
	static const struct daemon_ops ops = {
		.name = "component",
		.usage = usage,
		.setup = program_setup,
		.start = program_start,
		.ready = program_ready,
		.status = program_status,
		.drain = program_drain,
		.reload = program_reload,
		.stop = program_stop,
	};
	struct program program = { 0 };

	return daemon_main(argc, argv, &ops, &program);
}
