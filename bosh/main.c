/* waft-bosh: the public HTTP side. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bosh/gateway.h"
#include "bosh/web.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/control/daemon.h"

static const char main_usage[] =
    "usage: waft-bosh [-c FILE] [--set SECTION.OPTION=VALUE]...\n"
    "       waft-bosh --version | --help\n"
    "\n"
    "Serves XMPP over BOSH to browsers, from the channels of the store.\n"
    "\n"
    "  -c FILE    configuration; else ./waft.conf, then /etc/waft/waft.conf,\n"
    "             else built-in defaults on 127.0.0.1:7999\n"
    "  --set A.B=C  overrides one option of it\n";

struct program {
	struct relay *relay;
	struct web **webs;
	_Atomic int undrained;
	struct buf addresses; /* where it listens, separated by commas */
};

/* What one worker is to do, posted to it. */
struct main_post {
	struct daemon *daemon;
	const struct conf *conf;
	int index;
};

static int
main_setup(struct daemon *daemon)
{
	const struct conf_bosh *conf = &daemon->conf->bosh;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	daemon->control_address = conf->control;
	daemon->owner = daemon->conf->n_components > 0 ?
	    daemon->conf->components[0].domain :
	    NULL;
	daemon->n_workers = conf->workers > 0 ? conf->workers : (int)processors;
	if (daemon->n_workers < 1)
		daemon->n_workers = 1;
	if (daemon->n_workers > WORKERS_MAX)
		daemon->n_workers = WORKERS_MAX;
	return 0;
}

/* All workers listen on one address; port 0 is chosen by the first of them. */
static int
main_listen(struct daemon *daemon, const char *address)
{
	struct program *program = daemon->arg;
	const char *colon = strrchr(address, ':'), *why;
	char *actual = xstrdup(address);
	int port;

	for (int i = 0; i < daemon->n_workers; i++) {
		port = web_listen(program->webs[i], actual, &why);
		if (port == 0) {
			log_error("bosh.listen", "address=%s reason=%s",
			    LOGQ(actual), LOGQ(why));
			free(actual);
			return EX_UNAVAILABLE;
		}
		if (i == 0 && colon != NULL) {
			free(actual);
			actual = xasprintf("%.*s:%d", (int)(colon - address),
			    address, port);
		}
	}
	if (program->addresses.len > 0)
		buf_addc(&program->addresses, ',');
	buf_adds(&program->addresses, actual);
	free(actual);
	return 0;
}

static int
main_start(struct daemon *daemon)
{
	const struct conf_strings *listen = &daemon->conf->bosh.listen;
	struct program *program = daemon->arg;
	struct worker *worker;
	int status;

	program->relay =
	    relay_create(daemon->conf, daemon->store, daemon->n_workers);
	program->webs =
	    xcalloc((size_t)daemon->n_workers, sizeof(program->webs[0]));
	buf_init(&program->addresses, 0);
	for (int i = 0; i < daemon->n_workers; i++) {
		worker = daemon->workers[i];
		program->webs[i] =
		    web_create(gateway_create(program->relay, worker, i));
		worker_follow(worker, store_newest(daemon->store),
		    gateway_entry, program->relay->gateways[i]);
	}
	for (size_t i = 0; i < listen->count; i++) {
		status = main_listen(daemon, listen->list[i]);
		if (status != 0)
			return status;
	}
	return 0;
}

static void
main_ports(struct daemon *daemon, struct buf *line)
{
	struct program *program = daemon->arg;

	buf_addf(line, " http=%s", program->addresses.data);
}

static void
main_status(struct daemon *daemon, void *json_object)
{
	struct program *program = daemon->arg;

	json_object_set_new(json_object, "sessions",
	    json_integer(atomic_load(&program->relay->sessions)));
	json_object_set_new(json_object, "workers",
	    json_integer(daemon->n_workers));
}

/* ---- the end --------------------------------------------------------- */

static void
main_drained(void *arg)
{
	daemon_drained(arg);
}

/* On each worker's thread: what is held is answered empty, and the sessions
 * stay as they are (DESIGN 7). */
static void
main_drain_worker(void *arg)
{
	struct main_post *post = arg;
	struct daemon *daemon = post->daemon;
	struct program *program = daemon->arg;

	gateway_release_all(program->relay->gateways[post->index]);
	web_drain(program->webs[post->index]);
	if (atomic_fetch_sub(&program->undrained, 1) == 1)
		loop_post(worker_loop(daemon->workers[0]), main_drained,
		    daemon);
	free(post);
}

static void
main_post(struct daemon *daemon, loop_fn *fn)
{
	struct main_post *post;

	for (int i = 0; i < daemon->n_workers; i++) {
		post = xmalloc(sizeof(*post));
		*post = (struct main_post){ daemon, daemon->conf, i };
		loop_post(worker_loop(daemon->workers[i]), fn, post);
	}
}

static void
main_drain(struct daemon *daemon)
{
	struct program *program = daemon->arg;

	atomic_store(&program->undrained, daemon->n_workers);
	main_post(daemon, main_drain_worker);
}

static void
main_reload_worker(void *arg)
{
	struct main_post *post = arg;
	struct program *program = post->daemon->arg;

	gateway_reload(program->relay->gateways[post->index], post->conf);
	free(post);
}

static void
main_reload(struct daemon *daemon)
{
	main_post(daemon, main_reload_worker);
}

static void
main_stop(struct daemon *daemon)
{
	struct program *program = daemon->arg;

	if (program->relay == NULL)
		return;
	for (int i = 0; i < daemon->n_workers; i++)
		if (program->relay->gateways[i] != NULL)
			gateway_end_all(program->relay->gateways[i]);
	for (int i = 0; i < daemon->n_workers; i++)
		web_free(program->webs[i]);
	for (int i = 0; i < daemon->n_workers; i++)
		if (program->relay->gateways[i] != NULL)
			gateway_unref(program->relay->gateways[i]);
	relay_free(program->relay);
	free(program->webs);
	buf_clear(&program->addresses);
}

int
main(int argc, char **argv)
{
	static const struct daemon_ops ops = {
		.name = "bosh",
		.usage = main_usage,
		.setup = main_setup,
		.start = main_start,
		.ports = main_ports,
		.status = main_status,
		.drain = main_drain,
		.reload = main_reload,
		.stop = main_stop,
	};
	struct program program = { 0 };

	return daemon_main(argc, argv, &ops, &program);
}
