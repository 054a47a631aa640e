#include "common/base/conf_load.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

#include "common/base/mem.h"

#define CONF_FILES_MAX    256 /* includes of one configuration */
#define CONF_SECTIONS_MAX 16
#define CONF_OPTIONS_MAX  64 /* of one section */
#define CONF_FILE_MAX     ((size_t)1024 * 1024)
/* Put behind each file: libconfuse takes a comment without an end for the end
 * of the file, and what it swallowed would be missed by nobody. */
#define CONF_END "end-of-file"

/* Where libconfuse met an option. */
struct conf_mark {
	const cfg_t *section;
	const char *name;
	struct conf_place at;
};

struct conf_reading {
	struct conf_loader *loader;
	cfg_t *cfg;
	const char *file; /* that is being read */
	bool ended;       /* CONF_END was met */
	int lines;        /* of the file, without CONF_END */
	struct conf_mark *marks;
	size_t n_marks;
	cfg_opt_t rows[CONF_SECTIONS_MAX];
	cfg_opt_t sub_rows[CONF_SECTIONS_MAX][CONF_OPTIONS_MAX];
};

/* libconfuse's scanner is one for the process, and its callbacks carry no
 * argument. */
static pthread_mutex_t conf_read_lock = PTHREAD_MUTEX_INITIALIZER;
static struct conf_reading *conf_reading;

static void conf_error_cb(cfg_t *cfg, const char *fmt, va_list ap)
    PRINTF_LIKE(2, 0);

/* What libconfuse found, with the name that was meant added. */
static void
conf_error_cb(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char unknown[] = "no such option '";
	struct conf_reading *r = conf_reading;
	struct conf_place at = { r->file, cfg->line };
	size_t len = sizeof unknown - 1;
	struct buf hint;
	char text[512], *end;

	if (at.line > r->lines)
		at.line = r->lines;
	vsnprintf(text, sizeof text, fmt, ap);
	if (strstr(text, "'" CONF_END "'") != NULL) {
		conf_fault(r->loader, &at, "premature end of file");
		return;
	}
	buf_init(&hint, 0);
	buf_adds(&hint, text);
	if (strncmp(text, unknown, len) == 0 &&
	    (end = strrchr(text + len, '\'')) != NULL) {
		*end = '\0';
		buf_reset(&hint);
		buf_addf(&hint, "no such %s \"%s\"",
		    cfg == r->cfg ? "section" : "option", text + len);
		conf_options_hint(cfg == r->cfg ? NULL : cfg->name, text + len,
		    &hint);
	}
	conf_fault(r->loader, &at, "%s", hint.data);
	buf_clear(&hint);
}

/* Included files are read after the one they are named in: the scanner can
 * stack no more than ten, and a folder may have more. */
static int
conf_include_cb(cfg_t *cfg, cfg_opt_t *opt UNUSED, int argc, const char **argv)
{
	struct conf_reading *r = conf_reading;
	char *base = xstrdup(r->file), *pattern;
	glob_t found;
	size_t i;

	if (argc != 1) {
		cfg_error(cfg, "include takes one file or pattern");
		free(base);
		return -1;
	}
	pattern = argv[0][0] == '/' ?
	    xstrdup(argv[0]) :
	    xasprintf("%s/%s", dirname(base), argv[0]);
	free(base);
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (i = 0; i < found.gl_pathc; i++)
			conf_loader_keep(r->loader, found.gl_pathv[i]);
		globfree(&found);
	} else if (strpbrk(pattern, "*?[") == NULL) {
		cfg_error(cfg, "cannot include %s: no such file", pattern);
	}
	free(pattern);
	if (r->loader->n_files > CONF_FILES_MAX)
		cfg_error(cfg, "more than %d included files", CONF_FILES_MAX);
	return r->loader->n_files > CONF_FILES_MAX ? -1 : 0;
}

static int
conf_end_cb(cfg_t *cfg UNUSED, cfg_opt_t *opt UNUSED, int argc UNUSED,
    const char **argv UNUSED)
{
	conf_reading->ended = true;
	return 0;
}

/* Keeps where each option was given; the text is judged later. */
static int
conf_value_cb(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct conf_reading *r = conf_reading;
	struct conf_mark *mark;

	r->marks = xreallocarray(r->marks, r->n_marks + 1, sizeof *r->marks);
	mark = &r->marks[r->n_marks++];
	mark->section = cfg;
	mark->name = opt->name;
	mark->at.file = r->file;
	mark->at.line = cfg->line;
	*(const char **)result = value;
	return 0;
}

/* The last mark of that option, or the section's first.  An empty list has
 * none. */
static struct conf_place
conf_mark_find(const struct conf_reading *r, const cfg_t *section,
    const char *name)
{
	struct conf_place at = { section->filename, section->line };
	size_t i;

	for (i = 0; i < r->n_marks; i++) {
		if (r->marks[i].section != section ||
		    (name != NULL && strcmp(r->marks[i].name, name) != 0))
			continue;
		at = r->marks[i].at;
		if (name == NULL)
			break;
	}
	return at;
}

