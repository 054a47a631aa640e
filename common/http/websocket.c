#include "common/http/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <wslay/wslay.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

/* A reader whose message was longer gives its buffer back. */
#define READER_KEEP 16384

#define FRAME_FIN  0x80
#define FRAME_HEAD 4 /* bytes left for the head at first */

static struct stat_metric websocket_in =
    STAT_COUNTER("waft_websocket_frames_total", "WebSocket frames",
        "direction=\"in\"");
static struct stat_metric websocket_out =
    STAT_COUNTER("waft_websocket_frames_total", "WebSocket frames",
        "direction=\"out\"");
static struct stat_metric websocket_pings =
    STAT_COUNTER("waft_websocket_pings_total", "Pings sent over WebSockets",
        NULL);

static struct stat_metric websocket_silent =
    STAT_COUNTER("waft_websocket_silent_total",
        "WebSockets cut because a ping got no answer", NULL);

#define WEBSOCKET_CLOSES(code)                                         \
	STAT_COUNTER("waft_websocket_closes_total",                    \
	    "WebSockets that closed, by the code they were closed by", \
	    "code=\"" code "\"")
static struct stat_metric websocket_other = WEBSOCKET_CLOSES("other");
static struct {
	int code;
	struct stat_metric metric;
} websocket_closes[] = {
	{ WEBSOCKET_NORMAL, WEBSOCKET_CLOSES("1000") },
	{ WEBSOCKET_AWAY, WEBSOCKET_CLOSES("1001") },
	{ WEBSOCKET_PROTOCOL, WEBSOCKET_CLOSES("1002") },
	{ WEBSOCKET_UNSUPPORTED, WEBSOCKET_CLOSES("1003") },
	{ WEBSOCKET_NONE, WEBSOCKET_CLOSES("1005") },
	{ WEBSOCKET_LOST, WEBSOCKET_CLOSES("1006") },
	{ WEBSOCKET_INVALID, WEBSOCKET_CLOSES("1007") },
	{ WEBSOCKET_POLICY, WEBSOCKET_CLOSES("1008") },
	{ WEBSOCKET_TOO_BIG, WEBSOCKET_CLOSES("1009") },
	{ WEBSOCKET_INTERNAL, WEBSOCKET_CLOSES("1011") },
};

/* What reads, from the first byte of a message to the last of its last frame.
 */
struct websocket_reader {
	wslay_event_context_ptr wslay;
	struct websocket *ws; /* NULL: the owner has closed it meanwhile */
	const char *in;       /* what was received, and how much of it */
	size_t in_len;        /* wslay has not taken */
	struct buf text;      /* of the message */
	struct buf out;       /* control frames */
	int64_t since_ms;
	uint64_t fed;  /* bytes that wslay took, … */
	uint64_t used; /* … and those of whole frames among them */
	uint64_t frame_len;
	uint8_t opcode;
	bool fin;
	bool in_message; /* its last frame has not ended */
	bool busy;       /* inside wslay, or what follows it */
	int fault;       /* the code to close with; 0: none */
};

/* ---- writing ------------------------------------------------------------- */

size_t
frame_begin(struct buf *out)
{
	size_t at = out->len;

	if (buf_reserve(out, FRAME_HEAD) != NULL)
		out->len += FRAME_HEAD;
	return at;
}

/* RFC 6455 §5.2: the length in as few bytes as it fits. */
static size_t
frame_put_head(unsigned char *head, unsigned char opcode, uint64_t len)
{
	int bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

	head[0] = FRAME_FIN | opcode;
	head[1] = bytes == 0 ? (unsigned char)len : bytes == 2 ? 126 : 127;
	for (int i = 0; i < bytes; i++)
		head[2 + i] = (unsigned char)(len >> 8 * (bytes - 1 - i));
	return 2 + (size_t)bytes;
}

void
frame_end(struct buf *out, size_t at)
{
	unsigned char head[10];
	size_t len = out->len - at - FRAME_HEAD;
	size_t head_len = frame_put_head(head, WSLAY_TEXT_FRAME, len);

	if (out->failed ||
	    (head_len > FRAME_HEAD &&
	        buf_reserve(out, head_len - FRAME_HEAD) == NULL))
		return;
	if (head_len != FRAME_HEAD)
		memmove(out->data + at + head_len, out->data + at + FRAME_HEAD,
		    len);
	memcpy(out->data + at, head, head_len);
	out->len = at + head_len + len;
}

