/*
 * What every unit test starts with: cmocka and what it needs before it, TEST(),
 * and text that ends where the memory ends.
 */
#ifndef WAFT_UNIT_H
#define WAFT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* The name is the rule. */
#define TEST(rule) static void rule(__attribute__((unused)) void **state)

/* A copy whose last byte is the last before an unreadable page; len at most a
 * page.  Unmapped by unit_unguard(). */
static inline char *
unit_guard(const void *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map;

	assert_true(len <= page);
	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	return memcpy(map + page - len, data, len);
}

static inline void
unit_unguard(char *text, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	assert_int_equal(munmap(text + len - page, 2 * page), 0);
}

#endif
