#include "component/multicast.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"

#define MULTICAST_INFO    "http://jabber.org/protocol/disco#info"
#define MULTICAST_ITEMS   "http://jabber.org/protocol/disco#items"
#define MULTICAST_FORM    "jabber:x:data"
#define MULTICAST_STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"

#define MULTICAST_REFUSED(reason)                               \
	STAT_COUNTER("waft_component_multicast_refused_total",  \
	    "Times the multicast service did not do its work, " \
	    "by reason; what was not confirmed was sent again", \
	    "reason=\"" reason "\"")
static struct stat_metric multicast_too_many = MULTICAST_REFUSED("too-many");
static struct stat_metric multicast_malformed = MULTICAST_REFUSED("malformed");
static struct stat_metric multicast_gone = MULTICAST_REFUSED("gone");
static struct stat_metric multicast_silent = MULTICAST_REFUSED("silent");

/* ---- life ------------------------------------------------------------ */

void
multicast_init(struct multicast *multicast, const struct multicast_opts *opts)
{
	memset(multicast, 0, sizeof(*multicast));
	multicast->component = opts->component;
	multicast->barrier = opts->barrier;
	multicast->ops = opts->ops;
	multicast->arg = opts->arg;
	multicast->cap = (size_t)opts->component->multicast_group;
}

static void
multicast_forget_items(struct multicast *multicast)
{
	while (multicast->n_items > 0)
		free(multicast->items[--multicast->n_items]);
	multicast->n_open = 0;
}

void
multicast_clear(struct multicast *multicast)
{
	multicast_forget_items(multicast);
	free(multicast->service);
	multicast->service = NULL;
}

void
multicast_set_wanted(struct multicast *multicast, const struct conf *conf)
{
	size_t i;

	multicast->wanted = false;
	for (i = 0; i < conf->n_classes; i++)
		multicast->wanted |= conf->classes[i].multicast;
}

void
multicast_up(struct multicast *multicast, uint32_t epoch)
{
	multicast_clear(multicast);
	multicast->up = true;
	multicast->look_ms = 0;
	multicast->back = 0;
	multicast->epoch = epoch;
}

void
multicast_set_careful(struct multicast *multicast, bool careful)
{
	multicast->careful = careful;
}

/* ---- what it is used for --------------------------------------------- */

static size_t
multicast_size(const struct multicast *multicast)
{
	return multicast->stated < multicast->cap ? multicast->stated :
	                                            multicast->cap;
}

size_t
multicast_limit(const struct multicast *multicast, int64_t now_ms)
{
	if (!multicast->wanted || multicast->service == NULL ||
	    multicast->careful || now_ms < multicast->off_ms)
		return 0;
	return multicast_size(multicast);
}

const char *
multicast_service(const struct multicast *multicast)
{
	return multicast->service;
}

static void
multicast_log(const struct multicast *multicast, const char *state,
    const char *reason)
{
	log_warn("component.multicast",
	    "domain=%s service=%s state=%s reason=%s receivers=%zu",
	    LOGQ(multicast->component->domain),
	    LOGQ(multicast->service == NULL ? "" : multicast->service), state,
	    reason, multicast_size(multicast));
}

static void
multicast_leave(struct multicast *multicast, const char *reason, int64_t now_ms)
{
	multicast->off_ms = now_ms + MULTICAST_OFF_MS;
	multicast_log(multicast, "off", reason);
}

/* Smaller groups, or none: half of n, which was too many. */
static void
multicast_shrink(struct multicast *multicast, size_t n, int64_t now_ms)
{
	if (n == 0)
		n = multicast_size(multicast);
	stat_add(&multicast_too_many, 1);
	if (n < 2) {
		multicast_leave(multicast, "refuses-one", now_ms);
		return;
	}
	multicast->cap = n / 2;
	multicast_log(multicast, "on", "too-many-receivers");
}

/* ---- looking for it -------------------------------------------------- */

static void
multicast_ask(struct multicast *multicast, const char *whom, const char *what)
{
	struct buf out;

	buf_init(&out, 0);
	buf_addf(&out, "<iq type='get' from='%s' to='",
	    multicast->component->domain);
	buf_adds_xml(&out, whom);
	buf_addf(&out, "' id='m-%08" PRIx32 "'><query xmlns='%s'/></iq>",
	    multicast->epoch, what);
	multicast->ops->send(multicast->arg, out.data, out.len);
	buf_clear(&out);
}

static void
multicast_ask_item(struct multicast *multicast, const char *jid)
{
	if (multicast->n_items == MULTICAST_ASKED_MAX)
		return;
	multicast->items[multicast->n_items++] = xstrdup(jid);
	multicast->n_open++;
	multicast_ask(multicast, jid, MULTICAST_INFO);
}

