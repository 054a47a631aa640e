/*
 * A channel of the roll with an item under way: its cursor, its members, and
 * what of the item after the cursor they have got.  Once all have everything it
 * is quiet, and kept for the next item while no more than NOTIFY_QUIET_MAX are.
 * Or a single member who catches up with it (comeback.h).  Private to notify.c,
 * target.c, send.c, apart.c and comeback.c.
 */
#ifndef WAFT_COMPONENT_TARGET_H
#define WAFT_COMPONENT_TARGET_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/channel/channel.h"
#include "common/channel/item.h"
#include "component/notify.h"
#include "component/roll.h"

TAILQ_HEAD(targets, target);

#define TARGET_TOLD_MAX 1000

struct comeback;

struct target {
	UT_hash_handle hh;
	TAILQ_ENTRY(target) wait_entry;
	TAILQ_ENTRY(target) late_entry; /* of late, quiet or returned */
	TAILQ_ENTRY(target) took_entry;
	struct notify *notify;
	const struct conf_class *class;
	struct sub sub;
	struct roll_channel *channel; /* open; NULL: of one who comes back */
	struct comeback *back;        /* then */
	struct members *members;
	struct buf from; /* the channel's address, escaped */
	uint64_t last;   /* it has all once its cursor is there */
	uint64_t want;   /* where notify_go_to() takes it */
	/* What was reached inside the item after the cursor; 0: nothing. */
	uint64_t part_seq;
	uint64_t part_n;
	/* Marks of barrier.h: of what its members were sent last, by which way;
	 * what nothing more is sent before; of what tells who is proven. */
	enum barrier_way way;
	uint64_t mark;
	uint64_t hold;
	uint64_t proof;
	bool ragged; /* groups of the item were not whole */
	int budget;  /* stanzas until the others' turn */
	bool waiting;
	bool unsure;  /* for a confirmation, whatever room there is */
	bool granted; /* a turn, and has not begun it */
	bool late;    /* in the list of those that may be behind; else quiet */
	bool took;    /* in the list of those that may be so no longer */
	char name[];
};

/*
 * The link was lost, and channels whose targets are gone were given items after
 * the position that delivery goes back to.  They are found in the log, a piece
 * at a time, so that neither many targets nor a long turn come of it: each gets
 * a target, which reads on by itself, and is marked with the round, so that its
 * further items are not taken for others.  Meanwhile a note's position is where
 * the reading stands.
 */
struct replay {
	bool on;
	bool waits; /* for retry */
	uint8_t round;
	uint64_t at; /* all up to it have a target, or had one */
	uint64_t upto;
	struct replay_scan *scan; /* under way */
	struct event *retry;
};

struct notify {
	struct worker *worker;
	const char *domain;
	const char *epoch;
	struct barrier *barrier;
	const struct suspect *suspect;
	const struct multicast *multicast; /* NULL: none */
	struct buf *out;
	void (*wrote)(void *arg);
	void (*batch)(void *arg);
	const struct roster *roster;
	void (*pause)(void *arg, bool paused);
	void *arg;
	struct roll roll;
	struct target *targets;
	struct target *backs; /* comeback.h, by n */
	struct targets returned;
	size_t n_running; /* of backs */
	struct targets waiting;
	struct targets unsure;
	/* A superset of those whose cursor is before their last item. */
	struct targets late;
	struct targets quiet; /* the others, the longest so first */
	struct targets took;
	struct replay replay;
	size_t n_waiting;
	size_t n_granted;
	size_t n_quiet;
	uint64_t last;    /* seq of the item written last */
	uint64_t seen;    /* entries up to it have passed */
	uint64_t dropped; /* no target that is gone was given anything later */
	uint64_t stale;   /* items up to it were there before the link was */
	struct deferred again;
	struct deferred settle;
	struct buf id;
	struct buf inner; /* of the item being written: item_stamp() */
	struct buf group; /* addresses of those who get it together */
	size_t n_asked;   /* members: MEMBER_ASKED */
	/* Targets of classes with multicast that are gone were sent things up
	 * to this mark; classes changed at that one. */
	uint64_t gone;
	uint64_t changed;
	bool begun;
	bool open;
	bool paused;
};

/* Its place in the queue for the window, and out of it. */
void target_wait(struct target *target);
/* For a confirmation, whatever room there is: of target->hold, or of copies. */
void target_wait_sure(struct target *target);
/* Those who did look again. */
void target_recheck(struct notify *notify);
void target_stop_waiting(struct target *target);
/* Zeroed but for the channel's name, address and class. */
struct target *target_make(struct notify *notify, const char *name, size_t len);
/* Of a channel that has none; its sub is not set, and it is quiet. */
struct target *target_create(struct notify *notify,
    struct roll_channel *channel);
/* The channel is closed; it is gone when it has no members. */
void target_free(struct target *target);
/* Puts it in the list of those that may be behind, or of the quiet ones. */
void target_set_late(struct target *target, bool late);
/* It may have all: looked at in the end of the turn. */
void target_took(struct target *target);
/* Lets those be quiet that have all, and go that have been it for long; arg is
 * the notify. */
void target_settle(void *arg);
/* Sets its sub: it gets what follows `after`. */
void target_begin(struct target *target, uint64_t after);
/* May it write one more by that way? */
bool target_may_write(struct target *target, enum barrier_way way);
/* It has had its turn, or does not need it any more. */
void target_end_turn(struct target *target);
/* Lets those who wait go on; arg is the notify. */
void target_grant(void *arg);

/* What a channel's members get next waits for what is under way. */
void notify_hold(struct notify *notify, const char *channel);
/* Takes the member out, and the target of a channel that has no other. */
void notify_drop_member(struct notify *notify, const char *channel, uint64_t n);

/* From `after` on, as far as there is anything. */
void replay_begin(struct notify *notify, uint64_t after);
/* Reads on when there is room for more targets. */
void replay_more(struct notify *notify);
/* A target for a channel before its turn. */
struct target *replay_revive(struct notify *notify,
    struct roll_channel *channel);
void replay_stop(struct notify *notify);

#endif
