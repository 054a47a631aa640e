/* What only a store on disk can do, and what can befall it. */
#include <sys/stat.h>
#include <sysexits.h>

#include <sqlite3.h>

#include "tests/unit/store_fixture.h"

/* A disk that is full, or that may not be written, when a test says so: the
 * system's own file functions but for two. */
static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	sqlite3_io_methods methods[2]; /* of databases, of their logs */
	const sqlite3_io_methods *real_methods;
	_Atomic bool full;
	_Atomic bool read_only;
} disk;

static int
disk_write_cb(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	if (disk.full)
		return SQLITE_FULL;
	return disk.real_methods->xWrite(file, data, len, at);
}

static int
disk_open_cb(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *out)
{
	sqlite3_io_methods *methods;
	int code;

	(void)vfs;
	if (disk.read_only) {
		flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
		flags |= SQLITE_OPEN_READONLY;
	}
	code = disk.real->xOpen(disk.real, name, file, flags, out);
	if (code == SQLITE_OK) {
		disk.real_methods = file->pMethods;
		methods = &disk.methods[(flags & SQLITE_OPEN_MAIN_DB) == 0];
		*methods = *file->pMethods;
		methods->xWrite = disk_write_cb;
		file->pMethods = methods;
	}
	return code;
}

static void
disk_install(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "test-disk";
	disk.vfs.xOpen = disk_open_cb;
	assert_int_equal(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

static void
disk_remove(void)
{
	assert_int_equal(sqlite3_vfs_unregister(&disk.vfs), SQLITE_OK);
}

static int64_t
ask(const char *path, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t number = 0;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, DEADLINE_MS);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
	    SQLITE_OK);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return number;
}

static void
edit(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, DEADLINE_MS);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void
keeps_everything_across_a_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t last, seq = 0;
	char text[100] = "", position[STORE_POSITION_MAX];
	struct put again;

	put(f, "a", "1", "x");
	last = put(f, "a", "2", "x");
	put(f, "b", "1", "x");
	subscribe(f, "a", "u@x", SUB_SUSPENDED);
	store_state_put(f->store, f->loop, "k", "v", 1, NULL, NULL);
	store_position(f->store, last, position);
	reopen(f);
	assert_int_equal(store_position_parse(f->store, position, &seq),
	    ERR_OK);
	again = put_entry(f, item("a", "2", "x"));
	assert_true(again.results[0].duplicate);
	assert_int_equal(again.results[0].seq, last);
	again = put_entry(f, item("a", "3", "x"));
	assert_int_equal(again.results[0].prev_seq, last);
	assert_string_equal(list(f, (struct sub_filter){ 0 }, 0, 10).text,
	    "a u@x!;");
	store_state_list(f->store, f->loop, "", state_list_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "k=v;|");
}

static void
remembers_trimmed_ids_and_deletions_across_a_restart(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	uint64_t first, last;
	struct got got;
	struct put next;

	f->class.history_age_ms = 1;
	first = put(f, "a", "1", "x");
	last = put(f, "a", "2", "x");
	put_entry(f, entry_create(ENTRY_DELETE, "b", "", NULL, NULL, 0));
	do {
		get(f, "a", 0, 50, &got);
		usleep(20000);
	} while (got.count != 0 && clock_mono_ms() < until_ms);
	reopen(f);
	assert_int_equal(put(f, "a", "1", "x"), first);
	next = put_entry(f, item("a", "3", "x"));
	assert_int_equal(next.results[0].prev_seq, last);
	put_entry(f, entry_create(ENTRY_DELETE, "a", "", NULL, NULL, 0));
	reopen(f);
	next = put_entry(f, item("a", "3", "x"));
	assert_false(next.results[0].duplicate);
}

static void
never_gives_a_seq_twice_though_the_newest_row_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t last = put(f, "a", "1", "x");

	store_free(f->store);
	edit(f->path, "DELETE FROM log");
	open_store(f);
	assert_int_equal(store_newest(f->store), last);
	assert_int_equal(put(f, "a", "2", "x"), last + 1);
}

