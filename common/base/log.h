/*
 * The log: one logfmt line an event on stderr,
 *
 *	ts=2026-01-02T03:04:05.678Z level=info event=link.up port=5347
 *
 * or, where stderr is the journal, the same with <priority> for the time.
 *
 * The caller writes `key=value` pairs; every text that came from outside goes
 * through LOGQ(), which quotes it and escapes control characters, so that no
 * stranger writes lines of ours.  No bodies, no tokens, no sids.  Nothing at
 * info or above per message.  Thread-safe: a line is one write().
 */
#ifndef WAFT_LOG_H
#define WAFT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/base/mem.h"

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARN,
	LOG_ERROR
};

/* False when the name is none of debug, info, warn, error. */
bool log_level_parse(const char *name, enum log_level *level);
/* Lines below it are not written.  Info unless set. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Event is a constant "area.what"; fmt gives `key=%s …` or is "". */
void log_debug(const char *event, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_info(const char *event, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_warn(const char *event, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_error(const char *event, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Logs at error and ends the process with status (sysexits.h).  Only at
 * start-up and for broken invariants. */
NORETURN void fatal(int status, const char *event, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/*
 * A value made safe for a line: quoted where it has to be, control characters
 * and bad UTF-8 escaped, cut at 200 bytes.  Borrowed from a ring of 8 buffers
 * of the thread: good for one log call.
 */
const char *log_quote(const char *text, size_t len);
#define LOGQ(text) log_quote((text), (text) == NULL ? 0 : strlen(text))

#endif
