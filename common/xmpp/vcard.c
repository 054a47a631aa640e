/* Who that is (XEP-0054): a contact's name and description, for clients that
 * show channels among people. */
#include "common/xmpp/ask.h"

static void
vcard_add(struct buf *out, const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	buf_addf(out, "<%s>", name);
	buf_adds_xml(out, text);
	buf_addf(out, "</%s>", name);
}

static void
vcard_answer(struct ask *ask, const char *title, const char *nick,
    const char *description)
{
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<vCard xmlns='" ASK_VCARD "'>");
	vcard_add(&out, "FN", title);
	vcard_add(&out, "NICKNAME", nick);
	vcard_add(&out, "DESC", description);
	buf_adds(&out, "</vCard>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
vcard_found(struct ask *ask)
{
	const struct node *node = ask->node;
	bool titled = node != NULL && node->title[0] != '\0';

	vcard_answer(ask, titled ? node->title : ask->channel, ask->channel,
	    node == NULL ? "" : node->description);
}

void
vcard_request(struct ask *ask, const struct xml *element UNUSED)
{
	if (ask->channel == NULL)
		vcard_answer(ask, "waft", ask->service->domain,
		    "Channels to subscribe to; a message with the word help "
		    "tells how");
	else if (!ask_node(ask, NULL))
		ask_fail(ask, ERR_NOTFOUND);
	else
		ask_find(ask, vcard_found);
}
