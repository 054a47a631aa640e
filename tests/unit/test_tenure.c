#include "component/tenure.h"

#include "common/store/store.h"
#include "tests/unit/unit.h"

/* As answered at 10100, asked at 10000. */
static struct tenure
holder(void)
{
	struct tenure tenure = { 0 };

	assert_int_equal(tenure_next(&tenure, 10000), TENURE_TAKE);
	tenure_asked(&tenure, 10000);
	assert_int_equal(tenure_answer(&tenure, ERR_OK, 7), TENURE_TOOK);
	return tenure;
}

TEST(takes_the_lease_at_once_and_renews_it_each_second)
{
	struct tenure tenure = holder();

	assert_int_equal(tenure.generation, 7);
	assert_int_equal(tenure_next(&tenure, 10999), TENURE_WAIT);
	assert_int_equal(tenure_wait_ms(&tenure, 10400), 600);
	assert_int_equal(tenure_next(&tenure, 11000), TENURE_RENEW);
	tenure_asked(&tenure, 11000);
	assert_int_equal(tenure_next(&tenure, 99000), TENURE_WAIT);
	assert_int_equal(tenure_answer(&tenure, ERR_OK, 0), TENURE_KEPT);
	assert_int_equal(tenure.generation, 7);
}

/* The store counts from when it wrote the lease, which is later. */
TEST(believes_in_it_no_longer_than_the_store_does)
{
	struct tenure tenure = holder();

	assert_true(tenure_holds(&tenure, 10000 + STORE_LEASE_MS - 1));
	assert_false(tenure_holds(&tenure, 10000 + STORE_LEASE_MS));
}

TEST(a_frozen_holder_sends_nothing_until_the_store_has_answered)
{
	struct tenure tenure = holder();

	assert_false(tenure_holds(&tenure, 60000));
	assert_int_equal(tenure_next(&tenure, 60000), TENURE_RENEW);
	tenure_asked(&tenure, 60000);
	assert_false(tenure_holds(&tenure, 60001));
	/* Nobody took it. */
	assert_int_equal(tenure_answer(&tenure, ERR_OK, 0), TENURE_KEPT);
	assert_true(tenure_holds(&tenure, 60002));
}

TEST(a_holder_who_was_replaced_stands_by)
{
	struct tenure tenure = holder();

	tenure_asked(&tenure, 60000);
	assert_int_equal(tenure_answer(&tenure, ERR_GONE, 0), TENURE_LOST);
	assert_false(tenure_holds(&tenure, 60001));
	assert_true(tenure.taken);
	assert_int_equal(tenure_next(&tenure, 60400), TENURE_WAIT);
	assert_int_equal(tenure_next(&tenure, 60500), TENURE_TAKE);
}

TEST(stands_by_while_another_holds_it_and_looks_twice_a_second)
{
	struct tenure tenure = { 0 };

	tenure_asked(&tenure, 1000);
	assert_int_equal(tenure_answer(&tenure, ERR_CONFLICT, 0), TENURE_SAME);
	assert_true(tenure.taken);
	assert_false(tenure_holds(&tenure, 1001));
	assert_int_equal(tenure_wait_ms(&tenure, 1100), 400);
	tenure_asked(&tenure, 1500);
	assert_int_equal(tenure_answer(&tenure, ERR_OK, 8), TENURE_TOOK);
	assert_false(tenure.taken);
	assert_true(tenure_holds(&tenure, 1501));
}

/* A disk that cannot write now says nothing of who holds it. */
TEST(an_error_of_the_disk_takes_nothing_away_before_its_time)
{
	struct tenure tenure = holder(), fresh = { 0 };

	tenure_asked(&tenure, 11000);
	assert_int_equal(tenure_answer(&tenure, ERR_FULL, 0), TENURE_SAME);
	assert_true(tenure_holds(&tenure, 10000 + STORE_LEASE_MS - 1));
	assert_false(tenure_holds(&tenure, 10000 + STORE_LEASE_MS));
	assert_int_equal(tenure_next(&tenure, 12000), TENURE_RENEW);
	tenure_asked(&fresh, 1000);
	assert_int_equal(tenure_answer(&fresh, ERR_IO, 0), TENURE_SAME);
	assert_false(fresh.taken);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    takes_the_lease_at_once_and_renews_it_each_second),
		cmocka_unit_test(believes_in_it_no_longer_than_the_store_does),
		cmocka_unit_test(
		    a_frozen_holder_sends_nothing_until_the_store_has_answered),
		cmocka_unit_test(a_holder_who_was_replaced_stands_by),
		cmocka_unit_test(
		    stands_by_while_another_holds_it_and_looks_twice_a_second),
		cmocka_unit_test(
		    an_error_of_the_disk_takes_nothing_away_before_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
