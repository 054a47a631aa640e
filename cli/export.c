#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/bulk.h"
#include "cli/csv.h"
#include "cli/progress.h"
#include "common/base/text.h"

struct export
{
	struct cli *cli;
	const char *channel; /* NULL: all */
	bool csv;
	FILE *out;
	long long after; /* n of the last one seen; -1: that was all */
	uint64_t count;
	struct progress progress;
};

static const char *const export_members[] = { "channel", "jid", "state",
	"reason", "component" };

static void
export_add(const struct export *export, const json_t *sub, struct buf *out)
{
	const char *text;
	size_t i;

	for (i = 0; i < ARRAY_LEN(export_members); i++) {
		text = json_str(sub, export_members[i], NULL);
		if (export->csv) {
			if (i > 0)
				buf_addc(out, ',');
			csv_add(out, text != NULL ? text : "");
		} else if (text != NULL) {
			buf_adds(out, i == 0 ? "{\"" : ",\"");
			buf_adds(out, export_members[i]);
			buf_adds(out, "\":");
			buf_add_json(out, text, strlen(text));
		}
	}
	buf_adds(out, export->csv ? "\n" : "}\n");
}

static int
export_write(struct export *export, const struct buf *text)
{
	if (text->len == 0 ||
	    fwrite(text->data, 1, text->len, export->out) == text->len)
		return 0;
	progress_clear(&export->progress);
	fprintf(stderr, "waft: cannot write: %s\n", strerror(errno));
	return EX_IOERR;
}

static void
export_path(const struct export *export, struct buf *path)
{
	struct buf rest;

	buf_init(&rest, 0);
	buf_addf(&rest, "subscriptions/?max=1000&after=%lld", export->after);
	if (export->channel != NULL)
		cli_channel_path(path, export->channel, rest.data);
	else {
		buf_addc(path, '/');
		buf_adds(path, rest.data);
	}
	buf_clear(&rest);
}

static int
export_page(struct export *export)
{
	json_t *answer = NULL, *sub;
	struct buf path, out;
	size_t i;
	int code;

	buf_init(&path, 0);
	buf_init(&out, 0);
	export_path(export, &path);
	code =
	    cli_call(export->cli, "GET", path.data, NULL, CLI_WAIT_MS, &answer);
	json_array_foreach(json_object_get(answer, "subscriptions"), i, sub)
	{
		if (json_str(sub, "jid", NULL) == NULL)
			continue;
		export_add(export, sub, &out);
		export->count++;
	}
	export->after = json_is_true(json_object_get(answer, "more")) ?
	    json_integer_value(json_object_get(answer, "after")) :
	    -1;
	if (code == 0)
		code = export_write(export, &out);
	json_decref(answer);
	buf_clear(&path);
	buf_clear(&out);
	return code;
}

static int
export_all(struct export *export)
{
	int code = 0;

	if (export->csv)
		fputs("channel,jid,state,reason,component\n", export->out);
	do {
		code = export_page(export);
		progress_show(&export->progress, 0, export->count);
	} while (code == 0 && export->after >= 0);
	progress_clear(&export->progress);
	if (code == 0 && fflush(export->out) != 0) {
		fprintf(stderr, "waft: cannot write: %s\n", strerror(errno));
		code = EX_IOERR;
	}
	return code;
}

int
bulk_export(struct cli *cli, const char *channel, const char *file, bool csv)
{
	struct export export = { .cli = cli, .channel = channel, .csv = csv };
	int code;

	export.out = file == NULL ? stdout : fopen(file, "w");
	if (export.out == NULL) {
		fprintf(stderr, "waft: %s: %s\n", file, strerror(errno));
		return EX_CANTCREAT;
	}
	progress_init(&export.progress, "subscriptions", 0);
	if (file == NULL && isatty(STDOUT_FILENO) == 1)
		export.progress.on = false;
	code = export_all(&export);
	if (file != NULL && fclose(export.out) != 0 && code == 0) {
		fprintf(stderr, "waft: %s: %s\n", file, strerror(errno));
		code = EX_IOERR;
	}
	if (file != NULL && code != 0)
		fprintf(stderr, "waft: %s is not complete\n", file);
	return code;
}