static void
frame_add_control(struct buf *out, unsigned char opcode, const void *data,
    size_t len)
{
	unsigned char head[10];

	buf_add(out, head, frame_put_head(head, opcode, len));
	buf_add(out, data, len);
}

static void
frame_add_close(struct buf *out, int code)
{
	unsigned char bytes[2] = { (unsigned char)(code >> 8),
		(unsigned char)code };

	frame_add_control(out, WSLAY_CONNECTION_CLOSE, bytes, sizeof(bytes));
}

uint32_t
websocket_add_ping(struct websocket *ws, struct buf *out)
{
	uint32_t number = ++ws->pings;

	frame_add_control(out, WSLAY_PING, &number, sizeof(number));
	stat_add(&websocket_pings, 1);
	return number;
}

void
websocket_send(struct websocket *ws, const struct buf *frames, int count)
{
	stat_add(&websocket_out, count);
	upgrade_send(&ws->upgrade, frames->data, frames->len);
}

bool
websocket_is_blocked(const struct websocket *ws)
{
	return upgrade_is_blocked(&ws->upgrade);
}

/* ---- the end ------------------------------------------------------------- */

static void
websocket_count_close(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(websocket_closes); i++)
		if (websocket_closes[i].code == code) {
			stat_add(&websocket_closes[i].metric, 1);
			return;
		}
	stat_add(&websocket_other, 1);
}

static void
reader_free(struct websocket_reader *reader)
{
	if (reader == NULL)
		return;
	wslay_event_context_free(reader->wslay);
	buf_clear(&reader->text);
	buf_clear(&reader->out);
	free(reader);
}

/* While the reader works it is only told that its owner is gone. */
static void
websocket_drop_reader(struct websocket *ws)
{
	struct websocket_reader *reader = ws->reader;

	ws->reader = NULL;
	if (reader == NULL)
		return;
	reader->ws = NULL;
	if (reader->busy)
		wslay_event_shutdown_read(reader->wslay);
	else
		reader_free(reader);
}

void
websocket_close(struct websocket *ws, enum websocket_code code)
{
	struct buf out;

	websocket_count_close(code);
	websocket_drop_reader(ws);
	buf_init(&out, 0);
	frame_add_close(&out, code);
	upgrade_send(&ws->upgrade, out.data, out.len);
	buf_clear(&out);
	upgrade_end(&ws->upgrade);
}

/* Not by the owner: he is told. */
static void
websocket_over(struct websocket *ws, int code)
{
	websocket_count_close(code);
	websocket_drop_reader(ws);
	ws->ops->closed(ws, code);
}

/* ---- reading ------------------------------------------------------------- */

static void
reader_fault(struct websocket_reader *reader, int code)
{
	reader->fault = code;
	wslay_event_shutdown_read(reader->wslay);
}

