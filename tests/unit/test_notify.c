#include "common/base/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/unit.h"

/* Listens where path says ('@': the abstract namespace), tells, and reads. */
static void
assert_heard(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	char heard[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(at.sun_path, path, len);
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&at,
	        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	setenv("NOTIFY_SOCKET", path, 1);
	notify_systemd("READY=1\nSTATUS=well");
	assert_int_equal(recv(fd, heard, sizeof(heard), 0), 19);
	assert_memory_equal(heard, "READY=1\nSTATUS=well", 19);
	close(fd);
}

TEST(the_state_arrives_as_one_datagram)
{
	char folder[] = "/tmp/waft-notify-XXXXXX", path[64];

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	assert_heard(path);
	unlink(path);
	rmdir(folder);
	snprintf(path, sizeof(path), "@waft-notify-%d", (int)getpid());
	assert_heard(path);
}

TEST(nobody_to_tell_is_no_trouble)
{
	static char long_path[200];

	unsetenv("NOTIFY_SOCKET");
	notify_systemd("READY=1");
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	notify_systemd("READY=1");
	memset(long_path, 'x', sizeof(long_path) - 1);
	setenv("NOTIFY_SOCKET", long_path, 1);
	notify_systemd("READY=1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_state_arrives_as_one_datagram),
		cmocka_unit_test(nobody_to_tell_is_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
