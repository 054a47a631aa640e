#include "component/members.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static void
assert_at(const struct members *members, size_t i, uint64_t n, const char *text)
{
	const struct member *member = &members->list[i];

	assert_true(i < members->count);
	assert_int_equal(member->n, n);
	assert_int_equal(member->len, strlen(text));
	assert_memory_equal(members_text(members, member), text, member->len);
}

static bool
put(struct members *members, uint64_t n, uint64_t since, const char *text)
{
	struct member member = {
		.n = n,
		.since = since,
		.len = (uint16_t)strlen(text),
	};

	return members_put(members, &member, text);
}

TEST(stays_in_order_of_n_however_they_come)
{
	struct members members;

	members_init(&members);
	assert_true(put(&members, 5, 0, "e@x"));
	assert_true(put(&members, 9, 0, "i@x"));
	assert_true(put(&members, 7, 0, "g@x"));
	assert_true(put(&members, 1, 0, "a@x"));
	assert_false(put(&members, 7, 0, "other@x"));
	assert_int_equal(members.count, 4);
	assert_at(&members, 0, 1, "a@x");
	assert_at(&members, 1, 5, "e@x");
	assert_at(&members, 2, 7, "g@x");
	assert_at(&members, 3, 9, "i@x");
	assert_int_equal(members_after(&members, 0), 0);
	assert_int_equal(members_after(&members, 5), 2);
	assert_int_equal(members_after(&members, 6), 2);
	assert_int_equal(members_after(&members, 9), 4);
	members_clear(&members);
}

TEST(gives_back_the_room_of_those_who_left)
{
	struct members members;
	char jid[32];
	uint64_t n;

	members_init(&members);
	for (n = 1; n <= 1000; n++) {
		snprintf(jid, sizeof(jid), "user%llu@x", (unsigned long long)n);
		put(&members, n, 0, jid);
	}
	for (n = 1; n <= 990; n++)
		assert_true(members_del(&members, n));
	assert_false(members_del(&members, 990));
	assert_int_equal(members.count, 10);
	assert_true(members.text.len < 1000);
	assert_at(&members, 0, 991, "user991@x");
	assert_at(&members, 9, 1000, "user1000@x");
	members_clear(&members);
}

TEST(a_deleted_channel_keeps_those_who_came_after)
{
	struct members members;

	members_init(&members);
	put(&members, 1, 10, "a@x");
	put(&members, 2, 20, "b@x");
	put(&members, 3, 30, "c@x");
	members_del_before(&members, 20);
	assert_int_equal(members.count, 2);
	assert_at(&members, 0, 2, "b@x");
	assert_at(&members, 1, 3, "c@x");
	members_clear(&members);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_in_order_of_n_however_they_come),
		cmocka_unit_test(gives_back_the_room_of_those_who_left),
		cmocka_unit_test(a_deleted_channel_keeps_those_who_came_after),
	};

	return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
