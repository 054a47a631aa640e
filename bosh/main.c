/* waft-bosh: the public HTTP side. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "bosh/gateway.h"
#include "bosh/keep.h"
#include "bosh/login.h"
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
	struct logins *logins; /* the newest */
	struct relay *relay;
	struct web **webs;
	_Atomic int undrained;
	/* Where it listens, separated by commas. */
	struct buf addresses;
	struct buf tls_addresses;
};

/* What one worker is to do, posted to it. */
struct main_post {
	struct daemon *daemon;
	const struct conf *conf;
	struct tls *tls;       /* counted; NULL: as before */
	struct logins *logins; /* counted; at a reload */
	int index;
};

/* A session takes a descriptor for its held request.  Not for waft-component:
 * libstrophe waits with select(2), which ends at 1024. */
static void
main_raise_descriptors(const struct conf_bosh *conf)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warn("bosh.descriptors", "reason=%s",
		    LOGQ(strerror(errno)));
	else if (limit.rlim_max < (rlim_t)conf->sessions_max)
		log_warn("bosh.descriptors",
		    "limit=%llu sessions-max=%d "
		    "reason=\"not enough for so many sessions\"",
		    (unsigned long long)limit.rlim_max, conf->sessions_max);
}

static int
main_setup(struct daemon *daemon)
{
	const struct conf_bosh *conf = &daemon->conf->bosh;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct program *program = daemon->arg;
	int bad;

	daemon->control_address = conf->control;
	daemon->owner = daemon->conf->n_components > 0 ?
	    daemon->conf->components[0].domain :
	    NULL;
	daemon->n_workers = conf->workers > 0 ? conf->workers : (int)processors;
	if (daemon->n_workers < 1)
		daemon->n_workers = 1;
	if (daemon->n_workers > WORKERS_MAX)
		daemon->n_workers = WORKERS_MAX;
	main_raise_descriptors(conf);
	program->logins = logins_create(daemon->conf, NULL, &bad);
	return bad > 0 ? EX_CONFIG : 0;
}

/* All workers listen on one address; port 0 is chosen by the first of them. */
static int
main_listen(struct daemon *daemon, const char *address, struct tls *tls,
    struct buf *addresses)
{
	struct program *program = daemon->arg;
	const char *colon = strrchr(address, ':'), *why;
	char *actual = xstrdup(address);
	int port;

	for (int i = 0; i < daemon->n_workers; i++) {
		port = web_listen(program->webs[i], actual, tls, &why);
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
	if (addresses->len > 0)
		buf_addc(addresses, ',');
	buf_adds(addresses, actual);
	free(actual);
	return 0;
}

static int
main_listen_all(struct daemon *daemon, const struct conf_strings *listen,
    struct tls *tls, struct buf *addresses)
{
	int status = 0;

