/* What a request changes in the log, inside the writer's transaction. */
#include <string.h>

#include "common/base/clock.h"
#include "common/store/writer.h"

#define APPLY_PIN_MS 900

void
apply_prepare(struct writer *writer)
{
	sqlite3 *db = writer->db;

	writer->insert = db_prepare(db,
	    "INSERT INTO log (seq, kind, channel, prev_seq, id, prev_id, "
	    "time, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	writer->channel_store =
	    db_prepare(db, "UPDATE channel SET stored = 1 WHERE id = ?");
	writer->delete_items =
	    db_prepare(db, "DELETE FROM log WHERE channel = ? AND kind = 0");
	writer->delete_subs =
	    db_prepare(db, "DELETE FROM sub WHERE channel = ?");
	writer->delete_mark = db_prepare(db,
	    "UPDATE channel SET stored = 0, deleted_seq = ?, last_seq = ?, "
	    "last_time = ?, node = NULL, node_seq = 0 WHERE id = ?");
	writer->node_find =
	    db_prepare(db, "SELECT node_seq FROM channel WHERE id = ?");
	writer->node_set = db_prepare(db,
	    "UPDATE channel SET node = ?, node_seq = ? WHERE id = ?");
	writer->sub_find = db_prepare(db,
	    "SELECT n, since, time, state, reason, position, changed, "
	    "changed_time, ways FROM sub "
	    "WHERE channel = ? AND owner = ? AND address = ?");
	writer->sub_add = db_prepare(db,
	    "INSERT INTO sub (n, owner, channel, address, since, time, state, "
	    "reason, position, changed, changed_time, ways) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	writer->sub_set = db_prepare(db,
	    "UPDATE sub SET state = ?, reason = ?, position = ?, "
	    "changed = ?, changed_time = ?, ways = ? WHERE n = ?");
	writer->sub_del = db_prepare(db, "DELETE FROM sub WHERE n = ?");
	writer->pin_set = db_prepare(db,
	    "INSERT OR REPLACE INTO pin (owner, seq) VALUES (?, ?)");
	writer->pin_del = db_prepare(db, "DELETE FROM pin WHERE owner = ?");
}

static int
apply_insert(struct writer *writer, struct entry *entry, int64_t channel,
    const char *id)
{
	sqlite3_stmt *stmt = writer->insert;

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)entry->seq);
	sqlite3_bind_int(stmt, 2, entry->kind);
	sqlite3_bind_int64(stmt, 3, channel);
	sqlite3_bind_int64(stmt, 4, (sqlite3_int64)entry->prev_seq);
	db_bind_text(stmt, 5, id);
	db_bind_text(stmt, 6, entry->prev_id);
	sqlite3_bind_int64(stmt, 7, entry->time_ms);
	sqlite3_bind_blob(stmt, 8, entry->data, (int)entry->data_len,
	    SQLITE_STATIC);
	writer->wrote = true;
	writer->newest = entry->seq;
	writer_batch(writer, entry_ref(entry));
	return db_run(stmt);
}

/* Everything of a channel but the ids, which expire, and its last seq. */
static int
apply_delete(struct writer *writer, const struct ledger_channel *channel,
    int64_t row)
{
	int code;

	sqlite3_bind_int64(writer->delete_items, 1, row);
	code = db_run(writer->delete_items);
	if (code != SQLITE_OK)
		return code;
	db_bind_text(writer->delete_subs, 1, channel->name);
	code = db_run(writer->delete_subs);
	if (code != SQLITE_OK)
		return code;
	sqlite3_bind_int64(writer->delete_mark, 1,
	    (sqlite3_int64)channel->deleted_seq);
	sqlite3_bind_int64(writer->delete_mark, 2,
	    (sqlite3_int64)channel->last_seq);
	sqlite3_bind_int64(writer->delete_mark, 3, channel->last_ms);
	sqlite3_bind_int64(writer->delete_mark, 4, row);
	return db_run(writer->delete_mark);
}

/* The row of the log is written by apply_entry(). */
static int
apply_node(struct writer *writer, const struct entry *entry, int64_t row)
{
	sqlite3_stmt *stmt = writer->node_set;

	sqlite3_bind_blob(stmt, 1, entry->data, (int)entry->data_len,
	    SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)entry->seq);
	sqlite3_bind_int64(stmt, 3, row);
	return db_run(stmt);
}

