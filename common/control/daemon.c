#include "common/control/daemon.h"
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/notify.h"
#include "common/control/control.h"

#define DAEMON_DRAIN_LOOK_MS 10

/* A configuration that was in force once: much still points into it. */
struct daemon_conf {
	struct daemon_conf *older;
	struct conf *conf;
};

struct daemon_life {
	struct daemon daemon;
	struct daemon_conf *confs;
	struct control *control;
	struct event *drain_timer;
	int argc;
	char **argv;
	bool said_ready;
	bool draining;
	bool drained; /* the program's part */
	long long drain_until_ms;
	int status;
};

/* The daemon is the first member. */
static struct daemon_life *
daemon_life(struct daemon *daemon)
{
	return (struct daemon_life *)daemon;
}

static struct loop *
daemon_loop(const struct daemon *daemon)
{
	return worker_loop(daemon->workers[0]);
}

/* ---- ready ----------------------------------------------------------- */

static bool
daemon_is_ready(void *arg, const char **why)
{
	struct daemon *daemon = arg;

	return daemon->ops->ready == NULL || daemon->ops->ready(daemon, why);
}

static void
daemon_status(void *arg, void *json_object)
{
	struct daemon *daemon = arg;

	if (daemon->ops->status != NULL)
		daemon->ops->status(daemon, json_object);
}

void
daemon_check_ready(struct daemon *daemon)
{
	struct daemon_life *life = daemon_life(daemon);
	const char *why = NULL, *colon;
	struct buf line;

	if (life->said_ready || life->draining || life->control == NULL ||
	    !daemon_is_ready(daemon, &why))
		return;
	life->said_ready = true;
	colon = strrchr(daemon->control_address, ':');
	buf_init(&line, 0);
	buf_adds(&line, " control=");
	buf_add(&line, daemon->control_address,
	    colon == NULL ? strlen(daemon->control_address) :
	                    (size_t)(colon - daemon->control_address));
	buf_addc(&line, ':');
	buf_addu(&line, (uint64_t)control_port(life->control));
	if (daemon->ops->ports != NULL)
		daemon->ops->ports(daemon, &line);
	log_info("ready", "daemon=%s version=%s%s", daemon->ops->name,
	    PACKAGE_VERSION, line.data);
	buf_clear(&line);
	notify_systemd("READY=1");
}

/* ---- the end --------------------------------------------------------- */

/* Both the program's part and the control API must be done; the latter is asked
 * again and again, for it has nobody to tell. */
static void
daemon_drain_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct daemon *daemon = arg;
	struct daemon_life *life = arg;
	struct timeval wait = { 0, DAEMON_DRAIN_LOOK_MS * 1000 };
	bool late = loop_now_ms(daemon_loop(daemon)) >= life->drain_until_ms;
	bool idle = life->control == NULL || control_is_idle(life->control);

	if (late)
		log_warn("drain.timeout", "after_ms=%d", DAEMON_DRAIN_MS);
	if (late || (idle && life->drained))
		loop_stop(daemon_loop(daemon));
	else
		event_add(life->drain_timer, &wait);
}

void
daemon_drained(struct daemon *daemon)
{
	struct daemon_life *life = daemon_life(daemon);

	life->drained = true;
	/* It comes late when a second signal has ended the loop. */
	if (life->drain_timer != NULL)
		event_active(life->drain_timer, 0, 0);
}

static void
daemon_drain(void *arg)
{
	struct daemon *daemon = arg;
	struct daemon_life *life = arg;

	/* Asked twice: it is urgent. */
	if (life->draining) {
		loop_stop(daemon_loop(daemon));
		return;
	}
	life->draining = true;
	life->drain_until_ms =
	    loop_now_ms(daemon_loop(daemon)) + DAEMON_DRAIN_MS;
	log_info("drain", "daemon=%s", daemon->ops->name);
	notify_systemd("STOPPING=1");
	if (life->control != NULL)
		control_drain(life->control);
	event_active(life->drain_timer, 0, 0);
	if (daemon->ops->drain != NULL)
		daemon->ops->drain(daemon);
	else
		daemon_drained(daemon);
}

void
daemon_fail(struct daemon *daemon, int status)
{
	struct daemon_life *life = daemon_life(daemon);

	life->status = status;
	if (!life->draining)
		daemon_drain(daemon);
}

/* ---- configuration --------------------------------------------------- */

static void
daemon_take_conf(struct daemon_life *life, struct conf *conf)
{
	struct daemon_conf *taken = xcalloc(1, sizeof *taken);

	taken->conf = conf;
	taken->older = life->confs;
	life->confs = taken;
	life->daemon.conf = conf;
	log_set_level(conf->log_level);
}

struct daemon_reload {
	struct worker *worker;
	const struct conf *conf;
};

static void
daemon_reload_worker(void *arg)
{
	struct daemon_reload *reload = arg;

	worker_reload(reload->worker, reload->conf);
	free(reload);
}