static void
sees_what_another_process_writes_by_its_bell(void **state)
{
	struct fixture *f = *state;
	struct fixture other = *f;
	struct entry *entries[4];
	struct follower *follower;
	uint64_t from = store_newest(f->store);
	int64_t began_ms;
	struct put next;
	int grew = 0;

	open_store(&other);
	follower = store_follow(other.store, f->loop, count_cb, &grew);
	began_ms = clock_mono_ms();
	put(f, "a", "1", "x");
	await(f, &grew);
	/* Sooner than the look once a second would have it, and by far. */
	assert_in_range(clock_mono_ms() - began_ms, 0, 500);
	assert_int_equal(store_tail(other.store, from, entries, 4), 1);
	assert_string_equal(entries[0]->id, "1");
	entry_unref(entries[0]);
	next = put_entry(&other, item("a", "1", "x"));
	assert_true(next.results[0].duplicate);
	next = put_entry(&other, item("a", "2", "x"));
	assert_int_equal(next.results[0].prev_seq, from + 1);
	store_unfollow(follower);
	store_free(other.store);
}

static void
forgets_in_a_day_what_everybody_has_seen(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	uint64_t first = put(f, "a", "1", "x");

	put(f, "gone", "1", "x");
	put_entry(f, entry_create(ENTRY_DELETE, "gone", "", NULL, NULL, 0));
	subscribe(f, "a", "u@x", SUB_ACTIVE);
	store_free(f->store);
	edit(f->path,
	    "UPDATE log SET time = time - 90000000;"
	    "UPDATE log SET kind = 5, data = NULL WHERE kind = 0");
	open_store(f);
	while (ask(f->path, "SELECT count(*) FROM log") != 0 &&
	    clock_mono_ms() < until_ms)
		usleep(20000);
	assert_int_equal(ask(f->path, "SELECT count(*) FROM log"), 0);
	assert_int_equal(ask(f->path, "SELECT count(*) FROM channel"), 1);
	assert_int_equal(ask(f->path, "SELECT count(*) FROM sub"), 1);
	/* The id is free, the order is not. */
	assert_true(put(f, "a", "1", "x") > first + 3);
}

static void
reads_its_memory_anew_when_rows_went_unseen(void **state)
{
	struct fixture *f = *state;
	struct entry *entries[4];
	uint64_t from, second, third;
	struct got got;
	struct put next;

	put(f, "a", "1", "x");
	store_free(f->store);
	open_store(f);
	from = store_newest(f->store);
	/* As if this process had slept while two were published and one of
	 * them trimmed for good. */
	edit(f->path,
	    "BEGIN IMMEDIATE;"
	    "INSERT INTO log SELECT seq + 1, kind, channel, seq, '2', NULL, "
	    "time, data FROM log;"
	    "DELETE FROM log WHERE id = '2';"
	    "INSERT INTO log SELECT seq + 2, kind, channel, seq + 1, '3', "
	    "NULL, time, data FROM log;"
	    "COMMIT");
	second = from + 1;
	third = from + 2;
	next = put_entry(f, item("a", "4", "x"));
	assert_int_equal(next.results[0].seq, third + 1);
	assert_int_equal(next.results[0].prev_seq, third);
	assert_true(put_entry(f, item("a", "3", "x")).results[0].duplicate);
	assert_int_equal(store_tail(f->store, from, entries, 4), -1);
	get(f, NULL, from, 4, &got);
	assert_int_equal(got.state, READ_PARTIAL);
	assert_int_equal(got.entries[0].prev_seq, second);
}

/* As after a power cut: the file and its WAL, nothing of the processes. */
static void
copy_file(const char *from, const char *to)
{
	char *command = xasprintf("cp %s %s", from, to);

	assert_int_equal(system(command), 0);
	free(command);
}

