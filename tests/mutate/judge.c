#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "common/base/xml.h"
#include "tests/mutate/mutate.h"

#define JUDGE_FORBIDDEN 4
#define JUDGE_PLAIN_MAX (1 << 20)

static const char *judge_forbidden[JUDGE_FORBIDDEN];
static int judge_n_forbidden;
static struct xml_reader *judge_reader;

void
judge_forbid(const char *text)
{
	judge_forbidden[judge_n_forbidden++] = text;
}

static void
judge_fail(const struct judge *judge, const char *what)
{
	fprintf(stderr, "mutate: an answer: %s\n%.*s\n", what,
	    (int)(judge->in.len < 4000 ? judge->in.len : 4000), judge->in.data);
	exit(1);
}

static void
judge_secrets(const struct judge *judge, const char *data, size_t len)
{
	for (int i = 0; i < judge_n_forbidden; i++)
		if (memmem(data, len, judge_forbidden[i],
		        strlen(judge_forbidden[i])) != NULL)
			judge_fail(judge, "what belongs to another session");
}

static void
judge_xml(const struct judge *judge, const char *text, size_t len)
{
	static const struct xml_limits limits = { 1 << 22, 64, 128, 2000 };
	struct xml_error error;
	struct xml *root;

	if (judge_reader == NULL)
		judge_reader = xml_reader_create(&limits);
	if (xml_parse(judge_reader, text, len, true, &root, &error) != ERR_OK)
		judge_fail(judge, error.why);
	xml_free(root);
}

/* The value of a header; NULL p if there is none. */
static struct slice
judge_header(const char *head, size_t len, const char *name)
{
	const char *end = head + len, *line = head, *next;
	size_t n = strlen(name);

	for (; line < end; line = next + 2) {
		next = memmem(line, (size_t)(end - line), "\r\n", 2);
		if (next == NULL)
			break;
		if ((size_t)(next - line) > n + 2 && line[n] == ':' &&
		    strncasecmp(line, name, n) == 0)
			return (struct slice){ line + n + 2,
				(size_t)(next - line) - n - 2 };
	}
	return (struct slice){ NULL, 0 };
}

/* A coded body becomes what it stands for. */
static struct slice
judge_gunzip(const struct judge *judge, const char *body, size_t len)
{
	static char plain[JUDGE_PLAIN_MAX];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)body,
		.avail_in = (uInt)len,
		.next_out = (Bytef *)plain,
		.avail_out = sizeof(plain) };

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK ||
	    inflate(&z, Z_FINISH) != Z_STREAM_END || z.avail_in > 0)
		judge_fail(judge, "not gzip");
	inflateEnd(&z);
	judge_secrets(judge, plain, z.total_out);
	return (struct slice){ plain, z.total_out };
}

static void
judge_body(const struct judge *judge, struct talk *talk, const char *head,
    size_t head_len, struct slice body)
{
	struct slice coding = judge_header(head, head_len, "Content-Encoding");

	if (coding.p != NULL)
		body = judge_gunzip(judge, body.p, body.len);
	if (body.len > 5 && memcmp(body.p, "<body", 5) == 0)
		judge_xml(judge, body.p, body.len);
	talk_heard(talk, body.p, body.len);
}

/* One answer at the front: its length, 0 if it is not whole. */
static size_t
judge_answer(struct judge *judge, struct talk *talk)
{
	const char *text = judge->in.data;
	const char *end = memmem(text, judge->in.len, "\r\n\r\n", 4);
	struct slice length;
	uint64_t len = 0;
	size_t head;
	int status;

	if (end == NULL)
		return 0;
	head = (size_t)(end - text) + 4;
	if (memcmp(text, "HTTP/1.1 ", 9) != 0)
		judge_fail(judge, "no status line");
	status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + text[11] - '0';
	if (status < 100 || status > 599 || status == 500)
		judge_fail(judge, "a status that nobody should get");
	if (status == 101) {
		judge->ws = true;
		talk->open = true;
	}
	if (status < 200 || status == 204 || status == 304)
		return head;
	length = judge_header(text, head, "Content-Length");
	if (length.p == NULL ||
	    !text_to_u64(length.p, length.len, 1 << 24, &len))
		judge_fail(judge, "no length");
	if (judge->in.len < head + len)
		return 0;
	judge_body(judge, talk, text, head,
	    (struct slice){ text + head, (size_t)len });
	return head + (size_t)len;
}

/* The same of a WebSocket frame. */
static size_t
judge_frame(struct judge *judge, struct talk *talk)
{
	const unsigned char *p = (unsigned char *)judge->in.data;
	size_t head = 2, len;

	if (judge->in.len < 4)
		return judge->in.len >= 2 && p[1] == 0 ? 2 : 0;
	len = p[1];
	if (len > 127 || (p[0] & 0x30) != 0)
		judge_fail(judge, "a frame that a server must not send");
	if (len == 126) {
		len = (size_t)p[2] << 8 | p[3];
		head = 4;
	} else if (len == 127) {
		if (judge->in.len < 10)
			return 0;
		len = (size_t)p[6] << 24 | (size_t)p[7] << 16 |
		    (size_t)p[8] << 8 | p[9];
		head = 10;
	}
	if (judge->in.len < head + len)
		return 0;
	if ((p[0] & 0x8f) == 0x81)
		judge_xml(judge, judge->in.data + head, len);
	talk_heard(talk, judge->in.data + head, len);
	return head + len;
}

int
judge_feed(struct judge *judge, struct talk *talk, const char *data, size_t len)
{
	size_t n;
	int answers = 0;

	buf_add(&judge->in, data, len);
	if (judge->blind) {
		judge_secrets(judge, judge->in.data, judge->in.len);
		/* What may be the beginning of a secret. */
		if (judge->in.len > 256)
			buf_drain(&judge->in, judge->in.len - 256);
		return 1;
	}
	while (judge->in.len > 0) {
		n = judge->ws ? judge_frame(judge, talk) :
		                judge_answer(judge, talk);
		if (n == 0)
			break;
		judge_secrets(judge, judge->in.data, n);
		buf_drain(&judge->in, n);
		answers++;
	}
	return answers;
}
