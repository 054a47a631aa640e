/*
 * The tail: one bounded ring a process of the newest entries of the log,
 * strictly by seq, and those who follow it.  The store's writing thread puts;
 * everyone else reads at their own pace and falls back on the log when the ring
 * no longer reaches as far as they need.
 */
#ifndef WAFT_STORE_TAIL_H
#define WAFT_STORE_TAIL_H

#include "common/base/loop.h"
#include "common/store/entry.h"

struct tail;
struct follower;

/* Begins behind newest; holds at most size bytes of entries, but always the
 * last one. */
struct tail *tail_create(uint64_t size, uint64_t newest);
/* Followers must be gone. */
void tail_free(struct tail *tail);

/* Entries ordered by seq, all newer than newest; references are taken.  Tells
 * the followers. */
void tail_put(struct tail *tail, struct entry **entries, size_t count);
/* Entries up to newest were missed: the ring begins anew behind it. */
void tail_skip(struct tail *tail, uint64_t newest);
/* Any thread. */
uint64_t tail_newest(const struct tail *tail);
/* See store_tail(). */
int tail_get(struct tail *tail, uint64_t after, struct entry **entries,
    int max);

/* See store_follow(), store_unfollow(). */
struct follower *tail_follow(struct tail *tail, struct loop *loop,
    loop_fn *grew, void *arg);
void tail_unfollow(struct follower *follower);

#endif