static void
the_room_made_in_the_wal_survives_a_crash_with_what_is_in_it(void **state)
{
	struct fixture *f = *state;
	char *wal = xasprintf("%s-wal", f->path);
	char *copy = xasprintf("%s.copy", f->path);
	char *copy_wal = xasprintf("%s.copy-wal", f->path);
	struct stat st;

	put(f, "a", "1", "x");
	assert_int_equal(stat(wal, &st), 0);
	assert_true((uint64_t)st.st_size >= f->conf.store.wal_size / 4);
	copy_file(f->path, copy);
	copy_file(wal, copy_wal);
	assert_int_equal(ask(copy, "SELECT count(*) FROM log"), 1);
	edit(copy, "PRAGMA wal_checkpoint(TRUNCATE)");
	unlink(copy);
	unlink(copy_wal);
	free(wal);
	free(copy);
	free(copy_wal);
}

/* A file of zeros has no header: an empty WAL, to a store that begins. */
static void
takes_a_wal_of_zeros_as_empty(void **state)
{
	struct fixture *f = *state;
	char *wal = xasprintf("%s-wal", f->path);
	uint64_t seq = put(f, "a", "1", "x");
	FILE *file;

	store_free(f->store);
	file = fopen(wal, "w");
	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), 1 << 20), 0);
	fclose(file);
	open_store(f);
	assert_true(put(f, "a", "2", "x") > seq);
	assert_int_equal(ask(f->path, "SELECT count(*) FROM log"), 2);
	free(wal);
}

static void
answers_busy_when_the_lock_does_not_come(void **state)
{
	struct fixture *f = *state;
	struct put put;
	sqlite3 *db;

	store_free(f->store);
	f->conf.store.publish_timeout_ms = 100;
	open_store(f);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, DEADLINE_MS);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	put = put_entry(f, item("a", "1", "x"));
	assert_int_equal(put.err, ERR_BUSY);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	put = put_entry(f, item("a", "1", "x"));
	assert_int_equal(put.err, ERR_OK);
	assert_false(put.results[0].duplicate);
	assert_int_equal(put.results[0].prev_seq, 0);
}

static void
refuses(struct fixture *f, int wanted, const char *word)
{
	struct buf why;
	int status = 0;

	buf_init(&why, 0);
	assert_null(store_open(&f->conf, "test", &why, &status));
	assert_int_equal(status, wanted);
	assert_non_null(strstr(why.data, f->conf.store.path));
	if (strstr(why.data, word) == NULL)
		fail_msg("no \"%s\" in: %s", word, why.data);
	buf_clear(&why);
}

static void
refuses_a_file_that_is_not_ours_and_leaves_it_alone(void **state)
{
	struct fixture *f = *state;
	char text[32] = "";
	sqlite3 *db;
	FILE *file;

	store_free(f->store);
	unlink(f->path);
	file = fopen(f->path, "w");
	fputs("dear diary, these are my notes", file);
	fclose(file);
	refuses(f, EX_CONFIG, "not a waft store");
	file = fopen(f->path, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "dear diary, these are my notes");
	fclose(file);
	file = fopen(f->path, "w");
	fputs("1", file);
	fclose(file);
	refuses(f, EX_CONFIG, "not a waft store");
	unlink(f->path);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_exec(db, "CREATE TABLE theirs (x)", NULL, NULL, NULL);
	sqlite3_close(db);
	refuses(f, EX_CONFIG, "not a waft store");
	unlink(f->path);
	open_store(f);
}

static void
refuses_an_item_while_the_disk_is_full_and_breaks_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	const char *why = NULL;
	uint64_t first;
	struct got got;
	struct put put_;

	store_free(f->store);
	disk_install();
	open_store(f);
	first = put(f, "a", "1", "x");
	assert_true(store_is_writable(f->store, &why));
	disk.full = true;
	put_ = put_entry(f, item("a", "2", "x"));
	assert_int_equal(put_.err, ERR_FULL);
	assert_false(store_is_writable(f->store, &why));
	assert_string_equal(why, "the disk of the store is full");
	assert_int_equal(subscribe(f, "a", "u@x", SUB_ACTIVE).err, ERR_FULL);
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 1);
	assert_int_equal(store_newest(f->store), first);
	disk.full = false;
	/* Nobody has to publish for it to notice. */
	while (!store_is_writable(f->store, &why) && clock_mono_ms() < until_ms)
		usleep(1000);
	assert_true(store_is_writable(f->store, &why));
	put_ = put_entry(f, item("a", "2", "x"));
	assert_int_equal(put_.err, ERR_OK);
	assert_false(put_.results[0].duplicate);
	assert_int_equal(put_.results[0].prev_seq, first);
	reopen(f);
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 2);
	assert_int_equal(list(f, (struct sub_filter){ 0 }, 0, 10).count, 0);
	store_free(f->store);
	disk_remove();
	open_store(f);
}

