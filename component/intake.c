#include "component/intake.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/xml_stream.h"

/* Of a stanza that the server sends to us; servers allow 256 to 512 KiB. */
#define INTAKE_SIZE     (1024 * 1024)
#define INTAKE_DEPTH    64
#define INTAKE_ATTRS    64
#define INTAKE_ELEMENTS 10000
#define INTAKE_ROOT     (8 * 1024) /* the root around it */
#define INTAKE_STREAMS  "http://etherx.jabber.org/streams"

static struct stat_metric intake_received =
    STAT_COUNTER("waft_link_received_stanzas_total",
        "Stanzas received from the XMPP server", NULL);
static struct stat_metric intake_unreadable =
    STAT_COUNTER("waft_link_unreadable_stanzas_total",
        "Received stanzas that were not read: over a limit or not XML", NULL);

struct intake {
	const char *domain;
	const struct intake_ops *ops;
	void *arg;
	struct xml_stream *stream;
	struct xml_reader *reader; /* of one stanza, and the root around it */
	bool begun;
};

static bool
intake_is_stanza(const struct xml *element)
{
	return strcmp(element->name, "message") == 0 ||
	    strcmp(element->name, "presence") == 0 ||
	    strcmp(element->name, "iq") == 0;
}

static void
intake_element_cb(void *arg, const char *text, size_t len)
{
	struct intake *intake = arg;
	const struct xml *element;
	struct xml_error error;
	struct xml *root;
	struct buf around;
	enum err err;

	if (!intake->begun)
		return;
	buf_init(&around, 0);
	xml_stream_around(intake->stream, text, len, &around);
	err = xml_parse(intake->reader, around.data, around.len, false, &root,
	    &error);
	buf_clear(&around);
	if (err != ERR_OK) {
		stat_add(&intake_unreadable, 1);
		log_warn("link.stanza", "domain=%s err=%s why=\"%s\"",
		    LOGQ(intake->domain), err_name(error.err), error.why);
		return;
	}
	element = xml_first(root);
	if (xml_is(element, INTAKE_STREAMS, "error")) {
		intake->ops->stream(intake->arg, text, len);
	} else if (element != NULL && intake_is_stanza(element)) {
		stat_add(&intake_received, 1);
		intake->ops->stanza(intake->arg, element);
	}
	xml_free(root);
}

/* It has been read past, but who sent it wants an answer. */
static void
intake_over_cb(void *arg, const char *head, size_t len)
{
	struct intake *intake = arg;
	struct xml_error error;
	struct xml *stanza;

	stat_add(&intake_unreadable, 1);
	if (!intake->begun ||
	    xml_parse(intake->reader, head, len, false, &stanza, &error) !=
	        ERR_OK)
		return;
	log_warn("link.stanza", "domain=%s from=%s why=\"it is too large\"",
	    LOGQ(intake->domain), LOGQ(xml_attr(stanza, "from")));
	if (intake_is_stanza(stanza))
		intake->ops->over(intake->arg, stanza);
	xml_free(stanza);
}

static void
intake_end_cb(void *arg)
{
	static const char end[] = "</stream:stream>";
	struct intake *intake = arg;

	if (intake->begun)
		intake->ops->stream(intake->arg, end, sizeof(end) - 1);
}

struct intake *
intake_create(const char *domain, const struct intake_ops *ops, void *arg)
{
	static const struct xml_limits limits = { INTAKE_SIZE, INTAKE_DEPTH,
		INTAKE_ATTRS, INTAKE_ELEMENTS };
	static const struct xml_limits around = { INTAKE_SIZE + INTAKE_ROOT,
		INTAKE_DEPTH + 1, INTAKE_ATTRS, INTAKE_ELEMENTS + 1 };
	static const struct xml_stream_ops stream = { intake_element_cb,
		intake_over_cb, intake_end_cb };
	struct intake *intake = xcalloc(1, sizeof(*intake));

	intake->domain = domain;
	intake->ops = ops;
	intake->arg = arg;
	intake->stream = xml_stream_create(&limits, &stream, intake);
	intake->reader = xml_reader_create(&around);
	return intake;
}

void
intake_free(struct intake *intake)
{
	if (intake == NULL)
		return;
	xml_stream_free(intake->stream);
	xml_reader_free(intake->reader);
	free(intake);
}

void
intake_begin(struct intake *intake)
{
	intake->begun = true;
}

enum err
intake_feed(struct intake *intake, const char *data, size_t len)
{
	const char *why;
	enum err err = xml_stream_feed(intake->stream, data, len, &why);

	if (err != ERR_OK)
		log_warn("link.stream", "domain=%s why=\"%s\"",
		    LOGQ(intake->domain), why);
	return err;
}
