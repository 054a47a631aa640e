#include <stdio.h>

#include "common/store/ledger.h"
#include "tests/unit/unit.h"

static uint64_t
decide(struct ledger *ledger, const char *channel, const char *id, uint64_t seq,
    int64_t now_ms, struct append_result *result)
{
	struct entry *entry =
	    entry_create(ENTRY_ITEM, channel, id, NULL, NULL, 0);
	bool is_new = ledger_decide(ledger, ledger_channel(ledger, channel),
	    entry, seq, now_ms, result);

	entry_unref(entry);
	return is_new ? seq : 0;
}

static void
erase(struct ledger *ledger, const char *channel, uint64_t seq)
{
	struct append_result result;
	struct entry *entry =
	    entry_create(ENTRY_DELETE, channel, "", NULL, NULL, 0);

	assert_true(ledger_decide(ledger, ledger_channel(ledger, channel),
	    entry, seq, 1000, &result));
	entry_unref(entry);
}

TEST(links_each_item_to_the_one_before_it)
{
	struct ledger *ledger = ledger_create(60000);
	struct append_result result;

	decide(ledger, "a", "1", 5, 1000, &result);
	assert_int_equal(result.prev_seq, 0);
	decide(ledger, "b", "1", 6, 1000, &result);
	assert_int_equal(result.prev_seq, 0);
	decide(ledger, "a", "2", 7, 1000, &result);
	assert_int_equal(result.prev_seq, 5);
	assert_false(result.duplicate);
	ledger_free(ledger);
}

TEST(keeps_channel_and_id_apart)
{
	struct ledger *ledger = ledger_create(60000);
	struct append_result result;

	assert_int_equal(decide(ledger, "ab", "c", 1, 1000, &result), 1);
	assert_int_equal(decide(ledger, "a", "bc", 2, 1000, &result), 2);
	assert_int_equal(decide(ledger, "a", "b", 3, 1000, &result), 3);
	assert_int_equal(decide(ledger, "ab", "c", 4, 1000, &result), 0);
	assert_int_equal(result.seq, 1);
	ledger_free(ledger);
}

/* The tables turn every quarter of the ttl; no turn may lose an id early. */
TEST(knows_an_id_for_exactly_the_ttl)
{
	struct ledger *ledger = ledger_create(1000);
	struct append_result result;
	uint64_t seq = 0;
	char id[32];

	for (int64_t now_ms = 5000; now_ms < 12000; now_ms += 50) {
		snprintf(id, sizeof(id), "%lld", (long long)now_ms);
		assert_int_not_equal(decide(ledger, "a", id, ++seq, now_ms,
		                         &result),
		    0);
		if (now_ms < 6000)
			continue;
		snprintf(id, sizeof(id), "%lld", (long long)now_ms - 950);
		assert_int_equal(decide(ledger, "a", id, seq + 1, now_ms,
		                     &result),
		    0);
		assert_int_equal(result.seq, seq - 19);
		assert_true(result.duplicate);
	}
	snprintf(id, sizeof(id), "%d", 11950 - 1000);
	assert_int_not_equal(decide(ledger, "a", id, ++seq, 11950, &result), 0);
	ledger_free(ledger);
}

TEST(takes_a_failed_transaction_back)
{
	struct ledger *ledger = ledger_create(60000);
	struct append_result result;
	struct ledger_channel *channel;
	char id[32];

	decide(ledger, "a", "1", 1, 1000, &result);
	ledger_begin(ledger);
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "x%d", i);
		decide(ledger, i % 2 == 0 ? "a" : "b", id, 2 + (uint64_t)i,
		    1000, &result);
	}
	erase(ledger, "a", 1002);
	ledger_rollback(ledger);
	channel = ledger_find(ledger, "a");
	assert_int_equal(channel->last_seq, 1);
	assert_int_equal(channel->items, 1);
	assert_true(channel->stored);
	assert_int_equal(channel->deleted_seq, 0);
	assert_false(ledger_find(ledger, "b")->stored);
	ledger_begin(ledger);
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "x%d", i);
		assert_int_not_equal(decide(ledger, i % 2 == 0 ? "a" : "b", id,
		                         2 + (uint64_t)i, 1000, &result),
		    0);
	}
	assert_int_equal(decide(ledger, "a", "1", 2000, 1000, &result), 0);
	ledger_free(ledger);
}

static uint64_t
update(struct ledger *ledger, const char *name, const char *id, uint64_t seq)
{
	struct entry *entry = entry_create(ENTRY_ITEM, name, id, NULL, NULL, 0);
	struct append_result result;
	bool taken;

	entry->update = true;
	taken = ledger_decide(ledger, ledger_channel(ledger, name), entry, seq,
	    1000, &result);
	entry_unref(entry);
	return taken ? result.seq : 0;
}

TEST(takes_an_update_under_a_known_id_and_knows_the_id_by_it)
{
	struct ledger *ledger = ledger_create(60000);
	struct append_result result;

	decide(ledger, "a", "1", 1, 1000, &result);
	assert_int_equal(update(ledger, "a", "1", 2), 2);
	assert_int_equal(decide(ledger, "a", "1", 3, 1000, &result), 0);
	assert_int_equal(result.seq, 2);
	ledger_begin(ledger);
	assert_int_equal(update(ledger, "a", "1", 3), 3);
	assert_int_equal(update(ledger, "a", "1", 4), 4);
	ledger_rollback(ledger);
	assert_int_equal(decide(ledger, "a", "1", 3, 1000, &result), 0);
	assert_int_equal(result.seq, 2);
	ledger_free(ledger);
}

TEST(takes_the_ids_of_a_deleted_channel_as_new)
{
	struct ledger *ledger = ledger_create(60000);
	struct append_result result;

	decide(ledger, "a", "1", 1, 1000, &result);
	erase(ledger, "a", 2);
	assert_int_equal(decide(ledger, "a", "1", 3, 1000, &result), 3);
	assert_int_equal(result.prev_seq, 1);
	assert_int_equal(decide(ledger, "a", "1", 4, 1000, &result), 0);
	assert_int_equal(result.seq, 3);
	ledger_free(ledger);
}

TEST(remembers_nothing_when_the_ttl_is_zero)
{
	struct ledger *ledger = ledger_create(0);
	struct append_result result;

	assert_int_equal(decide(ledger, "a", "1", 1, 1000, &result), 1);
	assert_int_equal(decide(ledger, "a", "1", 2, 1000, &result), 2);
	ledger_free(ledger);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_each_item_to_the_one_before_it),
		cmocka_unit_test(keeps_channel_and_id_apart),
		cmocka_unit_test(knows_an_id_for_exactly_the_ttl),
		cmocka_unit_test(takes_a_failed_transaction_back),
		cmocka_unit_test(
		    takes_an_update_under_a_known_id_and_knows_the_id_by_it),
		cmocka_unit_test(takes_the_ids_of_a_deleted_channel_as_new),
		cmocka_unit_test(remembers_nothing_when_the_ttl_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
