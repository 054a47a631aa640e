#include "bench/dialog.h"

#include <stdio.h>
#include <string.h>

#include "bench/tool.h"

static bool
dialog_has(const char *data, size_t len, const char *text)
{
	return tool_find(data, len, text) != NULL;
}

static bool
dialog_jid(const char *data, size_t len, char jid[LOAD_JID])
{
	const char *from = tool_find(data, len, "<jid>"), *end;
	size_t n;

	if (from == NULL)
		return false;
	from += strlen("<jid>");
	end = memchr(from, '<', len - (size_t)(from - data));
	if (end == NULL)
		return false;
	n = strcspn(from, "/<");
	if (n >= LOAD_JID)
		tool_die("JID too long");
	memcpy(jid, from, n);
	jid[n] = '\0';
	return true;
}

/*
 * Presence, so that messages to the bare JID arrive, then a question whose
 * answer proves that it was taken.
 */
static void
dialog_subscribe(const struct load_options *options, const char *jid, char *out)
{
	if (options->service == NULL)
		snprintf(out, DIALOG_MAX,
		    DIALOG_PRESENCE
		    "<iq xmlns='jabber:client' type='get' id='last' to='%s'>"
		    "<ping xmlns='urn:xmpp:ping'/></iq>",
		    options->domain);
	else
		snprintf(out, DIALOG_MAX,
		    DIALOG_PRESENCE
		    "<iq xmlns='jabber:client' type='set' id='last' to='%s'>"
		    "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
		    "<subscribe node='%s' jid='%s'/></pubsub></iq>",
		    options->service, options->node, jid);
}

enum dialog_verdict
dialog_next(const struct load_options *options, enum dialog_step *step,
    const char *data, size_t len, char out[DIALOG_MAX], char jid[LOAD_JID])
{
	if (dialog_has(data, len, "<failure") ||
	    dialog_has(data, len, "type='error'") ||
	    dialog_has(data, len, "type=\"error\"") ||
	    dialog_has(data, len, "stream:error") ||
	    dialog_has(data, len, "terminate"))
		tool_die("refused at step %d: %.*s", *step, (int)len, data);
	switch (*step) {
	case DIALOG_FEATURES:
		if (!dialog_has(data, len, "features>"))
			return DIALOG_MORE;
		snprintf(out, DIALOG_MAX,
		    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
		    "mechanism='ANONYMOUS'/>");
		break;
	case DIALOG_SUCCESS:
		if (!dialog_has(data, len, "<success"))
			return DIALOG_MORE;
		*step = DIALOG_BIND;
		return DIALOG_RESTART;
	case DIALOG_BIND:
		if (!dialog_has(data, len, "features>"))
			return DIALOG_MORE;
		snprintf(out, DIALOG_MAX,
		    "<iq xmlns='jabber:client' type='set' id='bind'>"
		    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
		break;
	case DIALOG_JID:
		if (!dialog_jid(data, len, jid))
			return DIALOG_MORE;
		if (options->bound) {
			*step = DIALOG_READY;
			return DIALOG_DONE;
		}
		dialog_subscribe(options, jid, out);
		break;
	case DIALOG_LAST:
		if (!dialog_has(data, len, "id='last'") &&
		    !dialog_has(data, len, "id=\"last\""))
			return DIALOG_MORE;
		*step = DIALOG_READY;
		return DIALOG_DONE;
	case DIALOG_READY:
		return DIALOG_DONE;
	}
	(*step)++;
	return DIALOG_SEND;
}
