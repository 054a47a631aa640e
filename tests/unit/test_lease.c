/* Leases over both backends, and their rules with time as a parameter. */
#include <signal.h>
#include <sys/wait.h>

#include "common/base/process.h"
#include "common/store/lease.h"
#include "tests/unit/store_fixture.h"

#define NAME "link/push.example.org"

struct answer {
	int done;
	enum err err;
	uint64_t generation;
	char holder[LEASE_HOLDER_MAX];
};

static void
answer_cb(enum err err, uint64_t generation, const char *holder, void *arg)
{
	struct answer *answer = arg;

	answer->err = err;
	answer->generation = generation;
	snprintf(answer->holder, sizeof(answer->holder), "%s", holder);
	answer->done++;
}

static struct answer
take(struct fixture *f, const char *as)
{
	struct answer answer = { 0 };

	store_lease_take(f->store, f->loop, NAME, as, answer_cb, &answer);
	await(f, &answer.done);
	return answer;
}

static enum err
renew(struct fixture *f, uint64_t generation)
{
	struct store_lease lease = { NAME, generation };
	struct answer answer = { 0 };

	store_lease_renew(f->store, f->loop, &lease, answer_cb, &answer);
	await(f, &answer.done);
	return answer.err;
}

static enum err
drop(struct fixture *f, uint64_t generation)
{
	struct store_lease lease = { NAME, generation };
	struct answer answer = { 0 };

	store_lease_drop(f->store, f->loop, &lease, answer_cb, &answer);
	await(f, &answer.done);
	return answer.err;
}

struct written {
	int done;
	enum err err;
};

static void
written_cb(enum err err, void *arg)
{
	struct written *written = arg;

	written->err = err;
	written->done++;
}

static enum err
put_under(struct fixture *f, uint64_t generation, const char *value)
{
	struct store_lease lease = { NAME, generation };
	struct written written = { 0 };

	store_state_put_under(f->store, f->loop, &lease, "position", value,
	    strlen(value), written_cb, &written);
	await(f, &written.done);
	return written.err;
}

static void
position_cb(enum err err, const struct state_row *rows, size_t count, void *arg)
{
	char *text = arg;

	assert_int_equal(err, ERR_OK);
	sprintf(text, "%.*s|", count == 0 ? 0 : (int)rows[0].len,
	    count == 0 ? "" : (const char *)rows[0].value);
}

static void
assert_position(struct fixture *f, const char *want)
{
	char text[100] = "";

	store_state_list(f->store, f->loop, "position", position_cb, text);
	await_bar(f, text);
	assert_string_equal(text, want);
}

static void
one_holds_it_until_he_drops_it(void **state)
{
	struct fixture *f = *state;
	struct answer first = take(f, "a"), second = take(f, "b");

	assert_int_equal(first.err, ERR_OK);
	assert_int_equal(first.generation, 1);
	assert_string_equal(first.holder, "");
	assert_int_equal(second.err, ERR_CONFLICT);
	assert_string_equal(second.holder, "a");
	assert_int_equal(renew(f, 1), ERR_OK);
	assert_int_equal(drop(f, 1), ERR_OK);
	second = take(f, "b");
	assert_int_equal(second.err, ERR_OK);
	assert_int_equal(second.generation, 2);
	assert_string_equal(second.holder, "");
}

static void
an_old_generation_neither_renews_nor_drops_nor_writes(void **state)
{
	struct fixture *f = *state;

	take(f, "a");
	assert_int_equal(put_under(f, 1, "one"), ERR_OK);
	assert_int_equal(drop(f, 1), ERR_OK);
	assert_int_equal(put_under(f, 1, "dropped"), ERR_GONE);
	take(f, "b");
	assert_int_equal(put_under(f, 2, "two"), ERR_OK);
	assert_int_equal(renew(f, 1), ERR_GONE);
	assert_int_equal(drop(f, 1), ERR_GONE);
	assert_int_equal(put_under(f, 1, "late"), ERR_GONE);
	assert_position(f, "two|");
	assert_int_equal(renew(f, 2), ERR_OK);
}

