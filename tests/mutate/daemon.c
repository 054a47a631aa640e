#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mutate/mutate.h"

#define DAEMON_START_MS 60000
#define DAEMON_END_MS   60000

/* Short waits, so that what is left alone ends soon; limits low enough to be
 * reached. */
static const char daemon_conf[] =
    "log { level = warn }\n"
    "store { path = \"%s/waft.db\" publish-timeout = 30s tail-size = 256K }\n"
    "bosh {\n"
    "  listen = {\"127.0.0.1:0\"}\n"
    "  domain = \"" MUTATE_DOMAIN "\"\n"
    "  control = \"127.0.0.1:0\"\n"
    "  workers = 2\n"
    "  assume-secure = yes  gzip = yes\n"
    "  max-wait = 1s  inactivity = 5s  polling = 1s  max-pause = 2s\n"
    "  ws-ping = 5s  max-body = 16K  client-queue = 64K  sessions-max = 1500\n"
    "  subscriptions-per-session = 4\n"
    "  trusted-proxies = {\"127.0.0.1\"}\n"
    "}\n"
    "http { request-timeout = 3s  idle-timeout = 3s  pipeline-max = 8 }\n"
    "channels \"good.*\" { subscribe = token  history-items = 1000 }\n"
    "channels \"*\" { subscribe = anyone  publish = anyone }\n"
    "token \"good\" { secret = \"" MUTATE_PASSWORD "\" publish = {}\n"
    "  subscribe = {\"good.*\"} }\n"
    "user \"other\" { password = \"another\" }\n";

static void
daemon_write_conf(const struct daemon *daemon)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/waft.conf", daemon->directory);
	file = fopen(path, "w");
	if (file == NULL)
		mutate_fail(path, strerror(errno));
	fprintf(file, daemon_conf, daemon->directory);
	fclose(file);
}

/* What the address sanitizer keeps of freed memory would hide a growth. */
static void
daemon_sanitizer(void)
{
	const char *old = getenv("ASAN_OPTIONS");
	struct buf options;

	buf_init(&options, 0);
	buf_addf(&options, "%s:quarantine_size_mb=16", old == NULL ? "" : old);
	setenv("ASAN_OPTIONS", options.data, 1);
	buf_clear(&options);
}

static void
daemon_exec(const struct daemon *daemon, const char *program)
{
	char conf[96], log[96];
	int fd;

	snprintf(conf, sizeof(conf), "%s/waft.conf", daemon->directory);
	snprintf(log, sizeof(log), "%s/log", daemon->directory);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	daemon_sanitizer();
	execl(program, program, "-c", conf, "--set", "log.level=info",
	    (char *)NULL);
	_exit(127);
}

static void
daemon_read_log(const struct daemon *daemon, struct buf *out)
{
	char path[96], data[65536];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/log", daemon->directory);
	fd = open(path, O_RDONLY);
	while (fd >= 0 && (n = read(fd, data, sizeof(data))) > 0)
		buf_add(out, data, (size_t)n);
	if (fd >= 0)
		close(fd);
}

/* The number behind a word; 0: it is not there. */
static int
daemon_number(const char *text, const char *word)
{
	const char *p = text == NULL ? NULL : strstr(text, word);

	return p == NULL ? 0 : atoi(p + strlen(word));
}

void
daemon_start(struct daemon *daemon, const char *program)
{
	int64_t begin = mutate_now_ms();
	struct buf log;

	strcpy(daemon->directory, "/tmp/waft-mutate-XXXXXX");
	if (mkdtemp(daemon->directory) == NULL)
		mutate_fail("mkdtemp", strerror(errno));
	daemon_write_conf(daemon);
	daemon->port = 0;
	daemon->pid = fork();
	if (daemon->pid < 0)
		mutate_fail("fork", strerror(errno));
	if (daemon->pid == 0)
		daemon_exec(daemon, program);
	while (daemon->port == 0) {
		if (daemon_is_over(daemon) ||
		    mutate_now_ms() - begin > DAEMON_START_MS) {
			daemon_show_log(daemon);
			mutate_fail("did not start", program);
		}
		usleep(10000);
		buf_init(&log, 0);
		daemon_read_log(daemon, &log);
		daemon->control =
		    daemon_number(log.data, " control=127.0.0.1:");
		daemon->port = daemon_number(log.data, " http=127.0.0.1:");
		buf_clear(&log);
	}
}

bool
daemon_is_over(struct daemon *daemon)
{
	return waitpid(daemon->pid, NULL, WNOHANG) != 0;
}

long
daemon_rss_kb(const struct daemon *daemon)
{
	char path[64];
	long pages = 0, resident = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)daemon->pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

void
daemon_show_log(const struct daemon *daemon)
{
	struct buf log;
	size_t from;

	buf_init(&log, 0);
	daemon_read_log(daemon, &log);
	from = log.len > 16000 ? log.len - 16000 : 0;
	fprintf(stderr, "%.*s\n", (int)(log.len - from), log.data + from);
	buf_clear(&log);
}

static void
daemon_remove(const struct daemon *daemon)
{
	char *const argv[] = { (char *)(uintptr_t) "rm",
		(char *)(uintptr_t) "-rf", (char *)(uintptr_t)daemon->directory,
		NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

bool
daemon_end(struct daemon *daemon)
{
	int64_t begin = mutate_now_ms();
	int status = -1;

	kill(daemon->pid, SIGTERM);
	while (waitpid(daemon->pid, &status, WNOHANG) == 0) {
		if (mutate_now_ms() - begin > DAEMON_END_MS) {
			kill(daemon->pid, SIGABRT);
			waitpid(daemon->pid, &status, 0);
			break;
		}
		usleep(10000);
	}
	if (status != 0) {
		daemon_show_log(daemon);
		fprintf(stderr,
		    "mutate: waft-bosh ended with %#x; %s is kept\n", status,
		    daemon->directory);
		return false;
	}
	daemon_remove(daemon);
	return true;
}
