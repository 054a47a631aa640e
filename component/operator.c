#include "component/operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/channel/item.h"
#include "component/domain.h"

#define OPERATOR_NUMBER 24 /* bytes of one as text */
/* Of a stanza that an operator wrote: as in common/control/publish.c. */
#define OPERATOR_ATTRS    1024
#define OPERATOR_ELEMENTS (1 << 20)

static const struct {
	const char *name;
	const char *label;
} operator_counters[] = {
	{ "waft_component_sent_stanzas_total", "Stanzas sent" },
	{ "waft_component_confirmed_total", "Confirmations" },
	{ "waft_component_rewinds_total", "Links lost with repeats" },
	{ "waft_component_skipped_total", "Deliveries left out" },
	{ "waft_component_bounces_total", "Bounces" },
	{ "waft_component_bounced_subscriptions_total",
	    "Subscriptions ended by bounces" },
	{ "waft_component_iq_replies_total", "Answers to published iqs" },
	{ "waft_component_quarantined_items_total", "Items in quarantine" },
	{ "waft_xmpp_published_items_total", "Items published over XMPP" },
	{ "waft_xmpp_refused_total", "Requests refused" },
};

const struct conf_component *
operator_component(const struct conf *conf, const char *domain)
{
	size_t i;

	for (i = 0; i < conf->n_components; i++)
		if (strcmp(conf->components[i].domain, domain) == 0)
			return &conf->components[i];
	return NULL;
}

void
operator_check(const struct conf_component *component, const char *option,
    const struct conf_strings *list)
{
	struct jid jid;
	const char *why;
	size_t i;

	for (i = 0; i < list->count; i++)
		if (jid_parse(list->list[i], strlen(list->list[i]), &jid,
		        &why) != ERR_OK)
			log_warn("component.address",
			    "domain=%s option=%s value=%s reason=\"%s\"",
			    LOGQ(component->domain), option,
			    LOGQ(list->list[i]), why);
}

struct entry *
operator_item(const struct conf *conf, const char *channel, void *json,
    struct buf *why)
{
	const struct xml_limits limits = { conf->control.stanza_max,
		conf->control.stanza_depth, OPERATOR_ATTRS, OPERATOR_ELEMENTS };
	struct item_source source = { .conf = conf,
		.channel = channel,
		.prefix = "" };
	struct item_error error;
	struct entry *entry = NULL;
	json_t *item = json_pack("{s:O}", "formats", json);

	source.reader = xml_reader_create(&limits);
	if (item_parse(&source, item, &entry, &error) != ERR_OK) {
		buf_adds(why, error.why);
		if (error.line > 0)
			buf_addf(why, " (line %d, column %d)", error.line,
			    error.column);
	}
	xml_reader_free(source.reader);
	json_decref(item);
	return entry;
}

/* One member of a link's status, as text; NULL: it is not told. */
static const char *
operator_text(const json_t *value, char number[OPERATOR_NUMBER])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (!json_is_integer(value))
		return NULL;
	snprintf(number, OPERATOR_NUMBER, "%" JSON_INTEGER_FORMAT,
	    json_integer_value(value));
	return number;
}

static void
operator_link(const struct domain *domain, service_status_fn *tell, void *arg)
{
	char number[OPERATOR_NUMBER];
	json_t *link = json_object(), *value;
	const char *name, *text;

	domain_status(domain, link);
	json_object_foreach(link, name, value)
	{
		text = operator_text(value, number);
		if (text != NULL)
			tell(name, name, text, arg);
	}
	json_decref(link);
}

void
operator_status(const struct domain *domain, service_status_fn *tell, void *arg)
{
	char number[OPERATOR_NUMBER];
	size_t i;

	if (domain != NULL)
		operator_link(domain, tell, arg);
	for (i = 0; i < ARRAY_LEN(operator_counters); i++) {
		snprintf(number, sizeof number, "%" PRId64,
		    stat_sum(operator_counters[i].name));
		tell(operator_counters[i].name, operator_counters[i].label,
		    number, arg);
	}
}
