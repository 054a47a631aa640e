/*
 * One loading of the configuration, between the file's text (conf_read.c), the
 * structs (conf.c) and the rules that span options (conf_check.c).  Internal to
 * conf*.c.
 */
#ifndef WAFT_CONF_LOAD_H
#define WAFT_CONF_LOAD_H

#include <stddef.h>

#include "common/base/conf.h"
#include "common/base/conf_options.h"

struct conf_place {
	const char *file;
	int line; /* 0: file says it all */
};

/* A section as it was opened.  A plain one may be opened often, it is one. */
struct conf_opened {
	const struct conf_section *section;
	char *title; /* NULL: none */
	struct conf_place at;
};

/* What an option was given; of several the last one counts. */
struct conf_given {
	size_t opened; /* index */
	const struct conf_option *option;
	char **values;
	size_t n_values;
	struct conf_place at;
};

struct conf_loader {
	struct buf *why;
	int faults;
	struct conf *conf;
	char **files; /* names, so that places can point at them */
	size_t n_files;
	struct conf_opened *opened;
	size_t n_opened;
	struct conf_given *given;
	size_t n_given;
};

void conf_fault(struct conf_loader *l, const struct conf_place *at,
    const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The name is kept as long as the loader. */
const char *conf_loader_keep(struct conf_loader *l, const char *file);
size_t conf_loader_open(struct conf_loader *l,
    const struct conf_section *section, const char *title,
    const struct conf_place *at);
/* Adds an option without values; they follow by conf_given_add(). */
struct conf_given *conf_loader_give(struct conf_loader *l, size_t opened,
    const struct conf_option *option, const struct conf_place *at);
void conf_given_add(struct conf_given *given, const char *value, size_t len);

/* Reads file and what it includes. */
void conf_read(struct conf_loader *l, const char *file);

/* The opening of the n-th section of that kind, the last option given in it;
 * NULL when there is none. */
const struct conf_opened *conf_loader_opened(const struct conf_loader *l,
    const char *section, size_t n);
const struct conf_given *conf_loader_given(const struct conf_loader *l,
    const struct conf_opened *opened, const char *option);

/* What no option shows alone. */
void conf_check(struct conf_loader *l);

#endif
