/*
 * Three processes publish into one store, follow its log, read its history, and
 * are killed at random moments.  Afterwards the log itself is the judge:
 *
 *	what was acknowledged is in it, with that seq and prev_seq;
 *	each id of a channel is in it once, though all publish the same ids;
 *	every prev_seq is that of the item before on the channel;
 *	what each process saw is a piece of it without a hole, strictly by seq,
 *	and those that lived to the end saw its end.
 *
 * usage: store_stress [seconds [seed]]
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/store/store.h"

#define PROCESSES 3
#define CHANNELS  20
#define IN_FLIGHT 12
#define SCAN_MAX  500
/* With nothing new for so long, a process that publishes no more has seen the
 * end. */
#define QUIET_MS 1500

struct record {
	uint64_t seq;
	uint64_t prev_seq;
	uint32_t channel;
	char id[28];
};

static char dir[64], path[80], pattern[] = "*", engine[] = "sqlite";
static struct conf_class class = { .pattern = pattern,
	.history_items = INT32_MAX,
	.history_age_ms = 3600000 };
static struct conf conf = { .store = { .engine = engine,
	                        .path = path,
	                        .publish_timeout_ms = 5000,
	                        .duplicate_ttl_ms = 600000,
	                        .tail_size = 256 << 10,
	                        .wal_size = 2 << 20,
	                        .pin_size = 1 << 20 },
	.classes = &class,
	.n_classes = 1 };

static void
give_up(const char *what, long long a, long long b)
{
	fprintf(stderr, "store_stress: %s (%lld, %lld) in %s\n", what, a, b,
	    dir);
	exit(1);
}

static struct store *
open_store(const char *daemon)
{
	struct buf why;
	struct store *store;
	int status;

	buf_init(&why, 0);
	store = store_open(&conf, daemon, &why, &status);
	if (store == NULL) {
		fprintf(stderr, "store_stress: %s\n", why.data);
		exit(1);
	}
	buf_clear(&why);
	return store;
}

static uint32_t
channel_number(const char *name)
{
	return (uint32_t)strtoul(name + 1, NULL, 10);
}

/* ---- one process ----------------------------------------------------- */

struct player {
	struct store *store;
	struct loop *loop;
	struct follower *follower;
	int view_fd;
	int acks_fd;
	uint64_t cursor;
	bool scanning;
	bool reading;
	int in_flight;
	int index;
	unsigned count;
	unsigned short random[3];
	int64_t saw_ms;
};

struct publish {
	struct player *player;
	struct record record;
};

static volatile sig_atomic_t stopping;

static void
stop_cb(int number)
{
	(void)number;
	stopping = 1;
}

static void
player_write(int fd, const struct record *record)
{
	if (write(fd, record, sizeof(*record)) != sizeof(*record))
		give_up("cannot record", errno, 0);
}

static void
player_saw(struct player *player, const struct entry *entry)
{
	struct record record = { .seq = entry->seq,
		.prev_seq = entry->prev_seq,
		.channel = channel_number(entry->channel) };

	if (entry->seq <= player->cursor)
		give_up("seen out of order", (long long)entry->seq,
		    (long long)player->cursor);
	snprintf(record.id, sizeof(record.id), "%s", entry->id);
	player_write(player->view_fd, &record);
	player->cursor = entry->seq;
	player->saw_ms = clock_mono_ms();
}

static void player_follow_cb(void *arg);

static void
player_scan_cb(const struct read_result *result, void *arg)
{
	struct player *player = arg;

	if (result->err != ERR_OK || result->state != READ_COMPLETE)
		give_up("scan", result->err, result->state);
	for (size_t i = 0; i < result->count; i++)
		player_saw(player, result->entries[i]);
	player->scanning = false;
	player_follow_cb(player);
}

