#include "component/roll.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

static enum err
put(struct roll *roll, const char *channel, uint64_t n, const char *jid)
{
	struct subscription sub = {
		.n = n,
		.since = n,
		.channel = channel,
		.address = jid,
	};

	return roll_put(roll, &sub);
}

static struct roll_channel *
find(const struct roll *roll, const char *channel)
{
	return roll_find(roll, channel, strlen(channel));
}

static void
assert_member(const struct members *members, size_t i, uint64_t n,
    const char *text)
{
	const struct member *member = &members->list[i];

	assert_true(i < members->count);
	assert_int_equal(member->n, n);
	assert_int_equal(member->since, n);
	assert_int_equal(member->len, strlen(text));
	assert_memory_equal(members_text(members, member), text, member->len);
}

TEST(opens_a_channel_of_one_and_closes_it_again)
{
	struct roll_channel *channel;
	struct members *members;
	struct roll roll;
	size_t len;

	roll_init(&roll, NULL);
	assert_null(find(&roll, "news"));
	assert_int_equal(put(&roll, "news", 5, "a'b@x/<&>"), ERR_OK);
	assert_int_equal(put(&roll, "news", 5, "a'b@x/<&>"), ERR_CONFLICT);
	channel = find(&roll, "news");
	channel->round = 77;
	members = roll_open(channel);
	assert_true(roll_is_open(channel));
	assert_int_equal(members->count, 1);
	assert_member(members, 0, 5, "a&apos;b@x/&lt;&amp;&gt;");
	assert_true(members->list[0].full);
	roll_close(&roll, channel);
	channel = find(&roll, "news");
	assert_int_equal(channel->round, 77);
	assert_false(roll_is_open(channel));
	assert_memory_equal(roll_name(channel, &len), "news", 4);
	assert_int_equal(len, 4);
	members = roll_open(channel);
	assert_member(members, 0, 5, "a&apos;b@x/&lt;&amp;&gt;");
	assert_true(members->list[0].full);
	roll_clear(&roll);
}

TEST(members_come_and_go_in_a_channel_that_is_open)
{
	struct roll_channel *channel;
	struct members *members;
	struct roll roll;

	roll_init(&roll, NULL);
	put(&roll, "news", 5, "e@x");
	channel = find(&roll, "news");
	members = roll_open(channel);
	assert_int_equal(put(&roll, "news", 3, "c@x"), ERR_OK);
	assert_int_equal(put(&roll, "news", 5, "e@x"), ERR_CONFLICT);
	assert_true(find(&roll, "news") == channel);
	assert_member(members, 0, 3, "c@x");
	assert_member(members, 1, 5, "e@x");
	assert_false(members->list[1].full);
	assert_true(roll_del(&roll, channel, 5));
	assert_false(roll_del(&roll, channel, 5));
	assert_true(roll_del(&roll, channel, 3));
	assert_int_equal(members->count, 0);
	assert_int_equal(roll.n_channels, 1);
	assert_int_equal(roll.n_members, 0);
	roll_close(&roll, channel);
	assert_null(find(&roll, "news"));
	assert_int_equal(roll.n_channels, 0);
	roll_clear(&roll);
}

TEST(the_last_one_takes_the_channel_along)
{
	struct roll roll;

	roll_init(&roll, NULL);
	put(&roll, "news", 1, "a@x");
	put(&roll, "news", 2, "b@x");
	assert_true(roll_del(&roll, find(&roll, "news"), 1));
	assert_false(roll_del(&roll, find(&roll, "news"), 1));
	assert_int_equal(roll.n_members, 1);
	assert_true(roll_del(&roll, find(&roll, "news"), 2));
	assert_null(find(&roll, "news"));
	roll_clear(&roll);
}

TEST(a_deleted_channel_keeps_those_who_came_after)
{
	struct roll roll;

	roll_init(&roll, NULL);
	put(&roll, "one", 10, "a@x");
	roll_del_before(&roll, find(&roll, "one"), 10);
	assert_non_null(find(&roll, "one"));
	roll_del_before(&roll, find(&roll, "one"), 11);
	assert_null(find(&roll, "one"));
	put(&roll, "many", 10, "a@x");
	put(&roll, "many", 20, "b@x");
	put(&roll, "many", 30, "c@x");
	roll_del_before(&roll, find(&roll, "many"), 20);
	assert_int_equal(roll.n_members, 2);
	roll_del_before(&roll, find(&roll, "many"), 40);
	assert_null(find(&roll, "many"));
	assert_int_equal(roll.n_members, 0);
	roll_clear(&roll);
}

TEST(a_name_of_255_bytes_and_a_jid_of_the_longest_fit)
{
	static char name[256], jid[3072];
	struct members *members;
	struct roll roll;

	memset(name, 'n', 255);
	memset(jid, '&', sizeof(jid) - 1);
	roll_init(&roll, NULL);
	put(&roll, name, 1, jid);
	members = roll_open(find(&roll, name));
	assert_int_equal(members->list[0].len, 5 * 3071);
	roll_clear(&roll);
}

/* What a plain array would say. */
#define NAMES 3000

struct model {
	struct roll roll;
	int counts[NAMES]; /* members, with n = name * 4 + 0 … 3 */
	bool there[NAMES][4];
};

static void
model_step(struct model *model)
{
	int name = rand() % NAMES, which = rand() % 4;
	uint64_t n = (uint64_t)name * 4 + (uint64_t)which;
	struct roll_channel *channel;
	char text[32];
	enum err err;

	snprintf(text, sizeof(text), "c%d", name);
	channel = find(&model->roll, text);
	assert_int_equal(channel != NULL, model->counts[name] > 0);
	if (rand() % 2 == 0) {
		err = put(&model->roll, text, n, "a@x");
		assert_int_equal(err == ERR_OK, !model->there[name][which]);
		model->counts[name] += err == ERR_OK;
		model->there[name][which] = true;
	} else if (channel != NULL) {
		assert_int_equal(roll_del(&model->roll, channel, n),
		    model->there[name][which]);
		model->counts[name] -= model->there[name][which];
		model->there[name][which] = false;
	}
}

static void
model_check(const struct model *model)
{
	size_t members = 0, channels = 0, walked = 0, at = 0;
	int i;

	for (i = 0; i < NAMES; i++) {
		members += (size_t)model->counts[i];
		channels += model->counts[i] > 0;
	}
	while (roll_next(&model->roll, &at) != NULL)
		walked++;
	assert_int_equal(model->roll.n_members, members);
	assert_int_equal(model->roll.n_channels, channels);
	assert_int_equal(walked, channels);
}

TEST(says_what_a_plain_array_would_say_whatever_comes_and_goes)
{
	static struct model model;
	int i;

	srand(1);
	roll_init(&model.roll, NULL);
	for (i = 0; i < 100000; i++) {
		model_step(&model);
		if (i % 10000 == 0)
			model_check(&model);
	}
	model_check(&model);
	roll_clear(&model.roll);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_a_channel_of_one_and_closes_it_again),
		cmocka_unit_test(members_come_and_go_in_a_channel_that_is_open),
		cmocka_unit_test(the_last_one_takes_the_channel_along),
		cmocka_unit_test(a_deleted_channel_keeps_those_who_came_after),
		cmocka_unit_test(
		    a_name_of_255_bytes_and_a_jid_of_the_longest_fit),
		cmocka_unit_test(
		    says_what_a_plain_array_would_say_whatever_comes_and_goes),
	};

	return cmocka_run_group_tests_name("roll", tests, NULL, NULL);
}