	for (size_t i = 0; i < listen->count && status == 0; i++)
		status = main_listen(daemon, listen->list[i], tls, addresses);
	return status;
}

/* The certificates of the configuration; NULL when they are not good. */
static struct tls *
main_load_tls(const struct conf *conf)
{
	struct buf faults, warnings;
	struct tls *tls;

	buf_init(&faults, 0);
	buf_init(&warnings, 0);
	tls = tls_create(conf, &faults, &warnings);
	if (warnings.len > 0)
		log_warn("tls.certificate", "why=%s",
		    log_quote(warnings.data, warnings.len));
	if (tls == NULL)
		log_error("tls.certificate", "why=%s",
		    log_quote(faults.data, faults.len));
	buf_clear(&faults);
	buf_clear(&warnings);
	return tls;
}

static int
main_listen_tls(struct daemon *daemon)
{
	const struct conf_strings *listen = &daemon->conf->bosh.tls_listen;
	struct program *program = daemon->arg;
	struct tls *tls;
	int status;

	if (listen->count == 0)
		return 0;
	tls = main_load_tls(daemon->conf);
	if (tls == NULL)
		return EX_CONFIG;
	status = main_listen_all(daemon, listen, tls, &program->tls_addresses);
	tls_unref(tls);
	return status;
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
	program->relay->logins = program->logins;
	program->webs =
	    xcalloc((size_t)daemon->n_workers, sizeof(program->webs[0]));
	buf_init(&program->addresses, 0);
	buf_init(&program->tls_addresses, 0);
	for (int i = 0; i < daemon->n_workers; i++) {
		worker = daemon->workers[i];
		program->webs[i] =
		    web_create(gateway_create(program->relay, worker, i));
		worker_follow(worker, store_newest(daemon->store),
		    gateway_entry, program->relay->gateways[i]);
		keep_load(program->relay->gateways[i]->keep);
	}
	status = main_listen_all(daemon, listen, NULL, &program->addresses);
	return status != 0 ? status : main_listen_tls(daemon);
}

static void
main_ports(struct daemon *daemon, struct buf *line)
{
	struct program *program = daemon->arg;

	if (program->addresses.len > 0)
		buf_addf(line, " http=%s", program->addresses.data);
	if (program->tls_addresses.len > 0)
		buf_addf(line, " https=%s", program->tls_addresses.data);
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

	gateway_drain(program->relay->gateways[post->index]);
	web_drain(program->webs[post->index]);
	if (atomic_fetch_sub(&program->undrained, 1) == 1)
		loop_post(worker_loop(daemon->workers[0]), main_drained,
		    daemon);
	free(post);
}

static void
main_post(struct daemon *daemon, loop_fn *fn, struct tls *tls,
    struct logins *logins)
{
	struct main_post *post;

	for (int i = 0; i < daemon->n_workers; i++) {
		post = xmalloc(sizeof(*post));
		*post = (struct main_post){ daemon, daemon->conf,
			tls == NULL ? NULL : tls_ref(tls),
			logins == NULL ? NULL : logins_ref(logins), i };
		loop_post(worker_loop(daemon->workers[i]), fn, post);
	}
}

static void
main_drain(struct daemon *daemon)
{
	struct program *program = daemon->arg;

	atomic_store(&program->undrained, daemon->n_workers);
	main_post(daemon, main_drain_worker, NULL, NULL);
}

static void
main_reload_worker(void *arg)
{
	struct main_post *post = arg;
	struct program *program = post->daemon->arg;

	gateway_reload(program->relay->gateways[post->index], post->conf,
	    post->logins);
	if (post->tls != NULL)
		web_set_tls(program->webs[post->index], post->tls);
	tls_unref(post->tls);
	free(post);
}

static void
main_reload(struct daemon *daemon)
{
	struct program *program = daemon->arg;
	struct logins *old = program->logins;
	struct tls *tls = NULL;
	int bad;

	program->logins = logins_create(daemon->conf, old, &bad);
	logins_unref(old);
	/* Bad ones are said, and the old ones stay. */
	if (program->tls_addresses.len > 0 && daemon->conf->n_certificates > 0)
		tls = main_load_tls(daemon->conf);
	main_post(daemon, main_reload_worker, tls, program->logins);
	tls_unref(tls);
}

static void
main_stop(struct daemon *daemon)
{
	struct program *program = daemon->arg;

	if (program->relay == NULL)
		return;
	/* First the connections: who is still held is not told of an end. */
	for (int i = 0; i < daemon->n_workers; i++)
		web_free(program->webs[i]);
	for (int i = 0; i < daemon->n_workers; i++)
		if (program->relay->gateways[i] != NULL)
			gateway_stop(program->relay->gateways[i]);
	for (int i = 0; i < daemon->n_workers; i++)
		if (program->relay->gateways[i] != NULL)
			gateway_unref(program->relay->gateways[i]);
	relay_free(program->relay);
	free(program->webs);
	buf_clear(&program->addresses);
	buf_clear(&program->tls_addresses);
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
	int status = daemon_main(argc, argv, &ops, &program);

	logins_unref(program.logins);
	return status;
}
