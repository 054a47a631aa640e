#include "common/base/clock.h"

#include <string.h>
#include <time.h>

/* The last one that four digits of year can show. */
#define CLOCK_STAMP_MAX INT64_C(253402300799999)

static int64_t
clock_read_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_mono_ms(void)
{
	return clock_read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
clock_mono_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

static void
clock_digits(char *out, int width, int number)
{
	while (width-- > 0) {
		out[width] = (char)('0' + number % 10);
		number /= 10;
	}
}

void
clock_stamp(int64_t wall_ms, char *out, size_t size)
{
	char text[] = "0000-00-00T00:00:00.000Z";
	time_t seconds;
	struct tm tm;

	if (size < sizeof(text)) {
		if (size > 0)
			out[0] = '\0';
		return;
	}
	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > CLOCK_STAMP_MAX)
		wall_ms = CLOCK_STAMP_MAX;
	seconds = (time_t)(wall_ms / 1000);
	gmtime_r(&seconds, &tm);
	clock_digits(text, 4, tm.tm_year + 1900);
	clock_digits(text + 5, 2, tm.tm_mon + 1);
	clock_digits(text + 8, 2, tm.tm_mday);
	clock_digits(text + 11, 2, tm.tm_hour);
	clock_digits(text + 14, 2, tm.tm_min);
	clock_digits(text + 17, 2, tm.tm_sec);
	clock_digits(text + 20, 3, (int)(wall_ms % 1000));
	memcpy(out, text, sizeof(text));
}