static void
multicast_look(struct multicast *multicast, int64_t now_ms)
{
	multicast->look_ms = now_ms + MULTICAST_OFF_MS;
	multicast_forget_items(multicast);
	if (multicast->component->multicast != NULL)
		multicast_ask_item(multicast, multicast->component->multicast);
	else
		multicast_ask(multicast, multicast->component->ping,
		    MULTICAST_ITEMS);
}

static void
multicast_none(struct multicast *multicast)
{
	log_warn("component.multicast",
	    "domain=%s state=none fix=\"load mod_multicast in ejabberd; "
	    "Prosody has none: each user gets a stanza of his own\"",
	    LOGQ(multicast->component->domain));
}

/* Services are domains; ours is none. */
static bool
multicast_may_be(const struct multicast *multicast, const char *jid)
{
	return jid != NULL && strpbrk(jid, "@/") == NULL &&
	    strcmp(jid, multicast->component->domain) != 0;
}

static void
multicast_hear_items(struct multicast *multicast, const struct xml *stanza)
{
	const struct xml *query = xml_child(stanza, MULTICAST_ITEMS, "query");
	const struct xml *item;

	if (multicast->n_items > 0 || multicast->service != NULL)
		return;
	for (item = query == NULL ? NULL : xml_first(query); item != NULL;
	     item = xml_next(item))
		if (multicast_may_be(multicast, xml_attr(item, "jid")))
			multicast_ask_item(multicast, xml_attr(item, "jid"));
	if (multicast->n_open == 0)
		multicast_none(multicast);
}

static bool
multicast_has_feature(const struct xml *query)
{
	const struct xml *node;
	const char *var;

	for (node = query == NULL ? NULL : xml_first(query); node != NULL;
	     node = xml_next(node)) {
		var = xml_attr(node, "var");
		if (xml_is(node, MULTICAST_INFO, "feature") && var != NULL &&
		    strcmp(var, MULTICAST_NS) == 0)
			return true;
	}
	return false;
}

static bool
multicast_field(const struct xml *form, const char *name, struct buf *value)
{
	const struct xml *field, *text;
	const char *var;

	for (field = xml_first(form); field != NULL; field = xml_next(field)) {
		var = xml_attr(field, "var");
		text = xml_child(field, MULTICAST_FORM, "value");
		if (var == NULL || strcmp(var, name) != 0 || text == NULL)
			continue;
		buf_reset(value);
		xml_text(text, value);
		return value->len > 0;
	}
	return false;
}

/* Of a message with such addresses (XEP-0033 §6.2); what is no number does not
 * limit. */
static size_t
multicast_stated(const struct xml *query)
{
	size_t stated = MULTICAST_LIMIT;
	const struct xml *form;
	struct buf value;
	uint64_t n;

	buf_init(&value, 0);
	for (form = xml_first(query); form != NULL; form = xml_next(form)) {
		if (!xml_is(form, MULTICAST_FORM, "x") ||
		    !multicast_field(form, "FORM_TYPE", &value) ||
		    strcmp(value.data, MULTICAST_NS) != 0 ||
		    !multicast_field(form, "message", &value))
			continue;
		stated = text_to_u64(value.data, value.len, UINT32_MAX, &n) ?
		    (size_t)n :
		    SIZE_MAX;
	}
	buf_clear(&value);
	return stated;
}

static void
multicast_found(struct multicast *multicast, const char *jid,
    const struct xml *query)
{
	multicast->service = xstrdup(jid);
	multicast->stated = multicast_stated(query);
	barrier_set_service(multicast->barrier, multicast->service);
	log_info("component.multicast",
	    "domain=%s service=%s state=on receivers=%zu",
	    LOGQ(multicast->component->domain), LOGQ(jid),
	    multicast_size(multicast));
}

static bool
multicast_hear_info(struct multicast *multicast, const struct xml *stanza,
    const char *from)
{
	const struct xml *query = xml_child(stanza, MULTICAST_INFO, "query");
	size_t i = 0;

	while (i < multicast->n_items && strcmp(multicast->items[i], from) != 0)
		i++;
	if (i == multicast->n_items || multicast->n_open == 0)
		return false;
	multicast->n_open--;
	if (multicast->service != NULL)
		return true;
	if (multicast_has_feature(query))
		multicast_found(multicast, from, query);
	else if (multicast->n_open == 0)
		multicast_none(multicast);
	return true;
}

/* Is it an answer to multicast_ask()? */
static bool
multicast_hear(struct multicast *multicast, const struct xml *stanza,
    const char *from)
{
	const char *id = xml_attr(stanza, "id");
	const char *type = xml_attr(stanza, "type");
	struct buf ours;
	bool is;

	if (strcmp(stanza->name, "iq") != 0 || id == NULL || type == NULL ||
	    (strcmp(type, "result") != 0 && strcmp(type, "error") != 0))
		return false;
	buf_init(&ours, 0);
	buf_addf(&ours, "m-%08" PRIx32, multicast->epoch);
	is = strcmp(id, ours.data) == 0;
	buf_clear(&ours);
	if (!is || multicast_hear_info(multicast, stanza, from) ||
	    strcmp(from, multicast->component->ping) != 0)
		return is;
	multicast_hear_items(multicast, stanza);
	return true;
}