static void
daemon_reload(void *arg)
{
	struct daemon *daemon = arg;
	struct daemon_life *life = arg;
	struct daemon_reload *reload;
	struct conf *conf;
	struct buf why;
	int i;

	buf_init(&why, 0);
	conf = conf_from_args_again(life->argc, life->argv, &why);
	if (conf == NULL) {
		log_error("reload.refused", "why=%s",
		    log_quote(why.data, why.len));
		buf_clear(&why);
		return;
	}
	daemon_take_conf(life, conf);
	for (i = 0; i < daemon->n_workers; i++) {
		reload = xcalloc(1, sizeof *reload);
		reload->worker = daemon->workers[i];
		reload->conf = conf;
		loop_post(worker_loop(reload->worker), daemon_reload_worker,
		    reload);
	}
	if (life->control != NULL)
		control_reload(life->control, conf);
	if (daemon->ops->reload != NULL)
		daemon->ops->reload(daemon);
	log_info("reload", "file=%s", LOGQ(conf->file));
}

/* ---- the life -------------------------------------------------------- */

static int
daemon_open(struct daemon *daemon)
{
	struct buf why;
	int i, status = 0;

	buf_init(&why, 0);
	daemon->store =
	    store_open(daemon->conf, daemon->ops->name, &why, &status);
	if (daemon->store == NULL) {
		log_error("store.open", "why=%s", log_quote(why.data, why.len));
		buf_clear(&why);
		return status;
	}
	buf_clear(&why);
	daemon->workers =
	    xcalloc((size_t)daemon->n_workers, sizeof(struct worker *));
	for (i = 0; i < daemon->n_workers; i++)
		daemon->workers[i] = worker_create(daemon->conf, daemon->store);
	return 0;
}

static int
daemon_listen(struct daemon *daemon)
{
	struct daemon_life *life = daemon_life(daemon);
	struct control_opts opts = {
		.worker = daemon->workers[0],
		.daemon = daemon->ops->name,
		.address = daemon->control_address,
		.owner = daemon->owner,
		.ready = daemon_is_ready,
		.status = daemon_status,
		.arg = daemon,
	};
	const char *why = NULL;

	life->control = control_start(&opts, &why);
	if (life->control != NULL)
		return 0;
	log_error("control.listen", "address=%s why=%s", LOGQ(opts.address),
	    LOGQ(why));
	return EX_UNAVAILABLE;
}

static void
daemon_run(struct daemon *daemon)
{
	struct daemon_life *life = daemon_life(daemon);
	int i;

	life->drain_timer = event_new(loop_base(daemon_loop(daemon)), -1, 0,
	    daemon_drain_cb, daemon);
	if (life->drain_timer == NULL)
		fatal(EX_OSERR, "daemon.event", "reason=memory");
	loop_on_signals(daemon_loop(daemon), daemon_drain, daemon_reload,
	    daemon);
	for (i = 1; i < daemon->n_workers; i++)
		worker_start(daemon->workers[i]);
	daemon_check_ready(daemon);
	loop_run(daemon_loop(daemon));
}

static void
daemon_close(struct daemon *daemon, bool started)
{
	struct daemon_life *life = daemon_life(daemon);
	struct daemon_conf *older;
	sigset_t all;
	int i;

	for (i = 0; daemon->workers != NULL && i < daemon->n_workers; i++)
		worker_stop(daemon->workers[i]);
	if (life->drain_timer != NULL)
		event_free(life->drain_timer);
	life->drain_timer = NULL;
	control_free(life->control);
	life->control = NULL;
	if (started && daemon->ops->stop != NULL)
		daemon->ops->stop(daemon);
	store_free(daemon->store);
	/* This thread is the last one, and its loop's handlers go away: a
	 * signal that comes now must not make a good end a bad one. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (i = 0; daemon->workers != NULL && i < daemon->n_workers; i++)
		worker_free(daemon->workers[i]);
	free(daemon->workers);
	for (; life->confs != NULL; life->confs = older) {
		older = life->confs->older;
		conf_free(life->confs->conf);
		free(life->confs);
	}
}

int
daemon_main(int argc, char **argv, const struct daemon_ops *ops, void *arg)
{
	struct daemon_life life = { .argc = argc, .argv = argv };
	struct daemon *daemon = &life.daemon;
	bool started = false;

	signal(SIGPIPE, SIG_IGN);
	daemon->ops = ops;
	daemon->arg = arg;
	daemon->n_workers = 1;
	daemon_take_conf(&life, conf_from_args(argc, argv, ops->usage));
	life.status = ops->setup(daemon);
	if (life.status == 0)
		life.status = daemon_open(daemon);
	if (life.status == 0) {
		started = true;
		life.status = ops->start(daemon);
	}
	if (life.status == 0)
		life.status = daemon_listen(daemon);
	if (life.status == 0)
		daemon_run(daemon);
	daemon_close(daemon, started);
	return life.status;
}
