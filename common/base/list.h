/* sys/queue.h with the loops that allow removal, which glibc leaves out. */
#ifndef WAFT_LIST_H
#define WAFT_LIST_H

#include <sys/queue.h>

#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, tvar)                  \
	for ((var) = TAILQ_FIRST(head);                             \
	     (var) != NULL && ((tvar) = TAILQ_NEXT(var, field), 1); \
	     (var) = (tvar))
#endif
#ifndef LIST_FOREACH_SAFE
#define LIST_FOREACH_SAFE(var, head, field, tvar)                  \
	for ((var) = LIST_FIRST(head);                             \
	     (var) != NULL && ((tvar) = LIST_NEXT(var, field), 1); \
	     (var) = (tvar))
#endif
#ifndef STAILQ_FOREACH_SAFE
#define STAILQ_FOREACH_SAFE(var, head, field, tvar)                  \
	for ((var) = STAILQ_FIRST(head);                             \
	     (var) != NULL && ((tvar) = STAILQ_NEXT(var, field), 1); \
	     (var) = (tvar))
#endif

#endif