static void
one_batch_may_be_refused_in_part(void **state)
{
	struct fixture *f = *state;
	struct store_lease old = { NAME, 1 }, new = { NAME, 2 };
	struct written first = { 0 }, second = { 0 };

	take(f, "a");
	take(f, "a");
	store_state_put_under(f->store, f->loop, &new, "position", "new", 3,
	    written_cb, &first);
	store_state_put_under(f->store, f->loop, &old, "position", "old", 3,
	    written_cb, &second);
	await(f, &second.done);
	assert_int_equal(first.err, ERR_OK);
	assert_int_equal(second.err, ERR_GONE);
	assert_position(f, "new|");
}

/* Two stores of one file are two daemons. */
static void
is_shared_by_those_who_share_the_file(void **state)
{
	struct fixture *f = *state, other = *f;
	struct answer answer;

	take(f, "a");
	open_store(&other);
	answer = take(&other, "b");
	assert_int_equal(answer.err, ERR_CONFLICT);
	assert_string_equal(answer.holder, "a");
	assert_int_equal(drop(f, 1), ERR_OK);
	answer = take(&other, "b");
	assert_int_equal(answer.err, ERR_OK);
	assert_int_equal(answer.generation, 2);
	assert_int_equal(put_under(f, 1, "late"), ERR_GONE);
	assert_int_equal(put_under(&other, 2, "two"), ERR_OK);
	store_free(other.store);
	assert_position(f, "two|");
}

static void
is_free_when_its_time_is_over(void **state)
{
	struct lease_row row = { .generation = 0 };

	(void)state;
	assert_int_equal(lease_take(&row, "a", 1000), ERR_OK);
	assert_int_equal(lease_take(&row, "b", 1000 + STORE_LEASE_MS - 1),
	    ERR_CONFLICT);
	assert_int_equal(lease_renew(&row, 1, 2000), ERR_OK);
	assert_int_equal(lease_take(&row, "b", 1000 + STORE_LEASE_MS),
	    ERR_CONFLICT);
	assert_int_equal(lease_take(&row, "b", 2000 + STORE_LEASE_MS), ERR_OK);
	assert_int_equal(row.generation, 2);
	assert_int_equal(lease_renew(&row, 1, 6000), ERR_GONE);
}

static void
who_renews_late_keeps_what_nobody_took(void **state)
{
	struct lease_row row = { .generation = 0 };

	(void)state;
	assert_int_equal(lease_take(&row, "a", 1000), ERR_OK);
	assert_int_equal(lease_renew(&row, 1, 1000000), ERR_OK);
	assert_int_equal(lease_take(&row, "b", 1000001), ERR_CONFLICT);
}

/* A child that has ended, one that lives, and this process under a name that
 * an earlier one of the same number had. */
static void
is_free_at_once_when_its_holder_has_ended(void **state)
{
	struct lease_row row = { .generation = 0 };
	char name[PROCESS_NAME_MAX], *start;
	int pipes[2], status;
	siginfo_t dead;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		process_name(name);
		if (write(pipes[1], name, sizeof(name)) == sizeof(name))
			pause();
		_exit(0);
	}
	assert_int_equal(read(pipes[0], name, sizeof(name)), sizeof(name));
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(lease_take(&row, name, 1000), ERR_OK);
	assert_int_equal(lease_take(&row, "b", 1001), ERR_CONFLICT);
	assert_false(process_is_gone(name));
	kill(pid, SIGKILL);
	/* Dead is dead, also before anybody has waited for it. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &dead, WEXITED | WNOWAIT), 0);
	assert_true(process_is_gone(name));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(process_is_gone(name));
	assert_int_equal(lease_take(&row, "b", 1002), ERR_OK);

	process_name(name);
	assert_false(process_is_gone(name));
	start = strrchr(name, ' ');
	strcpy(start, " 1");
	assert_true(process_is_gone(name));
	name[0] = name[0] == 'x' ? 'y' : 'x';
	assert_true(process_is_gone(name));
	assert_false(process_is_gone("b"));
	assert_false(process_is_gone(""));
}

#define BOTH(rule) ON("memory", rule), ON("sqlite", rule)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(one_holds_it_until_he_drops_it),
		BOTH(an_old_generation_neither_renews_nor_drops_nor_writes),
		BOTH(one_batch_may_be_refused_in_part),
		ON("sqlite", is_shared_by_those_who_share_the_file),
		cmocka_unit_test(is_free_when_its_time_is_over),
		cmocka_unit_test(who_renews_late_keeps_what_nobody_took),
		cmocka_unit_test(is_free_at_once_when_its_holder_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
