#include "common/xmpp/rsm.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

#define RSM_NS "http://jabber.org/protocol/rsm"

/* The text of a child; NULL when it is not there or empty. */
static char *
rsm_text(const struct xml *set, const char *name, bool *there)
{
	const struct xml *child = xml_child(set, RSM_NS, name);
	struct buf text;

	*there = child != NULL;
	if (child == NULL)
		return NULL;
	buf_init(&text, 0);
	xml_text(child, &text);
	if (text.len > 0)
		return buf_detach(&text, NULL);
	buf_clear(&text);
	return NULL;
}

enum err
rsm_read(struct rsm *rsm, const struct xml *parent, size_t limit)
{
	const struct xml *set = xml_child(parent, RSM_NS, "set");
	uint64_t number = limit;
	bool has_max, there, ok = true;
	char *max;

	memset(rsm, 0, sizeof(*rsm));
	rsm->max = limit;
	rsm->asked = set != NULL;
	if (set == NULL)
		return ERR_OK;
	if (xml_child(set, RSM_NS, "index") != NULL)
		return ERR_UNSUPPORTED;
	max = rsm_text(set, "max", &has_max);
	if (has_max)
		ok = max != NULL &&
		    text_to_u64(max, strlen(max), UINT32_MAX, &number);
	free(max);
	if (number < limit)
		rsm->max = (size_t)number;
	rsm->after = rsm_text(set, "after", &there);
	rsm->before = rsm_text(set, "before", &there);
	rsm->last = there && rsm->before == NULL;
	if (rsm->after != NULL && there)
		ok = false;
	return ok ? ERR_OK : ERR_BAD;
}

void
rsm_clear(struct rsm *rsm)
{
	free(rsm->after);
	free(rsm->before);
	rsm->after = rsm->before = NULL;
}

void
rsm_write(const struct rsm_page *page, struct buf *out)
{
	buf_adds(out, "<set xmlns='" RSM_NS "'>");
	if (page->first != NULL) {
		buf_adds(out, "<first");
		if (page->index >= 0)
			buf_addf(out, " index='%lld'", (long long)page->index);
		buf_addc(out, '>');
		buf_adds_xml(out, page->first);
		buf_adds(out, "</first><last>");
		buf_adds_xml(out, page->last);
		buf_adds(out, "</last>");
	}
	if (page->count >= 0)
		buf_addf(out, "<count>%lld</count>", (long long)page->count);
	buf_adds(out, "</set>");
}
