#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cli/bulk.h"
#include "cli/csv.h"
#include "cli/progress.h"
#include "common/base/mem.h"
#include "common/base/text.h"

/* A line's jid, channel and reason fit many times. */
#define IMPORT_LINE_MAX   16384
#define IMPORT_BATCH      1000
#define IMPORT_BATCH_SIZE (256 << 10)

enum {
	COLUMN_CHANNEL,
	COLUMN_JID,
	COLUMN_STATE,
	COLUMN_REASON,
	COLUMN_COMPONENT,
	COLUMNS
};
static const char *const import_columns[] = { "channel", "jid", "state",
	"reason", "component" };

struct import {
	struct cli *cli;
	const char *name; /* of the file, for people */
	FILE *in;
	bool csv;
	size_t column[COLUMNS]; /* where each is; CSV_FIELDS_MAX: nowhere */
	size_t columns;         /* that the first line names */
	bool headed;            /* CSV: its first line was read */
	struct csv row;
	struct buf line;
	unsigned long long number; /* of the line */
	struct buf batch;
	unsigned long long *numbers; /* of the batch's lines */
	size_t n_batch;
	size_t batch_max;
	struct progress progress;
	long long added, changed, unchanged, refused;
};

static void
import_refuse(struct import *import, unsigned long long number, const char *why)
{
	progress_clear(&import->progress);
	fprintf(stderr, "%s:%llu: %s\n", import->name, number, why);
	import->refused++;
}

/* ---- batches --------------------------------------------------------- */

static void
import_count(struct import *import, json_t *answer)
{
	const char *why;
	json_t *each;
	size_t i, at;

	import->added += json_integer_value(json_object_get(answer, "added"));
	import->changed +=
	    json_integer_value(json_object_get(answer, "changed"));
	import->unchanged +=
	    json_integer_value(json_object_get(answer, "unchanged"));
	json_array_foreach(json_object_get(answer, "refused"), i, each)
	{
		at = (size_t)json_integer_value(json_object_get(each, "line"));
		why = json_str(each, "error", NULL);
		if (at >= 1 && at <= import->n_batch && why != NULL)
			import_refuse(import, import->numbers[at - 1], why);
	}
}

static int
import_send(struct import *import)
{
	json_t *answer = NULL;
	int code;

	if (import->n_batch == 0)
		return 0;
	code = cli_call(import->cli, "POST", "/subscriptions/", &import->batch,
	    CLI_WAIT_MS, &answer);
	if (code == 0)
		import_count(import, answer);
	else {
		progress_clear(&import->progress);
		fprintf(stderr,
		    "%s:%llu: stopped here; of this line and those behind it "
		    "it is not known\n"
		    "whether they are in.  Import the file again: what is in "
		    "is left alone.\n",
		    import->name, import->numbers[0]);
	}
	json_decref(answer);
	buf_reset(&import->batch);
	import->n_batch = 0;
	return code;
}

/* A line of JSON, which may be any text: the daemon judges it. */
static int
import_put(struct import *import, const char *line, size_t len)
{
	int code = 0;

	if (import->n_batch == import->batch_max ||
	    (import->n_batch > 0 &&
	        import->batch.len + len > IMPORT_BATCH_SIZE))
		code = import_send(import);
	if (code != 0)
		return code;
	import->numbers[import->n_batch++] = import->number;
	buf_add(&import->batch, line, len);
	buf_addc(&import->batch, '\n');
	return 0;
}

/* ---- CSV ------------------------------------------------------------- */

/* The first line says which column is what.  Without it nothing is done. */
static int
import_header(struct import *import)
{
	const char *name;
	size_t i, c;

	for (c = 0; c < COLUMNS; c++)
		import->column[c] = CSV_FIELDS_MAX;
	for (i = 0; i < import->row.count; i++) {
		name = csv_field(&import->row, i);
		for (c = 0; c < COLUMNS; c++)
			if (strcmp(name, import_columns[c]) == 0)
				break;
		if (c == COLUMNS || import->column[c] != CSV_FIELDS_MAX)
			break;
		import->column[c] = i;
	}
	if (i == import->row.count &&
	    import->column[COLUMN_CHANNEL] != CSV_FIELDS_MAX &&
	    import->column[COLUMN_JID] != CSV_FIELDS_MAX) {
		import->headed = true;
		import->columns = import->row.count;
		return 0;
	}
	fprintf(stderr,
	    "%s:%llu: the first line must name the columns: channel,jid and "
	    "perhaps state,reason,component\n",
	    import->name, import->number);
	return EX_DATAERR;
}

static void
import_add_column(struct import *import, struct buf *json, int column)
{
	const char *text = csv_field(&import->row, import->column[column]);

	if (text[0] == '\0')
		return;
	buf_addc(json, json->len == 0 ? '{' : ',');
	buf_add_json(json, import_columns[column],
	    strlen(import_columns[column]));
	buf_addc(json, ':');
	buf_add_json(json, text, strlen(text));
}