/* A node is made from the one that is there. */
static bool
apply_is_late(struct writer *writer, const struct entry *entry, int64_t row,
    struct append_result *result)
{
	sqlite3_bind_int64(writer->node_find, 1, row);
	/* Row 0 is none. */
	result->seq = (uint64_t)db_number(writer->node_find, 0);
	result->duplicate = result->seq != entry->prev_seq;
	return result->duplicate;
}

static int
apply_entry(struct writer *writer, struct entry *entry, int64_t now_ms,
    struct append_result *result)
{
	struct ledger_channel *channel =
	    ledger_channel(writer->ledger, entry->channel);
	bool stored = channel->stored;
	int64_t row;
	int code;

	row = writer_row(writer, channel, false, &code);
	if (entry->kind == ENTRY_NODE &&
	    apply_is_late(writer, entry, row, result))
		return SQLITE_OK;
	if (row == 0)
		row = writer_row(writer, channel, true, &code);
	if (row == 0)
		return code;
	if (!ledger_decide(writer->ledger, channel, entry, writer->newest + 1,
	        now_ms, result))
		return SQLITE_OK;
	code = apply_insert(writer, entry, row, entry->id);
	if (code == SQLITE_OK && entry->kind == ENTRY_DELETE)
		return apply_delete(writer, channel, row);
	if (code == SQLITE_OK && entry->kind == ENTRY_NODE)
		code = apply_node(writer, entry, row);
	if (code == SQLITE_OK && !stored) {
		sqlite3_bind_int64(writer->channel_store, 1, row);
		code = db_run(writer->channel_store);
	}
	return code;
}

static int
apply_append(struct writer *writer, struct append_request *append)
{
	int64_t now_ms = clock_wall_ms();
	int code = SQLITE_OK;

	for (size_t i = 0; i < append->count && code == SQLITE_OK; i++)
		code = apply_entry(writer, append->entries[i], now_ms,
		    &append->results[i]);
	return code;
}

/* ---- subscriptions --------------------------------------------------- */

static int
apply_sub_entry(struct writer *writer, enum entry_kind kind,
    const struct subscription *sub)
{
	struct entry *entry;
	struct buf data;
	int code;

	buf_init(&data, 0);
	subscription_pack(sub, &data);
	entry = entry_create(kind, sub->channel, "", NULL, data.data, data.len);
	buf_clear(&data);
	entry->seq = writer->newest + 1;
	entry->time_ms = clock_wall_ms();
	code = apply_insert(writer, entry, 0, sub->channel);
	entry_unref(entry);
	return code;
}

/* SQLITE_ROW: there is one, and what the store gave it is in old. */
static int
apply_sub_find(struct writer *writer, const struct subscription *sub,
    struct subscription *old, bool *same)
{
	sqlite3_stmt *stmt = writer->sub_find;
	int code;

	db_bind_text(stmt, 1, sub->channel);
	db_bind_text(stmt, 2, sub->owner);
	db_bind_text(stmt, 3, sub->address);
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		old->n = (uint64_t)sqlite3_column_int64(stmt, 0);
		old->since = (uint64_t)sqlite3_column_int64(stmt, 1);
		old->time_ms = sqlite3_column_int64(stmt, 2);
		old->state = (enum sub_state)sqlite3_column_int(stmt, 3);
		old->reason = (const char *)sqlite3_column_text(stmt, 4);
		old->position = (uint64_t)sqlite3_column_int64(stmt, 5);
		old->changed = (uint64_t)sqlite3_column_int64(stmt, 6);
		old->changed_ms = sqlite3_column_int64(stmt, 7);
		old->ways = (unsigned)sqlite3_column_int(stmt, 8);
		*same = subscription_is_same(old, sub);
		old->reason = NULL;
	}
	sqlite3_reset(stmt);
	return code;
}

