#include "common/base/conf_options.h"
#include "tests/unit/conf_fixture.h"

#define EXAMPLE "docs/waft.conf.example"

/* ---- the example ------------------------------------------------------ */

/* What docs/waft.conf.example must be: every option with its default, out of
 * the table, where nothing is set. */
static void
example_value(const struct conf_option *o, struct buf *out)
{
	const char *at = o->def == NULL ? "" : o->def;
	size_t len;
	bool bare;

	if (conf_option_is_list(o)) {
		buf_adds(out, "{");
		for (; *at != '\0'; at += len + (at[len] == ',')) {
			len = strcspn(at, ",");
			buf_addf(out, "%s\"%.*s\"", at == o->def ? "" : ", ",
			    (int)len, at);
		}
		buf_adds(out, "}");
		return;
	}
	bare = o->type >= CONF_BOOL && o->type <= CONF_WORD;
	buf_addf(out, bare ? "%s" : "\"%s\"", at);
}

static void
example_words(const char *indent, const char *text, struct buf *out)
{
	size_t column, len;

	while (*text != '\0') {
		buf_addf(out, "%s#", indent);
		for (column = strlen(indent) * 8 + 1; *text != '\0';) {
			len = strcspn(text, " ");
			if (column + 1 + len > 79)
				break;
			buf_addf(out, " %.*s", (int)len, text);
			column += 1 + len;
			text += len + strspn(text + len, " ");
		}
		buf_addc(out, '\n');
	}
}

static void
example_section(const struct conf_section *s, struct buf *out)
{
	const struct conf_option *o;

	buf_addc(out, '\n');
	example_words("", s->meaning, out);
	if (s->title != NULL)
		buf_addf(out, "#%s \"%s\" {\n", s->name, s->title);
	else
		buf_addf(out, "%s {\n", s->name);
	for (o = conf_options; o->name != NULL; o++) {
		if (strcmp(o->section, s->name) != 0)
			continue;
		example_words("\t", o->meaning, out);
		buf_addf(out, "\t#%s = ", o->name);
		example_value(o, out);
		buf_addc(out, '\n');
	}
	buf_adds(out, s->title != NULL ? "#}\n" : "}\n");
}

static void
example_print(struct buf *out)
{
	const struct conf_section *s;

	buf_adds(out,
	    "# waft.conf: every option, with its default and what it means.\n"
	    "#\n"
	    "# Durations: 500ms, 55s, 10m, 24h, 7d.  Sizes: 512, 64K, 1M, "
	    "2G.\n"
	    "# Lists: {\"a\", \"b\"}.  ${NAME} is the environment's.  Options "
	    "can be\n"
	    "# changed on the command line: --set bosh.max-wait=30s.\n"
	    "# `include(\"conf.d/*.conf\")` reads files beside this one, "
	    "after it.\n");
	for (s = conf_sections; s->name != NULL; s++)
		example_section(s, out);
}

static void
file_read(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "r");
	int c;

	if (file == NULL)
		fail_msg("%s: cannot open it", path);
	while ((c = getc(file)) != EOF)
		buf_addc(out, (char)c);
	fclose(file);
}

TEST(the_example_is_what_the_table_says)
{
	struct buf is, must;

	buf_init(&is, 0);
	buf_init(&must, 0);
	example_print(&must);
	if (getenv("WAFT_WRITE_EXAMPLE") != NULL) {
		FILE *file = fopen(EXAMPLE, "w");

		assert_non_null(file);
		fputs(must.data, file);
		fclose(file);
	}
	file_read(EXAMPLE, &is);
	if (strcmp(is.data, must.data) != 0)
		fail_msg("%s is out of date: WAFT_WRITE_EXAMPLE=1 %s", EXAMPLE,
		    "build/tests/test_conf_example writes it anew");
	buf_clear(&is);
	buf_clear(&must);
}

static void
assert_same_values(const struct conf *a, const struct conf *b)
{
	assert_int_equal(a->log_level, b->log_level);
	assert_memory_equal(&a->http, &b->http, sizeof a->http);
	assert_string_equal(a->store.path, b->store.path);
	assert_memory_equal(&a->store.publish_timeout_ms,
	    &b->store.publish_timeout_ms,
	    sizeof a->store - offsetof(struct conf_store, publish_timeout_ms));
	assert_string_equal(a->bosh.domain, b->bosh.domain);
	assert_string_equal(a->bosh.control, b->bosh.control);
	assert_int_equal(a->bosh.listen.count, b->bosh.listen.count);
	assert_int_equal(a->bosh.max_wait_ms, b->bosh.max_wait_ms);
	assert_int_equal(a->bosh.client_queue, b->bosh.client_queue);
	assert_int_equal(a->bosh.origins.count, b->bosh.origins.count);
	assert_int_equal(a->control.item_max, b->control.item_max);
	assert_int_equal(a->control.channels_max, b->control.channels_max);
	assert_int_equal(a->control.texts_per_jid, b->control.texts_per_jid);
}

/* With every line that shows a default made to count. */
TEST(the_example_loads_and_changes_nothing)
{
	struct conf *plain = load(""), *example, *full;
	struct buf text, live;
	const char *line, *end;

	buf_init(&text, 0);
	buf_init(&live, 0);
	file_read(EXAMPLE, &text);
	example = load(text.data);
	assert_same_values(plain, example);
	for (line = text.data; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		/* Those without a default would be empty. */
		if (strncmp(line, "\t#", 2) == 0 && line[2] != ' ' &&
		    strncmp(end - 2, "\"\"", 2) != 0 &&
		    strncmp(end - 2, "= ", 2) != 0)
			buf_add(&live, line + 2, (size_t)(end - line - 1));
		else if (*line == '#' && line[1] != ' ')
			buf_add(&live, line + 1, (size_t)(end - line));
		else
			buf_add(&live, line, (size_t)(end - line + 1));
		if (strncmp(line, "#component", 10) == 0)
			buf_adds(&live, "secret = x\n");
		if (strncmp(line, "#certificate", 12) == 0)
			buf_adds(&live, "chain = x\nkey = x\n");
		if (strncmp(line, "#token", 6) == 0)
			buf_adds(&live, "secret = x\n");
		if (strncmp(line, "#user", 5) == 0)
			buf_adds(&live, "password = x\n");
	}
	full = load_set(live.data, NULL, 0);
	assert_same_values(plain, full);
	assert_int_equal(full->n_components, 1);
	assert_int_equal(full->n_tokens, 1);
	assert_int_equal(full->n_users, 1);
	assert_int_equal(full->n_classes, 2);
	assert_memory_equal(&full->classes[0].history_items,
	    &plain->classes[0].history_items,
	    sizeof(struct conf_class) -
	        offsetof(struct conf_class, history_items));
	conf_free(plain);
	conf_free(example);
	conf_free(full);
	buf_clear(&text);
	buf_clear(&live);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_what_the_table_says),
		cmocka_unit_test(the_example_loads_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
