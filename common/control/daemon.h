/*
 * What the mains of the daemons share: configuration, log, store, workers,
 * control API, being ready, draining, reloading, exit codes (sysexits.h).
 *
 *	int main(int argc, char **argv)
 *	{
 *		return daemon_main(argc, argv, &ops, &program);
 *	}
 *
 * Order: conf_from_args(); setup(); store, workers; start(); the control API;
 * then the loops run, worker 0 on the main thread.  Once ready() is true:
 * `event=ready control=127.0.0.1:5562 …` and READY=1.  Wherever an address has
 * port 0 a free one is taken, and `event=control.listen` and the ready line
 * name it.  SIGTERM and SIGINT: drain(), at most DAEMON_DRAIN_MS; the loops
 * stop; stop(); everything is freed; exit code 0.
 */
#ifndef WAFT_DAEMON_H
#define WAFT_DAEMON_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/conf.h"
#include "common/channel/worker.h"
#include "common/store/store.h"

#define DAEMON_DRAIN_MS 10000

struct daemon;

/* Every function runs on the main thread, which is worker 0's.  All but name,
 * usage, setup and start may be NULL. */
struct daemon_ops {
	const char *name; /* "component", "bosh": the private file, /status */
	const char *usage;
	/* Fills in control_address, owner and n_workers from conf.  Returns 0,
	 * or an exit code after log_error(). */
	int (*setup)(struct daemon *daemon);
	/* Makes what the program is: links, listeners; calls worker_follow() on
	 * each worker, now or later.  No loop runs yet, so it may touch all
	 * workers.  Returns 0, or an exit code after log_error(). */
	int (*start)(struct daemon *daemon);
	/* Is its own part ready (/readyz)?  *Why static when not.  Asked after
	 * start() and by each daemon_check_ready(). */
	bool (*ready)(struct daemon *daemon, const char **why);
	/* Adds ` name=host:port` pairs to the ready line. */
	void (*ports)(struct daemon *daemon, struct buf *line);
	/* Adds members to the JSON object (json_t *) of GET /status. */
	void (*status)(struct daemon *daemon, void *json_object);
	/* Stop taking new work, end what is under way, then
	 * daemon_drained(). */
	void (*drain)(struct daemon *daemon);
	/* SIGHUP, after daemon->conf became the new configuration.  The old one
	 * stays valid until the end. */
	void (*reload)(struct daemon *daemon);
	/* All loops have stopped: clear subs, free what start() made.  Also
	 * called after a start() that failed. */
	void (*stop)(struct daemon *daemon);
};

struct daemon {
	const struct daemon_ops *ops;
	void *arg;
	const struct conf *conf;
	const char *control_address; /* "127.0.0.1:5562"; borrowed from conf */
	const char *owner;           /* see struct control_opts */
	int n_workers;               /* 1 unless setup() says otherwise */
	struct store *store;
	struct worker **workers;
};

/* The whole life; returns the exit code. */
int daemon_main(int argc, char **argv, const struct daemon_ops *ops, void *arg);
/* Something that ready() depends on has changed.  Worker 0's thread. */
void daemon_check_ready(struct daemon *daemon);
/* The drain is over.  Worker 0's thread; once or more. */
void daemon_drained(struct daemon *daemon);
/* Ends the daemon with this exit code after the drain, for a fault that only
 * the operator can mend.  Worker 0's thread. */
void daemon_fail(struct daemon *daemon, int status);

#endif
