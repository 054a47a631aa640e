#include "bench/http.h"

#include <stdlib.h>
#include <string.h>

#include "bench/tool.h"

static size_t
http_length(const char *head, size_t len)
{
	static const char name[] = "\r\ncontent-length:";
	const char *p = head, *end = head + len;

	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		if ((size_t)(end - p) > sizeof name &&
		    strncasecmp(p, name, sizeof name - 1) == 0)
			return strtoul(p + sizeof name - 1, NULL, 10);
		p++;
	}
	tool_die("an answer without Content-Length: %.*s", (int)len, head);
}

bool
http_parse(const char *data, size_t len, struct http_answer *answer)
{
	const char *end = tool_find(data, len, "\r\n\r\n");

	if (end == NULL)
		return false;
	if (memcmp(data, "HTTP/1.", 7) != 0)
		tool_die("not HTTP: %.*s", (int)len, data);
	answer->status = atoi(data + 9);
	answer->body = end + 4;
	answer->body_len = http_length(data, (size_t)(end - data) + 2);
	answer->len = (size_t)(answer->body - data) + answer->body_len;
	return answer->len <= len;
}
