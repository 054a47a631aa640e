#include "component/contacts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/unit/unit.h"

#define ALICE "alice@example.com"
#define MANY  1000

static struct contacts *contacts;
static char gone[400]; /* channel jid n; … */

static int
set_up(void **state UNUSED)
{
	contacts = contacts_create();
	gone[0] = '\0';
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	contacts_free(contacts);
	return 0;
}

static struct jid
jid_of(const char *text)
{
	const char *why;
	struct jid jid;

	assert_int_equal(jid_parse(text, strlen(text), &jid, &why), ERR_OK);
	return jid;
}

static enum contacts_news
arrive(const char *text, const char *channel, int priority)
{
	struct jid jid = jid_of(text);

	return contacts_arrive(contacts, &jid, channel, priority, MANY, MANY);
}

static bool
join(const char *text, const char *channel, uint64_t n)
{
	struct jid jid = jid_of(text);

	return contacts_join(contacts, &jid, channel, n);
}

static void
gone_cb(const char *channel, const char *jid, uint64_t n, void *arg UNUSED)
{
	size_t len = strlen(gone);

	snprintf(gone + len, sizeof(gone) - len, "%s %s %llu;", channel, jid,
	    (unsigned long long)n);
}

static const char *
leave(const char *text, const char *channel)
{
	struct jid jid = jid_of(text);

	gone[0] = '\0';
	contacts_leave(contacts, &jid, channel, gone_cb, NULL);
	return gone;
}

static void
expect(const char *text, const char *channel)
{
	struct jid jid = jid_of(text);

	contacts_expect(contacts, &jid, channel, MANY);
}

static bool
is_away(const char *channel)
{
	return contacts_is_away(contacts, ALICE, strlen(ALICE), channel);
}

TEST(c7_5_tracks_each_client_at_each_channel)
{
	assert_int_equal(arrive(ALICE "/one", "a", 0), CONTACTS_NEW);
	assert_int_equal(arrive(ALICE "/one", "a", 5), CONTACTS_KNOWN);
	assert_int_equal(arrive(ALICE "/two", "a", 0), CONTACTS_NEW);
	assert_int_equal(arrive(ALICE "/one", "b", 0), CONTACTS_NEW);
	assert_int_equal(contacts_count(contacts), 3);
	assert_true(join(ALICE "/one", "a", 7));
	assert_false(join(ALICE "/one", "a", 8));
	assert_false(join(ALICE "/three", "a", 9));
	assert_int_equal(contacts_joined(contacts), 1);
	assert_string_equal(leave(ALICE "/one", "b"), "");
	assert_string_equal(leave(ALICE "/one", "a"), "a " ALICE "/one 7;");
	assert_string_equal(leave(ALICE "/one", "a"), "");
	assert_int_equal(contacts_count(contacts), 1);
	assert_int_equal(arrive(ALICE "/one", "a", 0), CONTACTS_NEW);
}

TEST(c7_5_takes_all_clients_of_a_bare_jid_out)
{
	arrive(ALICE "/one", "a", 0);
	arrive(ALICE "/two", "a", 0);
	join(ALICE "/one", "a", 1);
	join(ALICE "/two", "a", 2);
	leave(ALICE, "a");
	assert_non_null(strstr(gone, "/one 1;"));
	assert_non_null(strstr(gone, "/two 2;"));
	assert_int_equal(contacts_count(contacts), 0);
	assert_int_equal(contacts_joined(contacts), 0);
}

