/*
 * The table of all options: what reads the configuration, checks it, documents
 * it and lists it in docs/waft.conf.example.  Internal to conf*.c, for the
 * program `waft check` and for the tests.
 */
#ifndef WAFT_CONF_OPTIONS_H
#define WAFT_CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* What an option's text turns into at its offset. */
enum conf_type {
	CONF_TEXT,        /* char * */
	CONF_DOMAIN,      /* char *, ASCII letters lowered */
	CONF_ADDRESS,     /* char *, "host:port" to listen on */
	CONF_SERVER,      /* char * and, at port_offset, int */
	CONF_SECRET_FILE, /* char *, what the file holds */
	CONF_KEY,         /* struct buf */
	CONF_KEY_FILE,    /* struct buf */
	CONF_BOOL,        /* bool */
	CONF_INT,         /* int */
	CONF_NUMBER,      /* int64_t, or uint64_t where min is not negative */
	CONF_MS,          /* int64_t */
	CONF_SIZE,        /* uint64_t */
	CONF_CHOICE,      /* an enum: the index in choices */
	CONF_WORD,        /* char *: one of choices */
	CONF_TEXTS,       /* struct conf_strings, as the rest */
	CONF_ADDRESSES,
	CONF_ORIGINS
};

struct conf_section {
	const char *name;
	const char *title;   /* what its title is; NULL: it has none */
	size_t offset;       /* of the struct in struct conf; titled: of the
	                      * pointer to the first */
	size_t count_offset; /* titled: of their number */
	size_t size;         /* titled: of one */
	size_t title_offset; /* titled: of the title's char * in one */
	const char *meaning;
};

struct conf_option {
	const char *section;
	const char *name;
	enum conf_type type;
	size_t offset; /* in the section's struct */
	size_t port_offset;
	/* As one would write it, lists with commas; NULL: none, or one that the
	 * meaning tells. */
	const char *def;
	int64_t min; /* of numbers, milliseconds, bytes */
	int64_t max;
	const char *const *choices; /* ends with NULL */
	const char *meaning;        /* one line, no full stop */
};

extern const struct conf_section conf_sections[]; /* ends with name NULL */
extern const struct conf_option conf_options[];   /* ends with name NULL */

const struct conf_section *conf_section_find(const char *name);
const struct conf_option *conf_option_find(const char *section,
    const char *name);
/* The nearest known name in quotes as ` (did you mean "x"?)`, or nothing.
 * Section NULL: of the sections. */
void conf_options_hint(const char *section, const char *name, struct buf *out);
bool conf_option_is_list(const struct conf_option *option);

/* Turns text into the value at option's place in target (which holds none yet).
 * False and a clause in *why when it cannot be one. */
bool conf_value_set(const struct conf_option *option, void *target,
    const char *const *values, size_t n, struct buf *why);
/* The same for the default: commas part a list. */
bool conf_value_set_text(const struct conf_option *option, void *target,
    const char *text, struct buf *why);
/* Frees it; the place is zero again. */
void conf_value_clear(const struct conf_option *option, void *target);

/* A domain as this project stores it, NULL when it cannot be one. */
char *conf_domain(const char *text);
/* Parts "host:port" or "[v6]:port" (host without brackets; the caller frees).
 * False when it is neither. */
bool conf_address(const char *text, char **host, int *port);
/* Host is "localhost" or an address of this machine's loopback. */
bool conf_host_is_loopback(const char *host);
bool conf_address_is_loopback(const char *address);

#endif
