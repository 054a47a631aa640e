/*
 * Any stanzas, one a line, to multicast_stanza(), with copies and barriers
 * under way between them: whatever a server says, the groups are never larger
 * than configured or refused, and nothing is sent back twice for one fault.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "component/multicast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GROUP 10

struct world {
	struct barrier barrier;
	struct buf out;
	uint64_t backs;
	uint64_t batch; /* at the last of them */
};

static void
fuzz_send(void *arg, const char *text, size_t len)
{
	struct world *world = arg;

	buf_add(&world->out, text, len);
}

static size_t
fuzz_suspect(void *arg, const struct xml *group)
{
	(void)arg;
	return xml_attr(group, "none") == NULL;
}

static void
fuzz_back(void *arg)
{
	struct world *world = arg;

	if (world->backs > 0 && !barrier_is_sure(&world->barrier, world->batch))
		abort();
	world->backs++;
	world->batch = barrier_mark(&world->barrier);
	barrier_void(&world->barrier);
}

static void
fuzz_stanza(struct multicast *multicast, struct world *world, const char *text,
    size_t len, int64_t now_ms)
{
	static const struct xml_limits limits = { 65536, 8, 32, 1000 };
	static struct xml_reader *reader;
	struct xml_error error;
	struct xml *root;
	void *snapshot;

	if (reader == NULL)
		reader = xml_reader_create(&limits);
	if (xml_parse(reader, text, len, false, &root, &error) != ERR_OK)
		return;
	if (!multicast_stanza(multicast, root, now_ms))
		barrier_answer(&world->barrier, xml_attr(root, "id"),
		    xml_attr(root, "from"), now_ms, &snapshot);
	xml_free(root);
	if (multicast_limit(multicast, now_ms) > GROUP)
		abort();
	if (multicast_limit(multicast, now_ms) > 0) {
		barrier_sent_copies(&world->barrier, 3, 100, now_ms);
		if (barrier_can_put(&world->barrier))
			barrier_put(&world->barrier, NULL, now_ms, &world->out);
	}
	multicast_tick(multicast, now_ms);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct multicast_ops ops = { fuzz_send, fuzz_suspect,
		fuzz_back };
	static const struct barrier_opts barrier = { "push.example.org",
		"example.org", 100, 100, 1 << 20, free };
	struct conf_component component = { .domain =
		                                (char *)"push.example.org",
		.ping = (char *)"example.org",
		.multicast_group = GROUP };
	struct conf_class class = { .multicast = true };
	struct conf conf = { .classes = &class, .n_classes = 1 };
	const char *at = (const char *)data, *end = at + size, *stop;
	struct world world = { .backs = 0 };
	struct multicast multicast;
	int64_t now_ms = 0;

	log_set_level(LOG_ERROR);
	barrier_init(&world.barrier, &barrier);
	barrier_reset(&world.barrier, 1, 0);
	multicast_init(&multicast,
	    &(struct multicast_opts){ &component, &world.barrier, &ops,
	        &world });
	multicast_set_wanted(&multicast, &conf);
	multicast_up(&multicast, 1);
	multicast_tick(&multicast, 0);
	for (; at < end; at = stop + 1, now_ms += 1500) {
		stop = memchr(at, '\n', (size_t)(end - at));
		if (stop == NULL)
			stop = end;
		fuzz_stanza(&multicast, &world, at, (size_t)(stop - at),
		    now_ms);
	}
	multicast_down(&multicast, size % 2 == 0, now_ms);
	barrier_clear(&world.barrier);
	buf_clear(&world.out);
	return 0;
}
