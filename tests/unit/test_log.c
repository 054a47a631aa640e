#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/buf.h"
#include "common/base/text.h"
#include "tests/unit/unit.h"

/*
 * Runs body in a child whose stderr is a pipe and returns what it wrote.  With
 * journal, the child finds the pipe named in $JOURNAL_STREAM as systemd does.
 */
static char *
log_of(void (*body)(void), bool journal, int *status)
{
	char block[4096], name[64];
	struct buf out;
	struct stat st;
	int ends[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		fstat(STDERR_FILENO, &st);
		snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
		    (uintmax_t)st.st_ino + !journal);
		setenv("JOURNAL_STREAM", name, 1);
		body();
		_exit(0);
	}
	close(ends[1]);
	buf_init(&out, 0);
	while ((n = read(ends[0], block, sizeof(block))) > 0)
		buf_add(&out, block, (size_t)n);
	close(ends[0]);
	assert_int_equal(waitpid(pid, status, 0), pid);
	return buf_detach(&out, NULL);
}

static void
assert_stamp(const char *line)
{
	const char *shape = "ts=dddd-dd-ddTdd:dd:dd.dddZ ";
	size_t i;

	for (i = 0; shape[i] != '\0'; i++)
		if (shape[i] == 'd')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], shape[i]);
}

static void
log_some(void)
{
	log_debug("hidden.debug", "");
	errno = EBADF;
	log_info("link.up", "port=%d server=%s", 5347, LOGQ("a b"));
	assert_int_equal(errno, EBADF);
	log_warn("bare.event", "");
}

TEST(a_line_has_time_level_event_and_fields)
{
	int status;
	char *text = log_of(log_some, false, &status), *second;

	assert_int_equal(status, 0);
	assert_stamp(text);
	second = strchr(text, '\n') + 1;
	assert_memory_equal(text + 28,
	    "level=info event=link.up port=5347 server=\"a b\"\n", 48);
	assert_stamp(second);
	assert_string_equal(second + 28, "level=warn event=bare.event\n");
	free(text);
}

TEST(the_journal_gets_a_priority_and_no_time)
{
	int status;
	char *text = log_of(log_some, true, &status);

	assert_string_equal(text,
	    "<6>level=info event=link.up port=5347 server=\"a b\"\n"
	    "<4>level=warn event=bare.event\n");
	free(text);
}

static void
log_all_levels(void)
{
	log_set_level(LOG_DEBUG);
	assert_true(log_enabled(LOG_DEBUG));
	log_debug("a.b", "");
	log_set_level(LOG_ERROR);
	assert_false(log_enabled(LOG_WARN));
	log_warn("a.c", "");
	log_error("a.d", "");
}

TEST(lines_below_the_level_are_not_written)
{
	int status;
	char *text = log_of(log_all_levels, true, &status);

	assert_string_equal(text,
	    "<7>level=debug event=a.b\n<3>level=error event=a.d\n");
	free(text);
}

TEST(level_names_are_four)
{
	enum log_level level;

	assert_true(log_level_parse("warn", &level));
	assert_int_equal(level, LOG_WARN);
	assert_true(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_false(log_level_parse("warning", &level));
	assert_false(log_level_parse("", &level));
}

static void
log_long(void)
{
	static char text[9000];
	size_t i;

	/* Characters of two bytes, so that the cut may fall inside one. */
	for (i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	log_info("long.a", "v=%s", text);
	log_info("long.ab", "v=%s", text);
}

TEST(a_line_too_long_for_one_write_is_cut_between_characters)
{
	int status, lines = 0;
	char *text = log_of(log_long, false, &status), *line, *end;

	for (line = text; *line != '\0'; line = end + 1, lines++) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_in_range(end + 1 - line, 4080, 4096);
		assert_memory_equal(end - 3, "\xe2\x80\xa6", 3);
		assert_true(text_is_utf8(line, (size_t)(end - line)));
	}
	assert_int_equal(lines, 2);
	free(text);
}

#define LOG_THREADS 4
#define LOG_EACH    200

static void *
log_much(__attribute__((unused)) void *arg)
{
	char value[150];
	int i;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (i = 0; i < LOG_EACH; i++)
		log_info("much.line", "v=%s", LOGQ(value));
	return NULL;
}

static void
log_from_threads(void)
{
	pthread_t threads[LOG_THREADS];
	int i;

	for (i = 0; i < LOG_THREADS; i++)
		pthread_create(&threads[i], NULL, log_much, NULL);
	for (i = 0; i < LOG_THREADS; i++)
		pthread_join(threads[i], NULL);
}

TEST(lines_of_threads_do_not_mix)
{
	int status, lines = 0;
	char *text = log_of(log_from_threads, true, &status), *line, *end;

	for (line = text; *line != '\0'; line = end + 1, lines++) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_int_equal(end - line, 32 + 149);
		assert_memory_equal(line,
		    "<6>level=info event=much.line v=", 32);
	}
	assert_int_equal(lines, LOG_THREADS * LOG_EACH);
	free(text);
}

