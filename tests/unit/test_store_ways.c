/* What a subscription was made by. */
#include "tests/unit/store_fixture.h"

static struct subbed
put_by(struct fixture *f, unsigned ways)
{
	struct subscription sub = { .owner = "push.example",
		.channel = "a",
		.address = "u@x",
		.ways = ways };
	struct subbed subbed = { 0 };

	store_sub_put(f->store, f->loop, &sub, subbed_cb, &subbed);
	await(f, &subbed.done);
	return subbed;
}

static void
ways_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	assert_int_equal(err, ERR_OK);
	assert_int_equal(count, 1);
	*(unsigned *)arg = subs[0].ways;
}

static unsigned
ways_of(struct fixture *f)
{
	const struct sub_filter filter = { .channel = "a" };
	unsigned ways = 0;

	store_sub_list(f->store, f->loop, &filter, 0, 10, ways_cb, &ways);
	while (ways == 0)
		loop_turn(f->loop, true);
	return ways;
}

static void
adds_ways_and_takes_back_those_that_are_no_more(void **state)
{
	struct fixture *f = *state;
	struct subbed first = put_by(f, SUB_BY_PRESENCE);

	assert_int_equal(first.ways, SUB_BY_PRESENCE);
	assert_int_equal(ways_of(f), SUB_BY_PRESENCE);
	assert_true(put_by(f, 0).existed);
	assert_int_equal(ways_of(f), SUB_BY_PRESENCE);
	assert_false(put_by(f, SUB_BY_REQUEST).existed);
	assert_true(put_by(f, SUB_BY_PRESENCE).existed);
	assert_int_equal(ways_of(f), SUB_BY_REQUEST | SUB_BY_PRESENCE);
	assert_int_equal(put_by(f, SUB_BY_REQUEST | SUB_WAYS_EXACT).n, first.n);
	assert_int_equal(ways_of(f), SUB_BY_REQUEST);
}

static void
makes_one_by_request_where_nothing_is_said(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put_by(f, 0).ways, SUB_BY_REQUEST);
	assert_int_equal(ways_of(f), SUB_BY_REQUEST);
}

static void
logs_the_ways(void **state)
{
	struct fixture *f = *state;
	struct entry *entries[4];
	struct subscription sub;
	int n;

	put_by(f, SUB_BY_PRESENCE);
	n = store_tail(f->store, 0, entries, 4);
	assert_int_equal(n, 1);
	assert_true(subscription_unpack(entries[0], &sub));
	assert_int_equal(sub.ways, SUB_BY_PRESENCE);
	assert_int_equal(sub.state, SUB_ACTIVE);
	entry_unref(entries[0]);
}

#define BOTH(rule) ON("memory", rule), ON("sqlite", rule)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(adds_ways_and_takes_back_those_that_are_no_more),
		BOTH(makes_one_by_request_where_nothing_is_said),
		BOTH(logs_the_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
