/*
 * One who was suspended and is awake again: a target of his own, which gets
 * what the channel's history still has from where he stopped, in order.  Once
 * he has everything he is a member of the channel like the others, which wait
 * for nobody.  Private to notify.c and target.c.
 *
 * In a note he stands as a line of his own while he is behind (position.h).
 * Behind that he is remembered until no note that is kept is older, for a lost
 * link takes him back like the others.
 */
#ifndef WAFT_COMPONENT_COMEBACK_H
#define WAFT_COMPONENT_COMEBACK_H

#include "component/target.h"

/* Of an active subscription with a position.  False: it is a member already,
 * and what it missed is not asked for. */
bool comeback_add(struct notify *notify, const struct subscription *sub);
/* Is he still behind? */
bool comeback_is_running(const struct notify *notify, uint64_t n);
void comeback_del(struct notify *notify, uint64_t n);
/* Entries of the log, as they pass. */
void comeback_see_item(struct notify *notify, const struct entry *entry);
void comeback_see_delete(struct notify *notify, const struct entry *entry);
/* As notify_go_to(), behind all others. */
void comeback_go_to(struct notify *notify, const struct position_note *note);
/* He has everything. */
void comeback_arrive(struct target *target);
/* No note that is kept is older than seq. */
void comeback_forget(struct notify *notify, uint64_t seq);
void comeback_clear(struct notify *notify);

#endif