static ssize_t
reader_recv_cb(wslay_event_context_ptr wslay, uint8_t *to, size_t size,
    int flags UNUSED, void *arg)
{
	struct websocket_reader *reader = arg;

	if (size > reader->in_len)
		size = reader->in_len;
	if (size == 0) {
		wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(to, reader->in, size);
	reader->in += size;
	reader->in_len -= size;
	reader->fed += size;
	return (ssize_t)size;
}

static ssize_t
reader_send_cb(wslay_event_context_ptr wslay UNUSED, const uint8_t *data,
    size_t len, int flags UNUSED, void *arg)
{
	struct websocket_reader *reader = arg;

	buf_add(&reader->out, data, len);
	return (ssize_t)len;
}

static void
reader_start_cb(wslay_event_context_ptr wslay UNUSED,
    const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct websocket_reader *reader = arg;
	uint64_t len = frame->payload_length;

	stat_add(&websocket_in, 1);
	reader->opcode = frame->opcode;
	reader->fin = frame->fin;
	reader->frame_len = 2 + 4 +
	    (len < 126                ? 0 :
	            len <= UINT16_MAX ? 2 :
	                                8) +
	    len;
	if (frame->opcode == WSLAY_BINARY_FRAME)
		reader_fault(reader, WEBSOCKET_UNSUPPORTED);
	else if (!wslay_is_ctrl_frame(frame->opcode) && reader->ws != NULL &&
	    len > reader->ws->shared->max_message - reader->text.len)
		reader_fault(reader, WEBSOCKET_TOO_BIG);
}

static void
reader_chunk_cb(wslay_event_context_ptr wslay UNUSED,
    const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct websocket_reader *reader = arg;

	if (reader->fault == 0 && !wslay_is_ctrl_frame(reader->opcode))
		buf_add(&reader->text, chunk->data, chunk->data_length);
}

static void
reader_end_cb(wslay_event_context_ptr wslay UNUSED, void *arg)
{
	struct websocket_reader *reader = arg;

	reader->used += reader->frame_len;
	if (!wslay_is_ctrl_frame(reader->opcode))
		reader->in_message = !reader->fin;
}

static void
reader_pong(struct websocket *ws, const uint8_t *data, size_t len)
{
	uint32_t number;

	if (len != sizeof(number))
		return;
	memcpy(&number, data, len);
	/* One that was sent: at most so many ago. */
	if (ws->pings - number < ws->pings)
		ws->ops->pong(ws, number);
}

/* wslay takes one byte of the two of a code for none, and looks at the reason
 * only where it comes in one piece. */
static void
reader_close(struct websocket_reader *reader, const uint8_t *data, size_t len)
{
	if (len == 1)
		reader->fault = WEBSOCKET_PROTOCOL;
	else if (len > 2 && !text_is_utf8((const char *)data + 2, len - 2))
		reader->fault = WEBSOCKET_INVALID;
}

static void
reader_message_cb(wslay_event_context_ptr wslay UNUSED,
    const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct websocket_reader *reader = arg;
	struct websocket *ws = reader->ws;

	if (reader->fault != 0 || ws == NULL)
		return;
	switch (message->opcode) {
	case WSLAY_TEXT_FRAME:
		ws->ops->message(ws,
		    (struct slice){ reader->text.len == 0 ? "" :
		                                            reader->text.data,
		        reader->text.len });
		buf_reset(&reader->text);
		break;
	case WSLAY_PONG:
		reader_pong(ws, message->msg, message->msg_length);
		break;
	case WSLAY_CONNECTION_CLOSE:
		reader_close(reader, message->msg, message->msg_length);
		break;
	default:
		break;
	}
}

static struct websocket_reader *
reader_create(void)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = reader_recv_cb,
		.send_callback = reader_send_cb,
		.on_frame_recv_start_callback = reader_start_cb,
		.on_frame_recv_chunk_callback = reader_chunk_cb,
		.on_frame_recv_end_callback = reader_end_cb,
		.on_msg_recv_callback = reader_message_cb,
	};
	struct websocket_reader *reader = xcalloc(1, sizeof(*reader));

	if (wslay_event_context_server_init(&reader->wslay, &callbacks,
	        reader) != 0)
		fatal(EX_OSERR, "websocket.reader", "reason=memory");
	/* Else it would allocate what a frame's head announces. */
	wslay_event_config_set_no_buffering(reader->wslay, 1);
	buf_init(&reader->text, 0);
	buf_init(&reader->out, 0);
	return reader;
}

static struct websocket_reader *
websocket_take_reader(struct websocket *ws)
{
	struct websockets *shared = ws->shared;
	struct websocket_reader *reader = ws->reader;

	if (reader != NULL)
		return reader;
	reader = shared->spare != NULL ? shared->spare : reader_create();
	shared->spare = NULL;
	reader->ws = ws;
	reader->since_ms = loop_now_ms(shared->loop);
	ws->reader = reader;
	return reader;
}

/* Between messages nothing of the peer's is in it. */
static void
websocket_give_reader(struct websocket *ws)
{
	struct websockets *shared = ws->shared;
	struct websocket_reader *reader = ws->reader;

	if (reader->fed != reader->used || reader->in_message)
		return;
	ws->reader = NULL;
	reader->ws = NULL;
	if (shared->spare != NULL) {
		reader_free(reader);
		return;
	}
	if (reader->text.size > READER_KEEP)
		buf_clear(&reader->text);
	if (reader->out.size > READER_KEEP)
		buf_clear(&reader->out);
	reader->fed = reader->used = 0;
	shared->spare = reader;
}

/* The answers of wslay: pongs, and a close of its own or an echoed one. */
static void
websocket_answer(struct websocket *ws)
{
	struct websocket_reader *reader = ws->reader;

	buf_reset(&reader->out);
	if (wslay_event_want_write(reader->wslay))
		wslay_event_send(reader->wslay);
	if (reader->out.len > 0)
		upgrade_send(&ws->upgrade, reader->out.data, reader->out.len);
}