static int
apply_sub_add(struct writer *writer, struct subscription *sub)
{
	sqlite3_stmt *stmt = writer->sub_add;

	subscription_change(sub, NULL, writer->newest + 1, clock_wall_ms());
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)sub->n);
	db_bind_text(stmt, 2, sub->owner);
	db_bind_text(stmt, 3, sub->channel);
	db_bind_text(stmt, 4, sub->address);
	sqlite3_bind_int64(stmt, 5, (sqlite3_int64)sub->since);
	sqlite3_bind_int64(stmt, 6, sub->time_ms);
	sqlite3_bind_int(stmt, 7, sub->state);
	db_bind_text(stmt, 8, sub->reason);
	sqlite3_bind_int64(stmt, 9, (sqlite3_int64)sub->position);
	sqlite3_bind_int64(stmt, 10, (sqlite3_int64)sub->changed);
	sqlite3_bind_int64(stmt, 11, sub->changed_ms);
	sqlite3_bind_int(stmt, 12, (int)sub->ways);
	return db_run(stmt);
}

static int
apply_sub_set(struct writer *writer, struct subscription *sub,
    const struct subscription *old)
{
	sqlite3_stmt *stmt = writer->sub_set;

	subscription_change(sub, old, writer->newest + 1, clock_wall_ms());
	sqlite3_bind_int(stmt, 1, sub->state);
	db_bind_text(stmt, 2, sub->reason);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)sub->position);
	sqlite3_bind_int64(stmt, 4, (sqlite3_int64)sub->changed);
	sqlite3_bind_int64(stmt, 5, sub->changed_ms);
	sqlite3_bind_int(stmt, 6, (int)sub->ways);
	sqlite3_bind_int64(stmt, 7, (sqlite3_int64)sub->n);
	return db_run(stmt);
}

static int
apply_sub_put(struct writer *writer, struct request *request)
{
	struct subscription *sub = &request->u.sub.sub, old = { 0 };
	int code;

	code = apply_sub_find(writer, sub, &old, &request->u.sub.existed);
	if (code == SQLITE_ROW && request->u.sub.existed) {
		subscription_keep(sub, &old);
		return SQLITE_OK;
	}
	if (code == SQLITE_ROW)
		code = apply_sub_set(writer, sub, &old);
	else if (code == SQLITE_DONE)
		code = apply_sub_add(writer, sub);
	if (code != SQLITE_OK)
		return code;
	return apply_sub_entry(writer, ENTRY_SUB, sub);
}

static int
apply_sub_del(struct writer *writer, struct request *request)
{
	struct subscription *sub = &request->u.sub.sub, old = { 0 };
	int code;

	code = apply_sub_find(writer, sub, &old, &request->u.sub.existed);
	if (code == SQLITE_DONE) {
		request->err = ERR_NOTFOUND;
		return SQLITE_OK;
	}
	if (code != SQLITE_ROW)
		return code;
	request->u.sub.existed = true;
	subscription_keep(sub, &old);
	sqlite3_bind_int64(writer->sub_del, 1, (sqlite3_int64)sub->n);
	code = db_run(writer->sub_del);
	if (code != SQLITE_OK)
		return code;
	return apply_sub_entry(writer, ENTRY_UNSUB, sub);
}

int
apply_request(struct writer *writer, struct request *request)
{
	switch (request->kind) {
	case REQUEST_SUB_PUT:
		return apply_sub_put(writer, request);
	case REQUEST_SUB_DEL:
		return apply_sub_del(writer, request);
	default:
		return apply_append(writer, &request->u.append);
	}
}

/* ---- pins ------------------------------------------------------------ */

int
apply_pins(struct writer *writer)
{
	int64_t now_ms = clock_mono_ms();
	int code = SQLITE_OK;

	if (writer->pinned_ms != 0 && now_ms - writer->pinned_ms < APPLY_PIN_MS)
		return SQLITE_OK;
	writer->pinned_ms = now_ms;
	pthread_mutex_lock(&writer->pin_lock);
	for (size_t i = 0; i < writer->n_pins && code == SQLITE_OK; i++) {
		struct writer_pin *pin = &writer->pins[i];
		sqlite3_stmt *stmt =
		    pin->seq == 0 ? writer->pin_del : writer->pin_set;

		if (!pin->dirty)
			continue;
		db_bind_text(stmt, 1, pin->owner);
		if (pin->seq != 0)
			sqlite3_bind_int64(stmt, 2, (sqlite3_int64)pin->seq);
		code = db_run(stmt);
		pin->dirty = false;
		writer->wrote = true;
	}
	writer->pins_dirty = false;
	pthread_mutex_unlock(&writer->pin_lock);
	return code;
}
