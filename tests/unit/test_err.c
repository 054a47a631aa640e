#include "common/base/err.h"

#include "tests/unit/unit.h"

TEST(each_code_has_its_own_name)
{
	int a, b;

	for (a = 0; a < ERR_MAX; a++)
		for (b = 0; b < a; b++)
			assert_string_not_equal(err_name((enum err)a),
			    err_name((enum err)b));
}

TEST(http_sees_the_status_of_the_header)
{
	static const int statuses[ERR_MAX] = { 200, 400, 401, 403, 404, 409,
		410, 413, 429, 501, 503, 503, 500, 504, 503 };
	int i;

	for (i = 0; i < ERR_MAX; i++)
		assert_int_equal(err_http_status((enum err)i), statuses[i]);
}

/* RFC 6120 §8.3.3 recommends a type for each condition. */
TEST(xmpp_sees_a_condition_with_its_type)
{
	assert_string_equal(err_xmpp_condition(ERR_NOTFOUND), "item-not-found");
	assert_string_equal(err_xmpp_type(ERR_NOTFOUND), "cancel");
	assert_string_equal(err_xmpp_condition(ERR_BAD), "bad-request");
	assert_string_equal(err_xmpp_type(ERR_BAD), "modify");
	assert_string_equal(err_xmpp_condition(ERR_AUTH), "not-authorized");
	assert_string_equal(err_xmpp_type(ERR_AUTH), "auth");
	assert_string_equal(err_xmpp_condition(ERR_BUSY),
	    "resource-constraint");
	assert_string_equal(err_xmpp_type(ERR_BUSY), "wait");
}

TEST(a_code_out_of_range_is_an_internal_error)
{
	assert_int_equal(err_http_status((enum err)99), 500);
	assert_int_equal(err_http_status((enum err) - 1), 500);
	assert_string_equal(err_xmpp_condition(ERR_MAX),
	    "internal-server-error");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_has_its_own_name),
		cmocka_unit_test(http_sees_the_status_of_the_header),
		cmocka_unit_test(xmpp_sees_a_condition_with_its_type),
		cmocka_unit_test(a_code_out_of_range_is_an_internal_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
