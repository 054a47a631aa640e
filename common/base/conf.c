#include "common/base/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/conf_load.h"
#include "common/base/mem.h"
#include "common/base/text.h"

#define CONF_FILE_HERE   "./waft.conf"
#define CONF_FILE_SYSTEM "/etc/waft/waft.conf"

/* ---- the loader ------------------------------------------------------- */

void
conf_fault(struct conf_loader *l, const struct conf_place *at, const char *fmt,
    ...)
{
	va_list ap;
	char text[1024];

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (at->line > 0)
		buf_addf(l->why, "%s:%d: %s\n", at->file, at->line, text);
	else
		buf_addf(l->why, "%s: %s\n", at->file, text);
	l->faults++;
}

const char *
conf_loader_keep(struct conf_loader *l, const char *file)
{
	l->files = xreallocarray(l->files, l->n_files + 1, sizeof *l->files);
	l->files[l->n_files] = xstrdup(file);
	return l->files[l->n_files++];
}

size_t
conf_loader_open(struct conf_loader *l, const struct conf_section *section,
    const char *title, const struct conf_place *at)
{
	struct conf_opened *opened;

	l->opened =
	    xreallocarray(l->opened, l->n_opened + 1, sizeof *l->opened);
	opened = &l->opened[l->n_opened];
	opened->section = section;
	opened->title = title == NULL ? NULL : xstrdup(title);
	opened->at = *at;
	return l->n_opened++;
}

struct conf_given *
conf_loader_give(struct conf_loader *l, size_t opened,
    const struct conf_option *option, const struct conf_place *at)
{
	struct conf_given *given;

	l->given = xreallocarray(l->given, l->n_given + 1, sizeof *l->given);
	given = &l->given[l->n_given++];
	memset(given, 0, sizeof *given);
	given->opened = opened;
	given->option = option;
	given->at = *at;
	return given;
}

void
conf_given_add(struct conf_given *given, const char *value, size_t len)
{
	given->values = xreallocarray(given->values, given->n_values + 1,
	    sizeof *given->values);
	given->values[given->n_values++] = xstrndup(value, len);
}

const struct conf_opened *
conf_loader_opened(const struct conf_loader *l, const char *section, size_t n)
{
	size_t i;

	for (i = 0; i < l->n_opened; i++)
		if (strcmp(l->opened[i].section->name, section) == 0 &&
		    n-- == 0)
			return &l->opened[i];
	return NULL;
}

const struct conf_given *
conf_loader_given(const struct conf_loader *l, const struct conf_opened *opened,
    const char *option)
{
	size_t i = l->n_given;

	while (opened != NULL && i-- > 0)
		if (&l->opened[l->given[i].opened] == opened &&
		    strcmp(l->given[i].option->name, option) == 0)
			return &l->given[i];
	return NULL;
}

static void
conf_loader_clear(struct conf_loader *l)
{
	size_t i, j;

	for (i = 0; i < l->n_given; i++) {
		for (j = 0; j < l->given[i].n_values; j++)
			free(l->given[i].values[j]);
		free(l->given[i].values);
	}
	for (i = 0; i < l->n_opened; i++)
		free(l->opened[i].title);
	for (i = 0; i < l->n_files; i++)
		free(l->files[i]);
	free(l->given);
	free(l->opened);
	free(l->files);
}

/* ---- --set ------------------------------------------------------------ */

static bool
conf_opened_is(const struct conf_opened *opened, const struct conf_section *s,
    const char *name)
{
	if (s != NULL || opened->title == NULL)
		return opened->section == s;
	/* A domain is the same in any case; patterns and names are not. */
	if (strcmp(opened->section->name, "component") == 0)
		return strcasecmp(opened->title, name) == 0;
	return strcmp(opened->title, name) == 0;
}

/* The section that name means: a plain one, the one with that title, or the
 * only one of that kind.  False after a fault. */
