/*
 * The supervisor: starts the daemons that the configuration asks for, starts
 * one that dies again after a growing wait, and takes them all along when it
 * ends.  It waits for signals and for nothing else, so it needs no loop.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define RUN_WAIT_MIN_MS 500
#define RUN_WAIT_MAX_MS 30000
/* One that lived this long starts afresh: the next wait is the shortest. */
#define RUN_STABLE_MS 30000
#define RUN_STOP_MS   10000

static const char run_usage[] =
    "usage: waft run [-c FILE] [--set A.B=C]...\n"
    "\n"
    "Runs the daemons that the configuration asks for: waft-bosh, and\n"
    "waft-component when there is a `component` section.  One that dies is\n"
    "started again and reported.  Ctrl-C or SIGTERM ends all; SIGHUP is passed\n"
    "on.  The log goes to standard error.\n";

struct child {
	const char *program;
	pid_t pid;        /* 0: not running */
	int64_t start_ms; /* when it is, or was, started */
	int64_t wait_ms;  /* before the next start */
};

struct run {
	struct cli *cli;
	char
	    folder[PATH_MAX]; /* of our own program: the daemons stand beside */
	struct child children[2];
	size_t count;
	pid_t pid;
	bool stopping;
	int64_t stop_ms;
	int status; /* exit code of a child that must not be restarted */
};

static bool
run_find_folder(struct run *run)
{
	ssize_t len;
	char *slash;

	len = readlink("/proc/self/exe", run->folder, sizeof(run->folder) - 1);
	if (len < 0)
		return false;
	run->folder[len] = '\0';
	slash = strrchr(run->folder, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

NORETURN static void
run_exec(struct run *run, const char *program)
{
	char *argv[4 + 2 * CLI_SETS_MAX], *path;
	sigset_t none;
	size_t i, n = 0;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* It may have died before that. */
	if (getppid() != run->pid)
		_exit(EX_UNAVAILABLE);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	path = xasprintf("%s/%s", run->folder, program);
	argv[n++] = path;
	if (run->cli->file != NULL) {
		argv[n++] = xstrdup("-c");
		argv[n++] = xstrdup(run->cli->file);
	}
	for (i = 0; i < run->cli->n_sets; i++) {
		argv[n++] = xstrdup("--set");
		argv[n++] = xstrdup(run->cli->sets[i]);
	}
	argv[n] = NULL;
	execv(path, argv);
	log_error("run.exec", "program=%s error=%s", LOGQ(path),
	    LOGQ(strerror(errno)));
	_exit(EX_UNAVAILABLE);
}

static void
run_start(struct run *run, struct child *child)
{
	child->start_ms = clock_mono_ms();
	child->pid = fork();
	if (child->pid == 0)
		run_exec(run, child->program);
	if (child->pid < 0) {
		log_error("run.fork", "program=%s error=%s", child->program,
		    LOGQ(strerror(errno)));
		child->pid = 0;
		child->start_ms += RUN_WAIT_MAX_MS;
		return;
	}
	log_info("run.start", "program=%s pid=%d", child->program,
	    (int)child->pid);
}

static void
run_signal(struct run *run, int sig)
{
	size_t i;

	for (i = 0; i < run->count; i++)
		if (run->children[i].pid != 0)
			kill(run->children[i].pid, sig);
}

static void
run_stop(struct run *run)
{
	if (run->stopping)
		return;
	run->stopping = true;
	run->stop_ms = clock_mono_ms() + RUN_STOP_MS;
	log_info("run.stop", "");
	run_signal(run, SIGTERM);
}

/* A daemon that says its configuration or its files are unusable would say so
 * again: all end. */
static bool
run_is_final(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) >= EX_USAGE &&
	    WEXITSTATUS(status) <= EX_CONFIG &&
	    WEXITSTATUS(status) != EX_TEMPFAIL;
}

static void
run_died(struct run *run, struct child *child, int status)
{
	int64_t now = clock_mono_ms();

	child->pid = 0;
	if (run->stopping)
		return;
	if (run_is_final(status)) {
		log_error("run.failed", "program=%s status=%d", child->program,
		    WEXITSTATUS(status));
		run->status = WEXITSTATUS(status);
		run_stop(run);
		return;
	}
	if (now - child->start_ms > RUN_STABLE_MS || child->wait_ms == 0)
		child->wait_ms = RUN_WAIT_MIN_MS;
	else if (child->wait_ms < RUN_WAIT_MAX_MS)
		child->wait_ms *= 2;
	child->start_ms = now + child->wait_ms;
	log_error("run.died", "program=%s %s=%d restart_ms=%lld",
	    child->program, WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    (long long)child->wait_ms);
}

static void
run_collect(struct run *run)
{
	int status;
	size_t i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < run->count; i++)
			if (run->children[i].pid == pid)
				run_died(run, &run->children[i], status);
}

static size_t
run_alive(const struct run *run)
{
	size_t i, n = 0;

	for (i = 0; i < run->count; i++)
		n += run->children[i].pid != 0;
	return n;
}

/* Starts what is due; returns how long to sleep until the next is. */
static int64_t
run_due(struct run *run)
{
	int64_t now = clock_mono_ms(), wait = RUN_WAIT_MAX_MS;
	size_t i;

	if (run->stopping) {
		if (now >= run->stop_ms) {
			log_warn("run.kill", "after_ms=%d", RUN_STOP_MS);
			run_signal(run, SIGKILL);
		}
		return 100;
	}
	for (i = 0; i < run->count; i++) {
		if (run->children[i].pid != 0)
			continue;
		if (run->children[i].start_ms <= now)
			run_start(run, &run->children[i]);
		else if (run->children[i].start_ms - now < wait)
			wait = run->children[i].start_ms - now;
	}
	return wait;
}

static void
run_loop(struct run *run, const sigset_t *wanted)
{
	struct timespec wait;
	int64_t wait_ms;
	int sig;

	while (!run->stopping || run_alive(run) > 0) {
		wait_ms = run_due(run);
		wait.tv_sec = wait_ms / 1000;
		wait.tv_nsec = wait_ms % 1000 * 1000000;
		sig = sigtimedwait(wanted, NULL, &wait);
		if (sig == SIGINT || sig == SIGTERM)
			run_stop(run);
		else if (sig == SIGHUP)
			run_signal(run, SIGHUP);
		run_collect(run);
	}
}

static int
run_run(struct cli *cli, int argc, char **argv)
{
	struct run run = { .cli = cli, .pid = getpid() };
	struct conf *conf;
	sigset_t wanted;

	cli_option(cli, &verb_run, argc, argv, NULL);
	if (optind != argc)
		return cli_usage(&verb_run, "no arguments wanted");
	conf = cli_conf(cli);
	log_set_level(conf->log_level);
	if (!run_find_folder(&run)) {
		fputs("waft run: cannot find my own folder (/proc)\n", stderr);
		return EX_OSERR;
	}
	run.children[run.count++].program = "waft-bosh";
	if (conf->n_components > 0)
		run.children[run.count++].program = "waft-component";
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	run_loop(&run, &wanted);
	return run.status;
}

const struct verb verb_run = {
	.name = "run",
	.summary = "run all daemons; Ctrl-C ends them",
	.usage = run_usage,
	.run = run_run,
};