static void
player_follow_cb(void *arg)
{
	struct player *player = arg;
	struct entry *entries[64];
	int n;

	if (player->scanning)
		return;
	while ((n = store_tail(player->store, player->cursor, entries, 64)) > 0)
		for (int i = 0; i < n; i++) {
			player_saw(player, entries[i]);
			entry_unref(entries[i]);
		}
	if (n == 0)
		return;
	player->scanning = true;
	store_scan(player->store, player->loop, player->cursor, SCAN_MAX,
	    player_scan_cb, player);
}

static void
player_read_cb(const struct read_result *result, void *arg)
{
	struct player *player = arg;

	player->reading = false;
	if (result->err != ERR_OK || result->state != READ_COMPLETE)
		give_up("read", result->err, result->state);
	for (size_t i = 1; i < result->count; i++)
		if (result->entries[i]->prev_seq != result->entries[i - 1]->seq)
			give_up("history has a hole",
			    (long long)result->entries[i]->seq,
			    (long long)result->entries[i]->prev_seq);
}

static void
player_read(struct player *player)
{
	char channel[16];

	if (player->reading)
		return;
	player->reading = true;
	snprintf(channel, sizeof(channel), "c%ld",
	    nrand48(player->random) % CHANNELS);
	store_read(player->store, player->loop, channel,
	    player->cursor > 500 ? player->cursor - 500 : 0, 100,
	    player_read_cb, player);
}

static void
player_answer_cb(enum err err, const struct append_result *results,
    size_t count, void *arg)
{
	struct publish *publish = arg;
	struct player *player = publish->player;
	struct record record = publish->record;

	player->in_flight--;
	if (err == ERR_OK) {
		if (store_newest(player->store) < results[0].seq)
			give_up("answered before it was in the tail",
			    (long long)results[0].seq, 0);
		record.seq = results[0].seq;
		record.prev_seq = results[0].prev_seq;
		player_write(player->acks_fd, &record);
	} else if (err != ERR_BUSY)
		give_up("publish", err, (long long)count);
	free(publish);
}

/* Some ids are a process's own, some are everybody's, some were used before. */
static void
player_publish(struct player *player)
{
	struct publish *publish = xcalloc(1, sizeof(*publish));
	struct record *record = &publish->record;
	long kind = nrand48(player->random) % 4;
	char channel[16], text[300];
	struct entry *entry;
	struct buf data;

	publish->player = player;
	record->channel = (uint32_t)(nrand48(player->random) % CHANNELS);
	if (kind == 0)
		snprintf(record->id, sizeof(record->id), "all-%lld",
		    (long long)(clock_wall_ms() / 50));
	else
		snprintf(record->id, sizeof(record->id), "%d-%d-%u",
		    player->index, (int)getpid(),
		    kind == 1 ? player->count / 2 : player->count);
	player->count++;
	snprintf(channel, sizeof(channel), "c%u", record->channel);
	memset(text, 'x', sizeof(text));
	buf_init(&data, 0);
	entry_pack(&data, "json-object", text,
	    (size_t)(nrand48(player->random) % (long)sizeof(text)));
	entry = entry_create(ENTRY_ITEM, channel, record->id, NULL, data.data,
	    data.len);
	buf_clear(&data);
	player->in_flight++;
	store_append(player->store, player->loop, &entry, 1, player_answer_cb,
	    publish);
}

static int
player_file(const char *kind, int index, int life)
{
	char name[120];
	int fd;

	snprintf(name, sizeof(name), "%s/%s-%d-%d", dir, kind, index, life);
	fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0)
		give_up("cannot make a file", errno, 0);
	return fd;
}