/* The table in libconfuse's words: everything is text to it. */
static cfg_t *
conf_cfg_create(struct conf_reading *r)
{
	const cfg_opt_t end = CFG_END();
	const cfg_opt_t include = CFG_FUNC("include", conf_include_cb);
	const cfg_opt_t ending = CFG_FUNC(CONF_END, conf_end_cb);
	const struct conf_section *s;
	const struct conf_option *o;
	cfg_flag_t flags;
	cfg_opt_t *row, *sub;

	row = r->rows;
	for (s = conf_sections; s->name != NULL; s++) {
		cfg_opt_t section = CFG_SEC(s->name, r->sub_rows[row - r->rows],
		    CFGF_NODEFAULT);

		if (s->title != NULL)
			section.flags =
			    CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
		sub = section.subopts;
		*row++ = section;
		for (o = conf_options; o->name != NULL; o++) {
			flags = CFGF_NODEFAULT;
			if (conf_option_is_list(o))
				flags |= CFGF_LIST;
			if (strcmp(o->section, s->name) == 0)
				*sub++ = (cfg_opt_t)CFG_STR_CB(o->name, NULL,
				    flags, conf_value_cb);
		}
		*sub = end;
	}
	*row++ = include;
	*row++ = ending;
	*row = end;
	return cfg_init(r->rows, CFGF_NONE);
}

/* The file with CONF_END behind it; false after a fault. */
static bool
conf_file_load(struct conf_reading *r, const char *file, struct buf *text)
{
	struct conf_place at = { file, 0 };
	char part[4096];
	FILE *in = fopen(file, "re");
	size_t n;
	int failed = 0;

	while (in != NULL && !text->failed &&
	    (n = fread(part, 1, sizeof part, in)) > 0)
		buf_add(text, part, n);
	if (in == NULL || ferror(in))
		failed = errno;
	if (in != NULL)
		fclose(in);
	r->lines = 1;
	for (n = 0; n + 1 < text->len; n++)
		r->lines += text->data[n] == '\n';
	buf_adds(text, "\n" CONF_END "()\n");
	if (failed != 0)
		conf_fault(r->loader, &at, "cannot read it: %s",
		    strerror(failed));
	else if (text->failed)
		conf_fault(r->loader, &at, "is too large");
	return failed == 0 && !text->failed;
}

static void
conf_file_read(struct conf_reading *r, const char *file)
{
	struct conf_place at = { file, 0 };
	struct buf text;
	FILE *in;

	buf_init(&text, CONF_FILE_MAX);
	if (conf_file_load(r, file, &text)) {
		r->file = file;
		r->ended = false;
		free(r->cfg->filename);
		r->cfg->filename = strdup(file);
		in = fmemopen(text.data, text.len, "r");
		if (in == NULL)
			conf_fault(r->loader, &at, "%s", strerror(errno));
		else if (cfg_parse_fp(r->cfg, in) == CFG_SUCCESS && !r->ended)
			conf_fault(r->loader, &at,
			    "a comment has no end: */ is missing");
		if (in != NULL)
			fclose(in);
	}
	buf_clear(&text);
}

/* ---- what was read ---------------------------------------------------- */

static void
conf_take_option(struct conf_reading *r, size_t opened, cfg_t *section,
    cfg_opt_t *opt, const struct conf_option *option)
{
	struct conf_place at = conf_mark_find(r, section, opt->name);
	struct conf_given *given;
	const char *value;
	unsigned i;

	at.file = conf_loader_keep(r->loader, at.file);
	given = conf_loader_give(r->loader, opened, option, &at);
	for (i = 0; i < cfg_opt_size(opt); i++) {
		value = cfg_opt_getnstr(opt, i);
		conf_given_add(given, value, strlen(value));
	}
}

static void
conf_take_section(struct conf_reading *r, const struct conf_section *s,
    cfg_t *section)
{
	struct conf_place at = conf_mark_find(r, section, NULL);
	const struct conf_option *o;
	cfg_opt_t *opt;
	size_t opened;

	at.file = conf_loader_keep(r->loader, at.file);
	opened = conf_loader_open(r->loader, s, cfg_title(section), &at);
	for (o = conf_options; o->name != NULL; o++) {
		if (strcmp(o->section, s->name) != 0)
			continue;
		opt = cfg_getopt(section, o->name);
		if (opt->flags & CFGF_MODIFIED)
			conf_take_option(r, opened, section, opt, o);
	}
}

static void
conf_take(struct conf_reading *r)
{
	const struct conf_section *s;
	unsigned i;

	for (s = conf_sections; s->name != NULL; s++)
		for (i = 0; i < cfg_size(r->cfg, s->name); i++)
			conf_take_section(r, s,
			    cfg_getnsec(r->cfg, s->name, i));
}

void
conf_read(struct conf_loader *l, const char *file)
{
	struct conf_reading *r = xcalloc(1, sizeof *r);
	size_t i;

	pthread_mutex_lock(&conf_read_lock);
	conf_reading = r;
	r->loader = l;
	r->cfg = conf_cfg_create(r);
	cfg_set_error_function(r->cfg, conf_error_cb);
	conf_loader_keep(l, file);
	for (i = 0; i < l->n_files; i++)
		conf_file_read(r, l->files[i]);
	if (l->faults == 0)
		conf_take(r);
	cfg_free(r->cfg);
	conf_reading = NULL;
	pthread_mutex_unlock(&conf_read_lock);
	free(r->marks);
	free(r);
}