static void
websocket_fail(struct websocket *ws, int code)
{
	struct buf out;

	buf_init(&out, 0);
	frame_add_close(&out, code);
	upgrade_send(&ws->upgrade, out.data, out.len);
	buf_clear(&out);
	upgrade_end(&ws->upgrade);
	websocket_over(ws, code);
}

/* What has become of it by what was read. */
static void
websocket_judge(struct websocket *ws, int result)
{
	struct websocket_reader *reader = ws->reader;
	wslay_event_context_ptr wslay = reader->wslay;
	bool late = reader->fed != reader->used || reader->in_message;

	if (result != 0 && reader->fault == 0)
		reader->fault = WEBSOCKET_PROTOCOL;
	late = late &&
	    loop_now_ms(ws->shared->loop) - reader->since_ms >=
	        ws->shared->message_ms;
	if (late && reader->fault == 0)
		reader->fault = WEBSOCKET_POLICY;
	if (reader->fault != 0) {
		websocket_fail(ws, reader->fault);
		return;
	}
	websocket_answer(ws);
	if (wslay_event_get_read_enabled(wslay))
		return;
	upgrade_end(&ws->upgrade);
	websocket_over(ws,
	    wslay_event_get_close_received(wslay) ?
	        wslay_event_get_status_code_received(wslay) :
	        wslay_event_get_status_code_sent(wslay));
}

static struct websocket *
websocket_of(struct upgrade *upgrade)
{
	return (struct websocket *)(void *)((char *)upgrade -
	    offsetof(struct websocket, upgrade));
}

static void
websocket_read(struct upgrade *upgrade, char *data, size_t len)
{
	struct websocket *ws = websocket_of(upgrade);
	struct websocket_reader *reader = websocket_take_reader(ws);
	uint64_t fed;
	int result;

	ws->silent = false;
	reader->in = data;
	reader->in_len = len;
	reader->busy = true;
	/* One call may end with a frame. */
	do {
		fed = reader->fed;
		result = wslay_event_recv(reader->wslay);
	} while (result == 0 && reader->in_len > 0 && reader->fed > fed &&
	    wslay_event_get_read_enabled(reader->wslay));
	if (reader->ws != NULL)
		websocket_judge(ws, result);
	reader->busy = false;
	if (reader->ws == NULL)
		reader_free(reader);
	else
		websocket_give_reader(ws);
}

/* ---- the connection's other news ----------------------------------------- */

static void
websocket_drained(struct upgrade *upgrade)
{
	struct websocket *ws = websocket_of(upgrade);

	ws->ops->drained(ws);
}

static void
websocket_late(struct upgrade *upgrade)
{
	struct websocket *ws = websocket_of(upgrade);
	struct buf out;

	if (ws->silent) {
		stat_add(&websocket_silent, 1);
		log_info("websocket.cut", "reason=silent");
		upgrade_cut(upgrade);
		websocket_over(ws, WEBSOCKET_LOST);
		return;
	}
	ws->silent = true;
	buf_init(&out, 0);
	websocket_add_ping(ws, &out);
	upgrade_send(upgrade, out.data, out.len);
	buf_clear(&out);
}

static void
websocket_closed(struct upgrade *upgrade)
{
	websocket_over(websocket_of(upgrade), WEBSOCKET_LOST);
}

static const struct upgrade_ops websocket_upgrade_ops = { websocket_read,
	websocket_drained, websocket_late, websocket_closed };

/* ---- life ---------------------------------------------------------------- */

void
websockets_init(struct websockets *shared, struct loop *loop,
    uint64_t max_message, int64_t message_ms)
{
	*shared = (struct websockets){ .loop = loop,
		.max_message = max_message,
		.message_ms = message_ms };
}

void
websockets_clear(struct websockets *shared)
{
	reader_free(shared->spare);
	shared->spare = NULL;
}

void
websocket_init(struct websocket *ws, struct websockets *shared,
    const struct websocket_ops *ops)
{
	ws->upgrade.ops = &websocket_upgrade_ops;
	ws->ops = ops;
	ws->shared = shared;
}

void
websocket_open(struct websocket *ws, struct exchange *exchange,
    const char *headers)
{
	exchange_upgrade(exchange, &ws->upgrade, headers);
}