TEST(c7_5_says_who_is_away_only_where_all_of_his_presence_is_known)
{
	struct jid alice = jid_of(ALICE);

	/* One client told us; of others we hear nothing. */
	arrive(ALICE "/one", "a", 0);
	leave(ALICE "/one", "a");
	assert_false(is_away("a"));
	arrive(ALICE "/one", "a", -1);
	assert_false(is_away("a"));
	leave(ALICE "/one", "a");

	expect(ALICE, "a");
	assert_false(is_away("a"));
	arrive(ALICE "/one", "a", -1);
	assert_true(is_away("a"));
	arrive(ALICE "/two", "a", 0);
	assert_false(is_away("a"));
	arrive(ALICE "/two", "a", -5);
	assert_true(is_away("a"));
	arrive(ALICE "/one", "a", 1);
	assert_false(is_away("a"));
	leave(ALICE "/one", "a");
	leave(ALICE "/two", "a");
	assert_true(is_away("a"));
	assert_false(is_away("b"));
	contacts_forget(contacts, &alice, "a");
	assert_false(is_away("a"));
}

TEST(c7_6_takes_the_answer_to_a_probe_from_the_bare_jid)
{
	expect(ALICE, "a");
	leave(ALICE, "a");
	assert_true(is_away("a"));
	arrive(ALICE "/one", "a", 0);
	assert_false(is_away("a"));
}

TEST(c7_7_takes_no_acknowledgement_for_going_offline)
{
	leave(ALICE, "a");
	assert_false(is_away("a"));
	expect(ALICE, "a");
	arrive(ALICE "/one", "a", 0);
	assert_false(is_away("a"));
}

TEST(parts_those_who_need_it_no_more_and_knows_them_still)
{
	struct jid jid = jid_of(ALICE);

	arrive(ALICE "/one", "a", 0);
	arrive("bob@example.com/x", "a", 0);
	join(ALICE "/one", "a", 1);
	join("bob@example.com/x", "a", 2);
	contacts_part(contacts, &jid, "a", gone_cb, NULL);
	assert_string_equal(gone, "a " ALICE "/one 1;");
	assert_int_equal(arrive(ALICE "/one", "a", 0), CONTACTS_KNOWN);
	gone[0] = '\0';
	contacts_part_channel(contacts, "a", 1, NULL, gone_cb, NULL);
	assert_string_equal(gone, "a bob@example.com/x 2;");
	assert_int_equal(contacts_joined(contacts), 0);
	assert_int_equal(contacts_count(contacts), 2);
}

TEST(c7_6_forgets_all_with_the_link)
{
	arrive(ALICE "/one", "a", 0);
	arrive(ALICE "/one", "b", 0);
	join(ALICE "/one", "b", 3);
	contacts_clear(contacts, gone_cb, NULL);
	assert_string_equal(gone, "b " ALICE "/one 3;");
	assert_int_equal(contacts_count(contacts), 0);
	assert_int_equal(arrive(ALICE "/one", "a", 0), CONTACTS_NEW);
}

TEST(keeps_so_many_and_so_many_of_one)
{
	struct jid jid;
	char text[64];
	int i, new = 0;

	for (i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), ALICE "/%d", i);
		jid = jid_of(text);
		if (contacts_arrive(contacts, &jid, "a", 0, 10, 6) ==
		    CONTACTS_NEW)
			new ++;
	}
	assert_int_equal(new, 5); /* and the place */
	for (i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "u%d@example.com/x", i);
		jid = jid_of(text);
		if (contacts_arrive(contacts, &jid, "a", 0, 10, 6) ==
		    CONTACTS_NEW)
			new ++;
	}
	assert_int_equal(new, 10);
	assert_int_equal(contacts_arrive(contacts, &jid, "a", 0, 10, 6),
	    CONTACTS_FULL);
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(c7_5_tracks_each_client_at_each_channel),
		RULE(c7_5_takes_all_clients_of_a_bare_jid_out),
		RULE(
		    c7_5_says_who_is_away_only_where_all_of_his_presence_is_known),
		RULE(c7_6_takes_the_answer_to_a_probe_from_the_bare_jid),
		RULE(c7_7_takes_no_acknowledgement_for_going_offline),
		RULE(parts_those_who_need_it_no_more_and_knows_them_still),
		RULE(c7_6_forgets_all_with_the_link),
		RULE(keeps_so_many_and_so_many_of_one),
	};

	return cmocka_run_group_tests_name("contacts", tests, NULL, NULL);
}
