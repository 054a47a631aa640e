#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/http/server.h"

/* A common answer with its head fits; together with malloc's own word 1 KB. */
#define OUT_SMALL     (1016 - sizeof(struct out))
#define OUT_SPARE_MAX 256

/* Status line, Date, Content-Type, Content-Length, Connection and their ends,
 * without what the caller gives. */
#define REPLY_HEAD_MAX 256

struct out *
out_create(struct http_server *server, size_t size)
{
	struct out *out = server->spare;

	if (size <= OUT_SMALL && out != NULL) {
		server->spare = out->next;
		server->n_spare--;
	} else {
		if (size < OUT_SMALL)
			size = OUT_SMALL;
		out = xmalloc(sizeof(*out) + size);
		out->size = size;
	}
	out->len = 0;
	out->sent = 0;
	return out;
}

struct out *
out_grow(struct http_server *server, struct out *out, size_t n)
{
	struct out *bigger;

	if (out->size - out->len >= n)
		return out;
	bigger = out_create(server, (out->len - out->sent + n) * 2);
	out_add(bigger, out->data + out->sent, out->len - out->sent);
	out_free(server, out);
	return bigger;
}

void
out_add(struct out *out, const void *data, size_t len)
{
	if (len > 0)
		memcpy(out->data + out->len, data, len);
	out->len += len;
}

void
out_free(struct http_server *server, struct out *out)
{
	if (out == NULL)
		return;
	if (out->size != OUT_SMALL || server->n_spare == OUT_SPARE_MAX) {
		free(out);
		return;
	}
	out->next = server->spare;
	server->spare = out;
	server->n_spare++;
}

static void
out_adds(struct out *out, const char *text)
{
	out_add(out, text, strlen(text));
}

#define OUT_LITERAL(out, text) out_add((out), (text), sizeof(text) - 1)

static void
out_addu(struct out *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = '0' + number % 10;
		number /= 10;
	} while (number > 0);
	out_add(out, digits + at, sizeof(digits) - at);
}

const char *
http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Other";
}

static void
reply_digits(char *to, int number)
{
	to[0] = '0' + number / 10 % 10;
	to[1] = '0' + number % 10;
}

/* RFC 9110 §5.6.7; made once a second.  Not strftime(), which asks the locale.
 */
static const char *
reply_date(struct http_server *server)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm;
	char *date = server->date;

	if (server->date_s == now)
		return date;
	server->date_s = now;
	gmtime_r(&now, &tm);
	memcpy(date, "Date: ddd, dd mmm yyyy hh:mm:ss GMT\r\n", 38);
	memcpy(date + 6, days[tm.tm_wday], 3);
	reply_digits(date + 11, tm.tm_mday);
	memcpy(date + 14, months[tm.tm_mon], 3);
	reply_digits(date + 18, (tm.tm_year + 1900) / 100);
	reply_digits(date + 20, tm.tm_year);
	reply_digits(date + 23, tm.tm_hour);
	reply_digits(date + 26, tm.tm_min);
	reply_digits(date + 29, tm.tm_sec);
	return date;
}

size_t
reply_size(const struct http_reply *reply)
{
	return REPLY_HEAD_MAX +
	    (reply->type != NULL ? strlen(reply->type) : 0) +
	    (reply->headers != NULL ? strlen(reply->headers) : 0) +
	    (reply->coding != NULL ? strlen(reply->coding) : 0) + reply->len;
}

static void
reply_add_status(struct out *out, int status)
{
	if (status == 200) {
		OUT_LITERAL(out, "HTTP/1.1 200 OK\r\n");
		return;
	}
	OUT_LITERAL(out, "HTTP/1.1 ");
	out_addu(out, (unsigned)status);
	OUT_LITERAL(out, " ");
	out_adds(out, http_reason(status));
	OUT_LITERAL(out, "\r\n");
}

/* RFC 9110 §8.6: these have none. */
static bool
reply_has_length(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

void
reply_add(struct http_server *server, struct out *out,
    const struct exchange *exchange, const struct http_reply *reply, bool close)
{
	bool has_length = reply_has_length(reply->status);

	reply_add_status(out, reply->status);
	out_adds(out, reply_date(server));
	if (reply->type != NULL) {
		OUT_LITERAL(out, "Content-Type: ");
		out_adds(out, reply->type);
		OUT_LITERAL(out, "\r\n");
	}
	if (has_length) {
		OUT_LITERAL(out, "Content-Length: ");
		out_addu(out, reply->len);
		OUT_LITERAL(out, "\r\n");
	}
	if (close)
		OUT_LITERAL(out, "Connection: close\r\n");
	else if (exchange->is_old)
		OUT_LITERAL(out, "Connection: keep-alive\r\n");
	if (reply->coding != NULL)
		out_adds(out, reply->coding);
	if (reply->headers != NULL)
		out_adds(out, reply->headers);
	OUT_LITERAL(out, "\r\n");
	if (has_length && !exchange->is_head)
		out_add(out, reply->body, reply->len);
}
