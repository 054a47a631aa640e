/* waft-component: the channels of a domain of its own, attached to an XMPP
 * server as an external component (XEP-0114). */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/control/daemon.h"
#include "component/seat.h"

static const char usage[] =
    "usage: waft-component [-c FILE] [--set SECTION.OPTION=VALUE] …\n"
    "\n"
    "Attaches to the XMPP server that the component section of the\n"
    "configuration names, and delivers what is published on channels to\n"
    "the JIDs subscribed to them.  SIGTERM ends it in order, SIGHUP\n"
    "reloads the configuration.\n";

struct program {
	struct daemon *daemon;
	struct seat **seats;
	size_t n_seats;
	size_t n_drained;
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

/* ---- what the seats tell --------------------------------------------- */

static void
program_failed(void *arg, enum err err)
{
	struct program *program = arg;

	log_error("component.load", "err=%s", err_name(err));
	daemon_fail(program->daemon, EX_IOERR);
}

static void
program_changed(void *arg)
{
	struct program *program = arg;

	daemon_check_ready(program->daemon);
}

static void
program_drained(void *arg)
{
	struct program *program = arg;

	if (++program->n_drained >= program->n_seats)
		daemon_drained(program->daemon);
}

static const struct seat_ops program_ops = {
	.failed = program_failed,
	.changed = program_changed,
	.drained = program_drained,
};

/* ---- what the daemon asks -------------------------------------------- */

/* The seats read the log each for itself; the daemon's own worker is for those
 * who listen over the control API. */
static int
program_start(struct daemon *daemon)
{
	struct program *program = daemon->arg;
	const struct conf *conf = daemon->conf;
	struct seat_opts opts = {
		.worker = daemon->workers[0],
		.ops = &program_ops,
		.arg = program,
	};
	int status = 0;
	size_t i;

	program->daemon = daemon;
	program->seats = xcalloc(conf->n_components, sizeof(*program->seats));
	for (i = 0; i < conf->n_components; i++) {
		opts.component = &conf->components[i];
		program->seats[i] = seat_create(&opts, &status);
		if (program->seats[i] == NULL)
			return status;
		program->n_seats++;
	}
	worker_follow(daemon->workers[0], store_newest(daemon->store), NULL,
	    NULL);
	for (i = 0; i < program->n_seats; i++)
		seat_start(program->seats[i]);
	return 0;
}

static bool
program_ready(struct daemon *daemon, const char **why)
{
	struct program *program = daemon->arg;
	size_t i;

	for (i = 0; i < program->n_seats; i++)
		if (!seat_is_ready(program->seats[i], why))
			return false;
	return true;
}

static void
program_status(struct daemon *daemon, void *json_object)
{
	struct program *program = daemon->arg;
	json_t *links = json_array();
	size_t i;

	for (i = 0; i < program->n_seats; i++)
		seat_status(program->seats[i], links);
	json_object_set_new(json_object, "links", links);
}

static void
program_drain(struct daemon *daemon)
{
	struct program *program = daemon->arg;
	size_t i;

	for (i = 0; i < program->n_seats; i++)
		seat_drain(program->seats[i]);
}

/* A link is made once. */
static void
program_reload(struct daemon *daemon)
{
	const struct program *program = daemon->arg;
	size_t i;

	for (i = 0; i < program->n_seats; i++)
		seat_reload(program->seats[i], daemon->conf);
	if (daemon->conf->n_components > program->n_seats)
		log_warn("component.reload",
		    "why=\"component sections were added; restart "
		    "waft-component to attach them\"");
}

static void
program_stop(struct daemon *daemon)
{
	struct program *program = daemon->arg;
	size_t i;

	for (i = 0; i < program->n_seats; i++)
		seat_free(program->seats[i]);
	free(program->seats);
	program->n_seats = 0;
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