static void
player_run(int index, int life, unsigned seed)
{
	struct player player = { .index = index };
	struct record first = { 0 };
	char daemon[16];

	signal(SIGTERM, stop_cb);
	snprintf(daemon, sizeof(daemon), "p%d", index);
	player.random[0] = (unsigned short)(seed + (unsigned)life);
	player.random[1] = (unsigned short)index;
	player.loop = loop_create();
	player.store = open_store(daemon);
	player.view_fd = player_file("view", index, life);
	player.acks_fd = player_file("acks", index, life);
	first.seq = player.cursor = store_newest(player.store);
	player_write(player.view_fd, &first);
	player.follower =
	    store_follow(player.store, player.loop, player_follow_cb, &player);
	player.saw_ms = clock_mono_ms();
	while (!stopping || player.in_flight != 0 || player.reading ||
	    player.scanning || clock_mono_ms() - player.saw_ms < QUIET_MS) {
		while (!stopping && player.in_flight < IN_FLIGHT)
			player_publish(&player);
		if (!stopping)
			player_read(&player);
		loop_turn(player.loop, false);
		usleep(500);
	}
	store_unfollow(player.follower);
	store_free(player.store);
	loop_free(player.loop);
	exit(0);
}

/* ---- the judge ------------------------------------------------------- */

struct log {
	struct record *records;
	size_t count;
	size_t size;
	bool done;
	uint64_t upto;
};

struct seen_id {
	UT_hash_handle hh;
	const struct record *record;
	char key[];
};

static void
judge_scan_cb(const struct read_result *result, void *arg)
{
	struct log *log = arg;

	for (size_t i = 0; i < result->count; i++) {
		const struct entry *entry = result->entries[i];
		struct record *record;

		if (log->count == log->size) {
			log->size = log->size == 0 ? 1024 : 2 * log->size;
			log->records = xreallocarray(log->records, log->size,
			    sizeof(*log->records));
		}
		record = &log->records[log->count++];
		memset(record, 0, sizeof(*record));
		record->seq = entry->seq;
		record->prev_seq = entry->prev_seq;
		record->channel = channel_number(entry->channel);
		snprintf(record->id, sizeof(record->id), "%s", entry->id);
	}
	log->upto = result->upto;
	log->done = !result->more;
}

static void
judge_read(struct log *log)
{
	struct store *store = open_store("judge");
	struct loop *loop = loop_create();
	uint64_t upto;

	while (!log->done) {
		upto = log->upto;
		store_scan(store, loop, upto, 10000, judge_scan_cb, log);
		while (!log->done && log->upto == upto)
			loop_turn(loop, true);
	}
	store_free(store);
	loop_free(loop);
}

static void
judge_log(const struct log *log, struct seen_id **ids)
{
	uint64_t last[CHANNELS] = { 0 };
	struct seen_id *id;
	char key[64];

	for (size_t i = 0; i < log->count; i++) {
		const struct record *record = &log->records[i];

		if (i != 0 && record->seq <= record[-1].seq)
			give_up("log out of order", (long long)record->seq, 0);
		if (record->prev_seq != last[record->channel])
			give_up("wrong prev_seq", (long long)record->seq,
			    (long long)record->prev_seq);
		last[record->channel] = record->seq;
		snprintf(key, sizeof(key), "%u %s", record->channel,
		    record->id);
		HASH_FIND_STR(*ids, key, id);
		if (id != NULL)
			give_up("stored twice", (long long)record->seq,
			    (long long)id->record->seq);
		id = xcalloc(1, sizeof(*id) + strlen(key) + 1);
		strcpy(id->key, key);
		id->record = record;
		HASH_ADD_KEYPTR(hh, *ids, id->key, strlen(id->key), id);
	}
}

static struct record *
judge_file(const char *kind, int index, int life, size_t *count)
{
	char name[120];
	struct stat st;
	struct record *records;
	int fd;

	*count = 0;
	snprintf(name, sizeof(name), "%s/%s-%d-%d", dir, kind, index, life);
	fd = open(name, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) != 0)
		return NULL;
	/* A kill may have cut the last one. */
	*count = (size_t)st.st_size / sizeof(*records);
	records = xcalloc(*count + 1, sizeof(*records));
	if (read(fd, records, *count * sizeof(*records)) !=
	    (ssize_t)(*count * sizeof(*records)))
		give_up("cannot read", errno, 0);
	close(fd);
	return records;
}