static void
says_that_a_store_is_read_only_or_the_disk_full(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "1", "x");
	store_free(f->store);
	disk_install();
	disk.read_only = true;
	refuses(f, EX_IOERR, "cannot be written");
	disk.read_only = false;
	unlink(f->path);
	disk.full = true;
	refuses(f, EX_IOERR, "disk is full");
	disk.full = false;
	disk_remove();
	open_store(f);
}

static void
refuses_a_newer_store_and_a_folder_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	char path[] = "/nonexistent/folder/waft.db";
	sqlite3 *db;

	store_free(f->store);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(db);
	refuses(f, EX_CONFIG, "newer");
	unlink(f->path);
	f->conf.store.path = path;
	refuses(f, EX_CANTCREAT, "folder");
	f->conf.store.path = f->path;
	open_store(f);
}

static void
brings_an_older_store_up_to_date(void **state)
{
	struct fixture *f = *state;
	struct append_result node;
	struct entry *entry;
	struct subbed sub;

	put(f, "a", "1", "x");
	sub = subscribe(f, "a", "u@x", SUB_ACTIVE);
	store_free(f->store);
	edit(f->path,
	    "ALTER TABLE sub DROP COLUMN position; "
	    "ALTER TABLE sub DROP COLUMN changed; "
	    "ALTER TABLE sub DROP COLUMN changed_time; "
	    "ALTER TABLE sub DROP COLUMN ways; "
	    "DROP INDEX channel_node; ALTER TABLE channel DROP COLUMN node; "
	    "ALTER TABLE channel DROP COLUMN node_seq; "
	    "PRAGMA user_version = 1");
	open_store(f);
	assert_true(put_entry(f, item("a", "1", "x")).results[0].duplicate);
	entry = entry_create(ENTRY_NODE, "a", "", NULL, "node", 4);
	node = put_entry(f, entry).results[0];
	assert_false(node.duplicate);
	assert_int_equal(subscribe(f, "a", "u@x", SUB_ACTIVE).changed, sub.n);
}

static void
hides_its_private_file_from_others(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char name[100];

	snprintf(name, sizeof(name), "%s.test", f->path);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON("sqlite", keeps_everything_across_a_restart),
		ON("sqlite",
		    remembers_trimmed_ids_and_deletions_across_a_restart),
		ON("sqlite",
		    never_gives_a_seq_twice_though_the_newest_row_is_gone),
		ON("sqlite", sees_what_another_process_writes_by_its_bell),
		ON("sqlite", forgets_in_a_day_what_everybody_has_seen),
		ON("sqlite", reads_its_memory_anew_when_rows_went_unseen),
		ON("sqlite",
		    the_room_made_in_the_wal_survives_a_crash_with_what_is_in_it),
		ON("sqlite", takes_a_wal_of_zeros_as_empty),
		ON("sqlite", answers_busy_when_the_lock_does_not_come),
		ON("sqlite",
		    refuses_a_file_that_is_not_ours_and_leaves_it_alone),
		ON("sqlite",
		    refuses_an_item_while_the_disk_is_full_and_breaks_nothing),
		ON("sqlite", says_that_a_store_is_read_only_or_the_disk_full),
		ON("sqlite",
		    refuses_a_newer_store_and_a_folder_that_is_not_there),
		ON("sqlite", brings_an_older_store_up_to_date),
		ON("sqlite", hides_its_private_file_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