static bool
conf_set_section(struct conf_loader *l, const struct conf_place *at,
    const char *name, size_t *opened)
{
	const struct conf_section *s = conf_section_find(name);
	struct buf hint;
	size_t i, n = 0;

	for (i = 0; i < l->n_opened; i++) {
		if (!conf_opened_is(&l->opened[i], s, name))
			continue;
		*opened = i;
		n++;
	}
	if (n == 1)
		return true;
	if (n > 1) {
		conf_fault(l, at, "more than one section: say its title");
		return false;
	}
	buf_init(&hint, 0);
	buf_addf(&hint, "no section \"%s\"", name);
	if (s == NULL)
		conf_options_hint(NULL, name, &hint);
	else
		buf_adds(&hint, " in the configuration");
	conf_fault(l, at, "%s", hint.data);
	buf_clear(&hint);
	return false;
}

static void
conf_set_values(struct conf_given *given, const char *text)
{
	size_t len;

	if (!conf_option_is_list(given->option)) {
		conf_given_add(given, text, strlen(text));
		return;
	}
	while (*text != '\0') {
		len = strcspn(text, ",");
		conf_given_add(given, text, len);
		text += len;
		if (*text == ',')
			text++;
	}
}

static void
conf_set(struct conf_loader *l, const char *set)
{
	const char *equal = strchr(set, '=');
	struct conf_place at = { NULL, 0 };
	const struct conf_option *option;
	struct buf hint;
	char *name, *place, *dot;
	size_t opened;

	name =
	    equal == NULL ? xstrdup(set) : xstrndup(set, (size_t)(equal - set));
	place = xasprintf("--set %s", name);
	at.file = conf_loader_keep(l, place);
	free(place);
	dot = strrchr(name, '.');
	if (equal == NULL || dot == NULL || dot == name) {
		conf_fault(l, &at, "must be SECTION.OPTION=VALUE");
		goto out;
	}
	*dot = '\0';
	if (!conf_set_section(l, &at, name, &opened))
		goto out;
	option = conf_option_find(l->opened[opened].section->name, dot + 1);
	if (option == NULL) {
		buf_init(&hint, 0);
		conf_options_hint(l->opened[opened].section->name, dot + 1,
		    &hint);
		conf_fault(l, &at, "no such option \"%s\"%s", dot + 1,
		    hint.len == 0 ? "" : hint.data);
		buf_clear(&hint);
		goto out;
	}
	conf_set_values(conf_loader_give(l, opened, option, &at), equal + 1);
out:
	free(name);
}

/* ---- from text to structs --------------------------------------------- */

static void
conf_fill_option(struct conf_loader *l, const struct conf_opened *opened,
    const struct conf_option *o, void *target)
{
	const struct conf_given *given = conf_loader_given(l, opened, o->name);
	struct buf why;
	bool ok = true;

	buf_init(&why, 0);
	if (given != NULL &&
	    (o->type == CONF_SECRET_FILE || o->type == CONF_KEY_FILE))
		/* It takes the place of the text before it. */
		conf_value_clear(o, target);
	if (given != NULL)
		ok = conf_value_set(o, target,
		    (const char *const *)given->values, given->n_values, &why);
	else if (o->def != NULL)
		ok = conf_value_set_text(o, target, o->def, &why);
	if (!ok)
		conf_fault(l, given != NULL ? &given->at : &opened->at,
		    "%s: %s", o->name, why.data);
	buf_clear(&why);
}

static void
conf_fill(struct conf_loader *l, const struct conf_opened *opened, void *target)
{
	const struct conf_option *o;

	for (o = conf_options; o->name != NULL; o++)
		if (strcmp(o->section, opened->section->name) == 0)
			conf_fill_option(l, opened, o, target);
}

static void
conf_fill_titled(struct conf_loader *l, const struct conf_section *s)
{
	char *base = (char *)l->conf;
	size_t *count = (size_t *)(void *)(base + s->count_offset);
	char **list = (char **)(void *)(base + s->offset);
	const struct conf_opened *opened;
	char *one;
	size_t i;

	while (conf_loader_opened(l, s->name, *count) != NULL)
		++*count;
	*list = *count == 0 ? NULL : xcalloc(*count, s->size);
	for (i = 0; i < *count; i++) {
		opened = conf_loader_opened(l, s->name, i);
		one = *list + i * s->size;
		*(char **)(void *)(one + s->title_offset) =
		    xstrdup(opened->title);
		conf_fill(l, opened, one);
	}
}