static size_t
judge_view(const struct log *log, int index, int life, bool last)
{
	size_t count, at = 0;
	struct record *view = judge_file("view", index, life, &count);

	if (count == 0) {
		free(view);
		return 0;
	}
	while (at < log->count && log->records[at].seq <= view[0].seq)
		at++;
	for (size_t i = 1; i < count; i++, at++)
		if (at == log->count ||
		    memcmp(&view[i], &log->records[at], sizeof(*view)) != 0)
			give_up("a view differs from the log",
			    (long long)view[i].seq, index * 1000 + life);
	if (last && at != log->count)
		give_up("a view ends before the log",
		    (long long)view[count - 1].seq, index);
	free(view);
	return count - 1;
}

static size_t
judge_acks(struct seen_id *ids, int index, int life)
{
	size_t count;
	struct record *acks = judge_file("acks", index, life, &count);
	struct seen_id *id;
	char key[64];

	for (size_t i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "%u %s", acks[i].channel,
		    acks[i].id);
		HASH_FIND_STR(ids, key, id);
		if (id == NULL)
			give_up("acknowledged and lost", (long long)acks[i].seq,
			    index);
		if (id->record->seq != acks[i].seq ||
		    id->record->prev_seq != acks[i].prev_seq)
			give_up("acknowledged as another",
			    (long long)acks[i].seq, (long long)id->record->seq);
	}
	free(acks);
	return count;
}

static void
judge_free(struct log *log, struct seen_id *ids)
{
	struct seen_id *id, *tmp;

	MAP_FOREACH(id, tmp, ids) {
		HASH_DEL(ids, id);
		free(id);
	}
	free(log->records);
}

/* ---- the parent ------------------------------------------------------ */

static pid_t
spawn(int index, int life, unsigned seed)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork", errno, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		player_run(index, life, seed);
	}
	return pid;
}

static void
reap(pid_t pid, bool killed)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		give_up("wait", errno, 0);
	if (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		give_up("a process failed", status, pid);
}

static int
remove_cb(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(name);
}

int
main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 12, kills = 0;
	unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)getpid();
	int64_t until_ms = clock_mono_ms() + 1000 * (int64_t)seconds;
	int lives[PROCESSES] = { 0 };
	pid_t pids[PROCESSES];
	size_t items, seen = 0, acked = 0;
	struct log log = { 0 };
	struct seen_id *ids = NULL;

	strcpy(dir, "/tmp/waft-stress-XXXXXX");
	if (mkdtemp(dir) == NULL)
		give_up("mkdtemp", errno, 0);
	snprintf(path, sizeof(path), "%s/waft.db", dir);
	log_set_level(LOG_ERROR);
	srand48(seed);
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = spawn(i, 0, seed);
	while (clock_mono_ms() < until_ms) {
		int i = (int)(lrand48() % PROCESSES);

		usleep((useconds_t)(50000 + lrand48() % 400000));
		kill(pids[i], SIGKILL);
		reap(pids[i], true);
		pids[i] = spawn(i, ++lives[i], seed);
		kills++;
	}
	/* The last ones live: they must see the end. */
	usleep(500000);
	for (int i = 0; i < PROCESSES; i++)
		kill(pids[i], SIGTERM);
	for (int i = 0; i < PROCESSES; i++)
		reap(pids[i], false);

	judge_read(&log);
	judge_log(&log, &ids);
	for (int i = 0; i < PROCESSES; i++)
		for (int life = 0; life <= lives[i]; life++) {
			seen += judge_view(&log, i, life, life == lives[i]);
			acked += judge_acks(ids, i, life);
		}
	items = log.count;
	if (items == 0 || acked == 0 || seen == 0)
		give_up("nothing happened", (long long)items, kills);
	judge_free(&log, ids);
	printf("store_stress: %zu items, %zu acknowledged, %zu seen, %d kills, "
	       "seed %u: ok\n",
	    items, acked, seen, kills, seed);
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
