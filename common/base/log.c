#include "common/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/text.h"

/* A pipe takes this many bytes as one (PIPE_BUF); longer lines are cut. */
#define LOG_LINE_MAX   4096
#define LOG_QUOTE_MAX  200
#define LOG_QUOTE_RING 8
/* Each byte may become \u00xx; quotes, ellipsis and NUL come on top. */
#define LOG_QUOTE_SIZE (LOG_QUOTE_MAX * 6 + 6)

#define LOG_ELLIPSIS "\xe2\x80\xa6"

static const struct log_row {
	const char *name;
	int priority; /* syslog's, for the journal */
} log_levels[] = {
	[LOG_DEBUG] = { "debug", 7 },
	[LOG_INFO] = { "info", 6 },
	[LOG_WARN] = { "warn", 4 },
	[LOG_ERROR] = { "error", 3 },
};

static _Atomic int log_threshold = LOG_INFO;

bool
log_level_parse(const char *name, enum log_level *level)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(log_levels); i++)
		if (strcmp(log_levels[i].name, name) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
	return (int)level >=
	    atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

/* Stderr is the journal's socket: systemd.exec(5), $JOURNAL_STREAM. */
static bool
log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[48];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(here, sizeof(here), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return strcmp(stream, here) == 0;
}

static bool log_journal;

static void
log_start(void)
{
	log_journal = log_is_journal();
}

static int
log_head(char *line, size_t size, enum log_level level, const char *event)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct log_row *row = &log_levels[level];
	char stamp[25];

	pthread_once(&once, log_start);
	if (log_journal)
		return snprintf(line, size, "<%d>level=%s event=%s",
		    row->priority, row->name, event);
	clock_stamp(clock_wall_ms(), stamp, sizeof(stamp));
	return snprintf(line, size, "ts=%s level=%s event=%s", stamp, row->name,
	    event);
}

/* Ends a line that did not fit, without the character that was cut. */
static size_t
log_cut(char *line, size_t len)
{
	size_t head = len;

	while (head > 0 && ((unsigned char)line[head - 1] & 0xc0) == 0x80)
		head--;
	if (head > 0 &&
	    text_utf8_next(line + head - 1, len - head + 1, NULL) == 0)
		len = head - 1;
	memcpy(line + len, LOG_ELLIPSIS, strlen(LOG_ELLIPSIS));
	return len + strlen(LOG_ELLIPSIS);
}

static void
log_write(const char *line, size_t len)
{
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		continue;
}

PRINTF_LIKE(3, 0)
static void
log_line(enum log_level level, const char *event, const char *fmt, va_list args)
{
	const size_t room = LOG_LINE_MAX - sizeof(LOG_ELLIPSIS);
	char line[LOG_LINE_MAX];
	int saved = errno, n;
	size_t len;

	n = log_head(line, room, level, event);
	len = n < 0 ? 0 : (size_t)n;
	if (fmt[0] != '\0' && len < room - 1) {
		line[len++] = ' ';
		n = vsnprintf(line + len, room - len, fmt, args);
		len += n < 0 ? 0 : (size_t)n;
	}
	if (len >= room)
		len = log_cut(line, room - 1);
	line[len++] = '\n';
	log_write(line, len);
	errno = saved;
}

#define LOG_DEFINE(name, level)                            \
	void name(const char *event, const char *fmt, ...) \
	{                                                  \
		va_list args;                              \
                                                           \
		if (!log_enabled(level))                   \
			return;                            \
		va_start(args, fmt);                       \
		log_line(level, event, fmt, args);         \
		va_end(args);                              \
	}

LOG_DEFINE(log_debug, LOG_DEBUG)
LOG_DEFINE(log_info, LOG_INFO)
LOG_DEFINE(log_warn, LOG_WARN)
LOG_DEFINE(log_error, LOG_ERROR)

void
fatal(int status, const char *event, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(LOG_ERROR, event, fmt, args);
	va_end(args);
	_exit(status);
}

static bool
log_is_bare(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f ||
		    text[i] == '"' || text[i] == '=' || text[i] == '\\')
			return false;
	return len > 0;
}

/* One character from outside: how much of the text it was. */
static size_t
log_quote_one(char **out, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)*text;
	uint32_t code = 0;
	size_t n = text_utf8_next(text, len, &code);
	char *p = *out;

	if (n == 0) {
		*out += 4;
		memcpy(p, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
		return 1;
	}
	if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
		*out += 6;
		memcpy(p,
		    (char[]){ '\\', 'u', '0', '0', hex[code >> 4],
		        hex[code & 15] },
		    6);
		return n;
	}
	if (c == '"' || c == '\\')
		*p++ = '\\';
	memcpy(p, text, n);
	*out = p + n;
	return n;
}

const char *
log_quote(const char *text, size_t len)
{
	static _Thread_local char ring[LOG_QUOTE_RING][LOG_QUOTE_SIZE];
	static _Thread_local unsigned turn;
	char *start = ring[turn++ % LOG_QUOTE_RING], *p = start;
	size_t cut = len > LOG_QUOTE_MAX ? LOG_QUOTE_MAX : len;

	if (cut == len && log_is_bare(text, len)) {
		memcpy(p, text, len);
		p[len] = '\0';
		return start;
	}
	if (cut < len)
		while (cut > LOG_QUOTE_MAX - 4 &&
		    ((unsigned char)text[cut] & 0xc0) == 0x80)
			cut--;
	*p++ = '"';
	for (len = cut < len ? len : 0; cut > 0;) {
		size_t n = log_quote_one(&p, text, cut);

		text += n;
		cut -= n;
	}
	if (len > 0) {
		memcpy(p, LOG_ELLIPSIS, strlen(LOG_ELLIPSIS));
		p += strlen(LOG_ELLIPSIS);
	}
	*p++ = '"';
	*p = '\0';
	return start;
}