/* Plain sections are there whether the file has them or not, and a class that
 * takes every channel is always the last. */
static void
conf_open_defaults(struct conf_loader *l)
{
	const struct conf_place at = { "built-in defaults", 0 };
	const struct conf_section *s;
	const struct conf_opened *class;
	size_t n = 0;

	for (s = conf_sections; s->name != NULL; s++)
		if (s->title == NULL &&
		    conf_loader_opened(l, s->name, 0) == NULL)
			conf_loader_open(l, s, NULL, &at);
	while ((class = conf_loader_opened(l, "channels", n++)) != NULL)
		if (class->title != NULL && strcmp(class->title, "*") == 0)
			return;
	conf_loader_open(l, conf_section_find("channels"), "*", &at);
}

static void
conf_build(struct conf_loader *l)
{
	const struct conf_section *s;

	for (s = conf_sections; s->name != NULL; s++) {
		if (s->title != NULL)
			conf_fill_titled(l, s);
		else
			conf_fill(l, conf_loader_opened(l, s->name, 0),
			    (char *)l->conf + s->offset);
	}
}

struct conf *
conf_load(const char *file, const char *const *sets, size_t n_sets,
    struct buf *why)
{
	struct conf_loader l = { .why = why };
	struct conf *conf;
	size_t i;

	if (file == NULL && access(CONF_FILE_HERE, F_OK) == 0)
		file = CONF_FILE_HERE;
	else if (file == NULL && access(CONF_FILE_SYSTEM, F_OK) == 0)
		file = CONF_FILE_SYSTEM;
	conf = l.conf = xcalloc(1, sizeof *conf);
	conf->file = file == NULL ? NULL : xstrdup(file);
	if (file != NULL)
		conf_read(&l, file);
	conf_open_defaults(&l);
	/* A file that could not be read to its end would give false alarms. */
	if (l.faults == 0) {
		for (i = 0; i < n_sets; i++)
			conf_set(&l, sets[i]);
		conf_build(&l);
		conf_check(&l);
	}
	conf_loader_clear(&l);
	if (l.faults == 0)
		return conf;
	conf_free(conf);
	return NULL;
}

/* ---- afterwards ------------------------------------------------------- */

static void
conf_free_section(const struct conf_section *s, void *target)
{
	const struct conf_option *o;

	for (o = conf_options; o->name != NULL; o++)
		if (strcmp(o->section, s->name) == 0)
			conf_value_clear(o, target);
}

void
conf_free(struct conf *conf)
{
	const struct conf_section *s;
	char *at, *list;
	size_t i, n;

	if (conf == NULL)
		return;
	for (s = conf_sections; s->name != NULL; s++) {
		at = (char *)conf + s->offset;
		if (s->title == NULL) {
			conf_free_section(s, at);
			continue;
		}
		list = *(char **)(void *)at;
		n = *(size_t *)(void *)((char *)conf + s->count_offset);
		for (i = 0; i < n; i++) {
			conf_free_section(s, list + i * s->size);
			free(*(char **)(void *)(list + i * s->size +
			    s->title_offset));
		}
		free(list);
	}
	free(conf->file);
	free(conf);
}

const struct conf_class *
conf_class(const struct conf *conf, const char *channel)
{
	size_t i;

	for (i = 0; i + 1 < conf->n_classes; i++)
		if (text_glob(conf->classes[i].pattern, channel))
			break;
	return &conf->classes[i];
}

const struct conf_token *
conf_token(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->n_tokens; i++)
		if (strcmp(conf->tokens[i].name, name) == 0)
			return &conf->tokens[i];
	return NULL;
}

const struct conf_user *
conf_user(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->n_users; i++)
		if (strcmp(conf->users[i].name, name) == 0)
			return &conf->users[i];
	return NULL;
}
