/*
 * A folder for the files of a test, and what loading one must give or say; for
 * the tests of the configuration.
 */
#ifndef WAFT_CONF_FIXTURE_H
#define WAFT_CONF_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "common/base/conf.h"
#include "common/base/text.h"
#include "tests/unit/unit.h"

static char dir[] = "/tmp/waft-conf-XXXXXX";

static inline int
enter(void **state UNUSED)
{
	return mkdtemp(dir) == NULL;
}

static inline int
leave(void **state UNUSED)
{
	char *command = xasprintf("rm -rf '%s'", dir);
	int status = system(command);

	free(command);
	return status;
}

static inline char *
put(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static inline struct conf *
load_set(const char *text, const char *const *sets, size_t n_sets)
{
	char *path = put("waft.conf", text);
	struct conf *conf;
	struct buf why;

	buf_init(&why, 0);
	conf = conf_load(path, sets, n_sets, &why);
	if (conf == NULL)
		fail_msg("%s", why.data);
	assert_int_equal(why.len, 0);
	free(path);
	return conf;
}

static inline struct conf *
load(const char *text)
{
	return load_set(text, NULL, 0);
}

/* Wanted is all of what it says, `FILE` for the file's name. */
static inline void
assert_faults_set(const char *text, const char *const *sets, size_t n_sets,
    const char *wanted)
{
	char *path = put("waft.conf", text), *at;
	struct buf why, plain;

	buf_init(&why, 0);
	buf_init(&plain, 0);
	assert_null(conf_load(path, sets, n_sets, &why));
	buf_adds(&plain, "");
	while ((at = strstr(why.data, path)) != NULL) {
		buf_add(&plain, why.data, (size_t)(at - why.data));
		buf_adds(&plain, "FILE");
		buf_drain(&why, (size_t)(at - why.data) + strlen(path));
	}
	buf_add(&plain, why.data, why.len);
	assert_string_equal(plain.data, wanted);
	buf_clear(&why);
	buf_clear(&plain);
	free(path);
}

static inline void
assert_faults(const char *text, const char *wanted)
{
	assert_faults_set(text, NULL, 0, wanted);
}

#endif
