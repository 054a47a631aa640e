#include "common/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Enough of /proc/PID/stat for the 22nd field. */
#define PROCESS_STAT_MAX   1024
#define PROCESS_STAT_START 22

/* What a name is made of; without spaces. */
struct process {
	char boot[40];
	char space[24]; /* "pid:[4026531836]" */
	long pid;
	unsigned long long start; /* ticks since the boot; 0: not known */
};

/* The first bytes of a file; false when it cannot be read. */
static bool
process_read(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	out[n] = '\0';
	return true;
}

/* When it began; 0: not known.  *Over: it is dead and only not yet waited for.
 * proc(5): the name of the program, in parentheses, may hold anything. */
static unsigned long long
process_start(long pid, bool *over)
{
	char path[40], text[PROCESS_STAT_MAX], *at;
	int field;

	*over = false;
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (!process_read(path, text, sizeof(text)))
		return 0;
	at = strrchr(text, ')');
	*over = at != NULL &&
	    (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0);
	for (field = 2; at != NULL && field < PROCESS_STAT_START; field++) {
		at = strchr(at, ' ');
		if (at != NULL)
			at++;
	}
	return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static void
process_here(struct process *process)
{
	bool over;
	ssize_t n;

	memset(process, 0, sizeof(*process));
	if (!process_read("/proc/sys/kernel/random/boot_id", process->boot,
	        sizeof(process->boot)))
		strcpy(process->boot, "-");
	process->boot[strcspn(process->boot, "\n ")] = '\0';
	n = readlink("/proc/self/ns/pid", process->space,
	    sizeof(process->space) - 1);
	if (n <= 0)
		strcpy(process->space, "-");
	process->pid = (long)getpid();
	process->start = process_start(process->pid, &over);
}

void
process_name(char *out)
{
	struct process here;

	process_here(&here);
	snprintf(out, PROCESS_NAME_MAX, "%s %s %ld %llu", here.boot, here.space,
	    here.pid, here.start);
}

bool
process_is_gone(const char *name)
{
	struct process here, there;
	unsigned long long start;
	bool over;
	char end;

	process_here(&here);
	if (sscanf(name, "%39s %23s %ld %llu%c", there.boot, there.space,
	        &there.pid, &there.start, &end) != 4)
		return false;
	if (strcmp(here.boot, there.boot) != 0)
		return true;
	if (strcmp(here.space, there.space) != 0 || there.pid <= 0)
		return false;
	if (kill((pid_t)there.pid, 0) != 0 && errno == ESRCH)
		return true;
	start = process_start(there.pid, &over);
	if (over)
		return true;
	return start != 0 && there.start != 0 && start != there.start;
}
