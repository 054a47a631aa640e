#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/mutate/mutate.h"

#define MUTANT_BATCHES 6
/* Silence after which the talk goes on: a poll is held, or half a request
 * is all there was. */
#define MUTANT_QUIET_MS 30
/* The daemon reads no more from a connection that waits for so long. */
#define MUTANT_STUCK_MS 500

void
mutant_init(struct mutant *mutant, uint64_t seed)
{
	memset(mutant, 0, sizeof(*mutant));
	mutant->fd = -1;
	mutant->dice.state = seed;
	mutant->ws = seed % 5 == 0;
	buf_init(&mutant->out, 0);
	buf_init(&mutant->last, 0);
	buf_init(&mutant->judge.in, 0);
}

void
mutant_close(struct mutant *mutant)
{
	struct linger reset = { 1, 0 };

	if (mutant->fd < 0)
		return;
	/* Some vanish, and leave no port in TIME_WAIT. */
	if (!dice_one_in(&mutant->dice, 4))
		setsockopt(mutant->fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof(reset));
	close(mutant->fd);
	mutant->fd = -1;
}

static void
mutant_open(struct mutant *mutant, int port, int64_t now)
{
	struct talk *talk = &mutant->talk;

	mutant->fd = mutate_connect(port, false);
	mutant->batches = 1 + (int)dice_roll(&mutant->dice, MUTANT_BATCHES);
	if (mutant->ws)
		mutant->batches *= 2;
	mutant->heard_at = mutant->piece_at = now;
	mutant->parked_at = 0;
	mutant->judge.blind = mutant->judge.ws = false;
	buf_reset(&mutant->judge.in);
	buf_reset(&mutant->out);
	mutant->out_at = 0;
	/* Mostly the session goes on over the next connection. */
	if (mutant->ws || dice_one_in(&mutant->dice, 12)) {
		memset(talk, 0, sizeof(*talk));
		talk->ws = mutant->ws;
	}
}

/* Says no more, and the daemon is to end it: with or without our half. */
static void
mutant_park(struct mutant *mutant, int64_t now)
{
	mutant->parked_at = now;
	mutant->heard_at = now;
	if (dice_one_in(&mutant->dice, 3))
		shutdown(mutant->fd, SHUT_WR);
}

static void
mutant_go_on(struct mutant *mutant, int64_t now, uint64_t *mutated)
{
	if (mutant->batches-- == 0) {
		if (dice_one_in(&mutant->dice, 20))
			mutant_park(mutant, now);
		else
			mutant_close(mutant);
		return;
	}
	buf_reset(&mutant->out);
	mutant->out_at = 0;
	talk_next(&mutant->talk, &mutant->dice, &mutant->out, mutated);
	buf_reset(&mutant->last);
	buf_add(&mutant->last, mutant->out.data, mutant->out.len);
	/* To a HEAD there is a length without a body. */
	if (memmem(mutant->out.data, mutant->out.len, "HEAD ", 5) != NULL)
		mutant->judge.blind = true;
	mutant->heard_at = now;
}

static void
mutant_write(struct mutant *mutant, int64_t now)
{
	size_t len = mutant->out.len - mutant->out_at;
	ssize_t n;

	if (dice_one_in(&mutant->dice, 4))
		len = 1 + dice_roll(&mutant->dice, (unsigned)len);
	n = send(mutant->fd, mutant->out.data + mutant->out_at, len,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN)
			mutant_close(mutant);
		return;
	}
	mutant->out_at += (size_t)n;
	mutant->heard_at = now;
	/* The next piece comes apart. */
	if (dice_one_in(&mutant->dice, 2))
		mutant->piece_at = now + 1 + dice_roll(&mutant->dice, 3);
}

void
mutant_turn(struct mutant *mutant, int port, int64_t now, uint64_t *mutated)
{
	if (mutant->fd < 0)
		mutant_open(mutant, port, now);
	if (mutant->parked_at != 0) {
		if (now - mutant->parked_at > MUTANT_PATIENCE_MS) {
			fprintf(stderr, "ws=%d step=%d unsent=%zu\n%.*s\n",
			    mutant->talk.ws, mutant->talk.step,
			    mutant->out.len - mutant->out_at,
			    (int)mutant->last.len, mutant->last.data);
			mutate_fail("a connection hangs",
			    "its last requests are above");
		}
		return;
	}
	if (mutant->out_at < mutant->out.len) {
		if (now - mutant->heard_at > MUTANT_STUCK_MS)
			mutant_park(mutant, now);
		else if (now >= mutant->piece_at)
			mutant_write(mutant, now);
	} else if (mutant->out.len == 0 ||
	    now - mutant->heard_at >= MUTANT_QUIET_MS) {
		mutant_go_on(mutant, now, mutated);
	}
}

void
mutant_readable(struct mutant *mutant, int64_t now)
{
	char data[65536];
	ssize_t n = recv(mutant->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		mutant_close(mutant);
		return;
	}
	if (judge_feed(&mutant->judge, &mutant->talk, data, (size_t)n) > 0 &&
	    mutant->out_at == mutant->out.len) {
		/* Go on at once. */
		mutant->heard_at = now - MUTANT_QUIET_MS;
	}
}

short
mutant_events(const struct mutant *mutant, int64_t now)
{
	short events = POLLIN;

	if (mutant->parked_at == 0 && mutant->out_at < mutant->out.len &&
	    now >= mutant->piece_at)
		events |= POLLOUT;
	return events;
}
