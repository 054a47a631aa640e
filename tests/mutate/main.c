#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/mutate/mutate.h"

#define MUTANTS 128
/* Samples of the daemon's memory; the first ones are its warming up. */
#define SAMPLES      20
#define SAMPLES_WARM 8
/* What the heap and the sanitizer's quarantine may still move by. */
#define GROWTH_KB 32768

static struct daemon daemon_;
static struct good good;
static struct mutant mutants[MUTANTS];

void
mutate_fail(const char *what, const char *more)
{
	fprintf(stderr, "mutate: %s: %s\n", what, more);
	exit(1);
}

int64_t
mutate_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
mutate_connect(int port, bool blocking)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET,
	    SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);

	if (fd < 0 ||
	    (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
	        errno != EINPROGRESS))
		mutate_fail("connect", strerror(errno));
	return fd;
}

static void
main_dump(void)
{
	for (int i = 0; i < MUTANTS; i++)
		fprintf(stderr, "---- mutant %d\n%.*s\n", i,
		    (int)mutants[i].last.len, mutants[i].last.data);
}

static void
main_look(void)
{
	if (daemon_is_over(&daemon_)) {
		main_dump();
		daemon_show_log(&daemon_);
		mutate_fail("waft-bosh died", "what was last said is above");
	}
	if (good_is_over(&good)) {
		daemon_show_log(&daemon_);
		mutate_fail("the good session failed", "");
	}
}

static int64_t
main_round(struct pollfd *fds, uint64_t *mutated)
{
	int64_t now = mutate_now_ms();

	for (int i = 0; i < MUTANTS; i++) {
		mutant_turn(&mutants[i], daemon_.port, now, mutated);
		fds[i].fd = mutants[i].fd;
		fds[i].events = mutant_events(&mutants[i], now);
	}
	poll(fds, MUTANTS, 1);
	now = mutate_now_ms();
	for (int i = 0; i < MUTANTS; i++)
		if (fds[i].fd >= 0 && (fds[i].revents & ~POLLOUT) != 0)
			mutant_readable(&mutants[i], now);
	return now;
}

static void
main_report(uint64_t mutated, int64_t took_ms, int got, const long *rss)
{
	printf("%llu mutated requests in %.0f s (%.0f a second); the good "
	       "session got %d stanzas\nRSS MB:",
	    (unsigned long long)mutated, (double)took_ms / 1000,
	    (double)mutated * 1000 / (double)(took_ms + 1), got);
	for (int i = 0; i < SAMPLES; i++)
		printf(" %ld", rss[i] / 1024);
	printf("\n");
}

static bool
main_is_flat(const long *rss)
{
	long early = 0, late = 0;

	for (int i = 0; i < SAMPLES; i++) {
		if (i < SAMPLES_WARM && rss[i] > early)
			early = rss[i];
		if (i >= SAMPLES_WARM && rss[i] > late)
			late = rss[i];
	}
	return late <= early + GROWTH_KB;
}

static void
main_run(uint64_t count, uint64_t seed)
{
	struct pollfd fds[MUTANTS] = { 0 };
	int64_t begin = mutate_now_ms(), now = begin, looked = begin;
	uint64_t mutated = 0;
	long rss[SAMPLES] = { 0 };
	int samples = 0, got;

	for (int i = 0; i < MUTANTS; i++)
		mutant_init(&mutants[i], seed * MUTANTS + (uint64_t)i);
	while (mutated < count) {
		now = main_round(fds, &mutated);
		if (now - looked > 200) {
			main_look();
			looked = now;
		}
		while (samples < SAMPLES &&
		    mutated * SAMPLES >= count * (uint64_t)(samples + 1))
			rss[samples++] = daemon_rss_kb(&daemon_);
	}
	for (int i = 0; i < MUTANTS; i++)
		mutant_close(&mutants[i]);
	main_look();
	got = good_end(&good);
	main_report(mutated, now - begin, got, rss);
	if (!daemon_end(&daemon_))
		mutate_fail("waft-bosh did not end well", "");
	if (!main_is_flat(rss))
		mutate_fail("memory grows", "see RSS above");
}

int
main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
	uint64_t seed =
	    argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL);
	struct rlimit none = { 0, 0 };

	if (argc < 2 || count == 0) {
		fprintf(stderr, "usage: mutate WAFT-BOSH [REQUESTS [SEED]]\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &none);
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	daemon_start(&daemon_, argv[1]);
	good_start(&good, daemon_.port, daemon_.control);
	judge_forbid(MUTATE_SECRET);
	judge_forbid(good.sid);
	main_run(count, seed);
	return 0;
}