/* ---- what it refuses ------------------------------------------------- */

static bool
multicast_has(const struct xml *stanza, const char *const *conditions)
{
	const struct xml *error = xml_child(stanza, NULL, "error");

	for (; error != NULL && *conditions != NULL; conditions++)
		if (xml_child(error, MULTICAST_STANZAS, *conditions) != NULL)
			return true;
	return false;
}

/* jid-malformed by RFC 6120 §8.3.3.10; ejabberd says bad-request. */
bool
multicast_is_malformed(const struct xml *stanza)
{
	static const char *const malformed[] = { "bad-request", "jid-malformed",
		NULL };

	return multicast_has(stanza, malformed);
}

static size_t
multicast_count(const struct xml *group)
{
	const struct xml *node;
	size_t n = 0;

	for (node = group == NULL ? NULL : xml_first(group); node != NULL;
	     node = xml_next(node))
		n++;
	return n;
}

/* Once for all that is under way. */
static void
multicast_go_back(struct multicast *multicast)
{
	if (!barrier_is_sure(multicast->barrier, multicast->back))
		return;
	multicast->back = barrier_mark(multicast->barrier);
	multicast->ops->back(multicast->arg);
}

static void
multicast_lose(struct multicast *multicast, int64_t now_ms)
{
	stat_add(&multicast_gone, 1);
	multicast_leave(multicast, "gone", now_ms);
	multicast_go_back(multicast);
}

static void
multicast_refused(struct multicast *multicast, const struct xml *stanza,
    int64_t now_ms)
{
	static const char *const too_many[] = { "not-acceptable",
		"resource-constraint", "policy-violation", NULL };
	const struct xml *group = xml_child(stanza, MULTICAST_NS, "addresses");
	size_t n = multicast_count(group);

	if (multicast_has(stanza, too_many)) {
		/* One from before it was made smaller says nothing new. */
		if (n <= multicast_size(multicast))
			multicast_shrink(multicast, n, now_ms);
	} else if (n > 0 && multicast_is_malformed(stanza) &&
	    multicast->ops->suspect(multicast->arg, group) > 0) {
		stat_add(&multicast_malformed, 1);
		multicast_log(multicast, "on", "malformed-receiver");
	} else {
		multicast_lose(multicast, now_ms);
	}
	multicast_go_back(multicast);
}

/* What servers say in place of a service that is gone; anything else that is
 * said to a ping is an answer. */
static bool
multicast_is_lost(const struct xml *stanza)
{
	static const char *const gone[] = { "remote-server-not-found",
		"remote-server-timeout", "item-not-found", "gone", NULL };

	return multicast_has(stanza, gone);
}

bool
multicast_stanza(struct multicast *multicast, const struct xml *stanza,
    int64_t now_ms)
{
	const char *from = xml_attr(stanza, "from");
	const char *type = xml_attr(stanza, "type");

	if (from == NULL || !multicast->up)
		return false;
	if (multicast_hear(multicast, stanza, from))
		return true;
	if (multicast->service == NULL ||
	    strcmp(from, multicast->service) != 0 || type == NULL ||
	    strcmp(type, "error") != 0)
		return false;
	if (strcmp(stanza->name, "iq") == 0) {
		if (now_ms >= multicast->off_ms && multicast_is_lost(stanza))
			multicast_lose(multicast, now_ms);
		return false;
	}
	/* What it says of what was given up by then is known. */
	if (strcmp(stanza->name, "message") == 0 && now_ms >= multicast->off_ms)
		multicast_refused(multicast, stanza, now_ms);
	return true;
}

/* ---- time ------------------------------------------------------------ */

void
multicast_tick(struct multicast *multicast, int64_t now_ms)
{
	if (!multicast->up)
		return;
	if (barrier_wants_forgiving(multicast->barrier, now_ms)) {
		stat_add(&multicast_silent, 1);
		multicast_leave(multicast, "silent", now_ms);
		barrier_forgive(multicast->barrier);
		multicast_go_back(multicast);
	}
	if (multicast->wanted && multicast->service == NULL &&
	    now_ms >= multicast->look_ms)
		multicast_look(multicast, now_ms);
}

void
multicast_down(struct multicast *multicast, bool by_stanza, int64_t now_ms)
{
	/* A group makes a stanza larger than its item, and the server may have
	 * a limit that the service does not know of. */
	if (by_stanza && barrier_has_copies(multicast->barrier))
		multicast_shrink(multicast, 0, now_ms);
	multicast->up = false;
	multicast_clear(multicast);
}