static void
log_fatal(void)
{
	fatal(78, "conf.bad", "line=%d", 3);
}

TEST(fatal_logs_and_ends_with_its_status)
{
	int status;
	char *text = log_of(log_fatal, true, &status);

	assert_string_equal(text, "<3>level=error event=conf.bad line=3\n");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 78);
	free(text);
}

TEST(a_value_of_plain_ascii_stays_bare)
{
	assert_string_equal(LOGQ("127.0.0.1:5347"), "127.0.0.1:5347");
	assert_string_equal(LOGQ("caf\xc3\xa9"), "\"caf\xc3\xa9\"");
}

TEST(a_value_cannot_break_out_of_its_quotes)
{
	const char *none = NULL;

	assert_string_equal(LOGQ(""), "\"\"");
	assert_string_equal(LOGQ(none), "\"\"");
	assert_string_equal(LOGQ("a b"), "\"a b\"");
	assert_string_equal(LOGQ("level=error"), "\"level=error\"");
	assert_string_equal(LOGQ("a\"b\\"), "\"a\\\"b\\\\\"");
	assert_string_equal(LOGQ("a\nts=1"), "\"a\\u000ats=1\"");
	assert_string_equal(LOGQ("\x1b[2J\x7f"), "\"\\u001b[2J\\u007f\"");
	assert_string_equal(LOGQ("\xc2\x85"), "\"\\u0085\"");
	assert_string_equal(LOGQ("\xff\xe2\x82"), "\"\\xff\\xe2\\x82\"");
	assert_string_equal(log_quote("a\0b", 3), "\"a\\u0000b\"");
}

TEST(a_long_value_is_cut_and_says_so)
{
	char text[301], *guarded;
	const char *quoted;

	memset(text, 'x', sizeof(text));
	text[200] = '\0';
	assert_string_equal(LOGQ(text), text);
	quoted = log_quote(text, 201);
	assert_int_equal(strlen(quoted), 200 + 3 + 2);
	assert_string_equal(quoted + 201, "\xe2\x80\xa6\"");
	memcpy(text + 199, "\xc3\xa9xx", 5);
	quoted = LOGQ(text);
	assert_string_equal(quoted + 200, "\xe2\x80\xa6\"");
	/* The worst case fits, and a tail without a head ends the search. */
	memset(text, '\x01', 300);
	assert_int_equal(strlen(log_quote(text, 300)), 200 * 6 + 3 + 2);
	memset(text, '\x80', 300);
	assert_true(strlen(log_quote(text, 300)) >= 190 * 4);
	guarded = unit_guard(text, 300);
	log_quote(guarded, 300);
	unit_unguard(guarded, 300);
}

TEST(eight_values_fit_one_call)
{
	const char *values[8];
	char name[2] = "0";
	int i;

	for (i = 0; i < 8; i++) {
		name[0] = (char)('0' + i);
		values[i] = LOGQ(name);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(values[i][0], '0' + i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_event_and_fields),
		cmocka_unit_test(the_journal_gets_a_priority_and_no_time),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(level_names_are_four),
		cmocka_unit_test(
		    a_line_too_long_for_one_write_is_cut_between_characters),
		cmocka_unit_test(lines_of_threads_do_not_mix),
		cmocka_unit_test(fatal_logs_and_ends_with_its_status),
		cmocka_unit_test(a_value_of_plain_ascii_stays_bare),
		cmocka_unit_test(a_value_cannot_break_out_of_its_quotes),
		cmocka_unit_test(a_long_value_is_cut_and_says_so),
		cmocka_unit_test(eight_values_fit_one_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
