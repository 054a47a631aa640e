/*
 * Any bytes as an item of a publish.  What is let in can be shown, published
 * again as it was shown, and is then packed the same; and what XMPP listeners
 * get of it is well-formed.  The same bytes are an Accept header.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/channel/item.h"
#include "common/control/accept.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct item_source source;
static struct xml_reader *judge;

static void
publish_init(void)
{
	static const struct xml_limits limits = { 64 * 1024, 32, 64, 1000 };
	static const struct xml_limits wide = { 1 << 24, 64, 128, 2000 };
	struct buf why;

	buf_init(&why, 0);
	source.conf = conf_load("/dev/null", NULL, 0, &why);
	source.reader = xml_reader_create(&limits);
	source.prefix = "";
	judge = xml_reader_create(&wide);
}

static void
publish_check_stanza(const struct stanza *stanza)
{
	static const struct stanza_fill fill = {
		.to = "a@b",
		.to_len = 3,
		.from = "c@d",
		.from_len = 3,
		.id = "i",
		.id_len = 1,
	};
	struct xml_error error;
	struct xml *root;
	struct buf out;

	if (stanza == NULL)
		return;
	buf_init(&out, 0);
	stanza_write(stanza, STANZA_BOSH, &fill, &out);
	if (xml_parse(judge, out.data, out.len, false, &root, &error) != ERR_OK)
		abort();
	xml_free(root);
	buf_clear(&out);
}

static void
publish_check_again(const struct entry *first)
{
	json_t *shown = item_to_json(first, "00000000");
	struct item_error error;
	struct entry *second;

	if (item_parse(&source, shown, &second, &error) != ERR_OK ||
	    first->data_len != second->data_len ||
	    memcmp(first->data, second->data, first->data_len) != 0 ||
	    strcmp(first->channel, second->channel) != 0 ||
	    strcmp(first->id, second->id) != 0)
		abort();
	entry_unref(second);
	json_decref(shown);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct json_error_at at;
	struct item_error error;
	struct entry *entry;
	json_t *json;
	bool plain, object;

	if (judge == NULL)
		publish_init();
	accept_read((struct slice){ text, size }, &plain, &object);
	if (plain && object)
		abort();
	json = json_read(text, size, &at);
	if (json == NULL)
		return 0;
	if (item_parse(&source, json, &entry, &error) == ERR_OK) {
		if (!entry_data_ok(entry->data, entry->data_len))
			abort();
		publish_check_again(entry);
		publish_check_stanza(item_stanza(entry, NOTIFY_RAW));
		publish_check_stanza(item_stanza(entry, NOTIFY_EVENT));
		entry_unref(entry);
	} else if (error.err == ERR_OK || error.why[0] == '\0') {
		abort();
	}
	json_decref(json);
	return 0;
}