static int
import_csv(struct import *import)
{
	const char *why;
	struct buf json;
	int column, code;

	if (!csv_read(&import->row, import->line.data, import->line.len,
	        &why)) {
		import_refuse(import, import->number, why);
		return import->headed ? 0 : EX_DATAERR;
	}
	if (!import->headed)
		return import_header(import);
	if (import->row.count > import->columns) {
		import_refuse(import, import->number,
		    "more columns than the first line names");
		return 0;
	}
	buf_init(&json, 0);
	for (column = 0; column < COLUMNS; column++)
		import_add_column(import, &json, column);
	buf_adds(&json, json.len == 0 ? "{}" : "}");
	code = import_put(import, json.data, json.len);
	buf_clear(&json);
	return code;
}

/* ---- lines ----------------------------------------------------------- */

/* False: the file is over.  Of a line that is too long the rest is skipped and
 * *too_long set. */
static bool
import_next(struct import *import, bool *too_long)
{
	int c = getc_unlocked(import->in);

	buf_reset(&import->line);
	*too_long = false;
	if (c == EOF)
		return false;
	import->number++;
	for (; c != EOF && c != '\n'; c = getc_unlocked(import->in))
		if (import->line.len < IMPORT_LINE_MAX)
			buf_addc(&import->line, (char)c);
		else
			*too_long = true;
	while (import->line.len > 0 &&
	    import->line.data[import->line.len - 1] == '\r')
		import->line.len--;
	return true;
}

static int
import_line(struct import *import, bool too_long)
{
	static const char bom[] = "\xef\xbb\xbf";

	if (import->number == 1 && import->line.len >= 3 &&
	    memcmp(import->line.data, bom, 3) == 0)
		buf_drain(&import->line, 3);
	if (too_long) {
		import_refuse(import, import->number, "longer than 16 KB");
		return import->csv && !import->headed ? EX_DATAERR : 0;
	}
	if (import->line.len == 0)
		return 0;
	if (import->csv && !text_is_utf8(import->line.data, import->line.len)) {
		import_refuse(import, import->number, "not UTF-8");
		return import->headed ? 0 : EX_DATAERR;
	}
	if (import->csv)
		return import_csv(import);
	return import_put(import, import->line.data, import->line.len);
}

static int
import_all(struct import *import)
{
	bool too_long;
	int code = 0;

	while (code == 0 && import_next(import, &too_long)) {
		code = import_line(import, too_long);
		if (import->progress.on && import->n_batch == 1)
			progress_show(&import->progress,
			    (uint64_t)ftello(import->in), import->number);
	}
	if (code == 0)
		code = import_send(import);
	progress_clear(&import->progress);
	if (ferror(import->in)) {
		fprintf(stderr, "waft: %s: %s\n", import->name,
		    strerror(errno));
		return EX_NOINPUT;
	}
	if (code == 0 && import->csv && !import->headed) {
		fprintf(stderr,
		    "%s: empty: not even a line that names the "
		    "columns\n",
		    import->name);
		return EX_DATAERR;
	}
	if (import->headed || !import->csv)
		printf("%lld added, %lld already there, %lld changed, %lld "
		       "refused\n",
		    import->added, import->unchanged, import->changed,
		    import->refused);
	return code == 0 && import->refused > 0 ? EX_DATAERR : code;
}

int
bulk_import(struct cli *cli, const char *file, bool csv)
{
	struct import import = { .cli = cli, .name = file, .csv = csv };
	struct stat stat;
	int code;

	import.in = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
	if (import.in == NULL) {
		fprintf(stderr, "waft: %s: %s\n", file, strerror(errno));
		return EX_NOINPUT;
	}
	if (import.in == stdin)
		import.name = "(standard input)";
	import.batch_max = IMPORT_BATCH;
	if (cli->control == NULL &&
	    cli_conf(cli)->control.items_max < IMPORT_BATCH)
		import.batch_max = (size_t)cli_conf(cli)->control.items_max;
	import.numbers =
	    xreallocarray(NULL, import.batch_max, sizeof(*import.numbers));
	csv_init(&import.row);
	buf_init(&import.line, 0);
	buf_init(&import.batch, 0);
	progress_init(&import.progress, "lines",
	    fstat(fileno(import.in), &stat) == 0 && S_ISREG(stat.st_mode) ?
	        (uint64_t)stat.st_size :
	        0);
	code = import_all(&import);
	if (import.in != stdin)
		fclose(import.in);
	csv_clear(&import.row);
	buf_clear(&import.line);
	buf_clear(&import.batch);
	free(import.numbers);
	return code;
}
