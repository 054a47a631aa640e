#include "common/xmpp/stamp.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"

struct stamp_strip {
	const char *text;
	stamp_ours_fn *ours;
	void *arg;
	struct buf *out;
	int depth;
	size_t copied; /* the text up to here is dealt with */
	bool inside;   /* of one that is left out */
	bool stripped;
};

void
stamp_id(const struct buf *by, const char *id, size_t id_len, struct buf *out)
{
	buf_adds(out, "<stanza-id xmlns='" STAMP_SID "' by='");
	buf_add(out, by->data, by->len);
	buf_adds(out, "' id='");
	buf_add(out, id, id_len);
	buf_adds(out, "'/>");
}

void
stamp_delay(const char *from, int64_t time_ms, struct buf *out)
{
	char stamp[32];

	clock_stamp(time_ms, stamp, sizeof stamp);
	buf_adds(out, "<delay xmlns='" STAMP_DELAY "' from='");
	buf_adds_xml(out, from);
	buf_adds(out, "' stamp='");
	buf_adds(out, stamp);
	buf_adds(out, "'/>");
}

static bool
stamp_is_id(const struct xml_name *name)
{
	return strcmp(name->local, "stanza-id") == 0 &&
	    strcmp(name->ns, STAMP_SID) == 0;
}

bool
stamp_is(const struct xml_name *name)
{
	return stamp_is_id(name) ||
	    (strcmp(name->local, "delay") == 0 &&
	        strcmp(name->ns, STAMP_DELAY) == 0);
}

static bool
stamp_is_ours(const struct stamp_strip *strip, const struct xml_name *name,
    const struct xml_attr *attrs, int n_attrs)
{
	const char *attr = stamp_is_id(name) ? "by" : "from", *why;
	struct jid jid;

	for (int i = 0; i < n_attrs; i++)
		if (attrs[i].name.ns[0] == '\0' &&
		    strcmp(attrs[i].name.local, attr) == 0)
			return jid_parse(attrs[i].value, strlen(attrs[i].value),
			           &jid, &why) == ERR_OK &&
			    strip->ours(&jid, strip->arg);
	return false;
}

static enum err
stamp_on_start(void *arg, const struct xml_name *name,
    const struct xml_attr *attrs, int n_attrs, size_t from, size_t to UNUSED,
    const char **why UNUSED)
{
	struct stamp_strip *strip = arg;

	if (++strip->depth != 2 || !stamp_is(name) ||
	    !stamp_is_ours(strip, name, attrs, n_attrs))
		return ERR_OK;
	buf_add(strip->out, strip->text + strip->copied, from - strip->copied);
	strip->copied = from;
	strip->inside = strip->stripped = true;
	return ERR_OK;
}

static enum err
stamp_on_end(void *arg, const struct xml_name *name UNUSED, size_t from UNUSED,
    size_t to, const char **why UNUSED)
{
	struct stamp_strip *strip = arg;

	if (--strip->depth == 1 && strip->inside) {
		strip->inside = false;
		strip->copied = to;
	}
	return ERR_OK;
}

bool
stamp_strip(struct xml_reader *reader, const char *text, size_t len,
    stamp_ours_fn *ours, void *arg, struct buf *out)
{
	static const struct xml_handler handler = { NULL, stamp_on_start,
		stamp_on_end, NULL };
	struct stamp_strip strip = { .text = text,
		.ours = ours,
		.arg = arg,
		.out = out };
	struct xml_error error;

	if (xml_scan(reader, text, len, false, &handler, &strip, &error) !=
	        ERR_OK ||
	    !strip.stripped)
		return false;
	buf_add(out, text + strip.copied, len - strip.copied);
	return true;
}
