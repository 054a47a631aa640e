/*
 * Any order of things on a link whose server has a multicast service: a model
 * of such a server takes what is written, in order, and its service works at
 * its own pace, refuses groups, goes away.  Nobody misses an item, or gets one
 * before an earlier one.
 */
#include <stdlib.h>

#include "component/multicast.h"
#include "tests/unit/notify_fixture.h"

#define SERVICE "multicast.example.org"
#define MEMBERS 9
#define STEPS   3000
#define ITEMS   1200
#define QUEUE   100000

/* The last but one is an address that the server does not like, the last one
 * is of another domain. */
static const char *const jids[MEMBERS] = { "a@example.org", "b@example.org",
	"c@example.org", "d@example.org/x", "e@example.org", "f@example.org",
	"g@example.org", "bad@example.org", "far@example.com" };
#define BAD (MEMBERS - 2)

/* Stanzas that wait, as text. */
struct queue {
	char *stanzas[QUEUE];
	int first, count;
};

struct model {
	struct world world;
	struct multicast multicast;
	struct conf_component component;
	struct queue server;  /* on the link */
	struct queue service; /* in its own queue */
	struct queue answers; /* to the component */
	struct subscription subs[MEMBERS];
	bool awake[MEMBERS];
	int has[MEMBERS];
	uint64_t seqs[ITEMS + 1];
	int items;
	size_t limit;
	bool gone;
};

static struct xml_reader *reader;

/* ---- queues ---------------------------------------------------------- */

static void
push(struct queue *queue, const char *text)
{
	assert_true(queue->count < QUEUE);
	queue->stanzas[queue->count++] = xstrdup(text);
}

static char *
pop(struct queue *queue)
{
	return queue->first == queue->count ? NULL :
	                                      queue->stanzas[queue->first++];
}

static void
empty(struct queue *queue)
{
	char *text;

	while ((text = pop(queue)) != NULL)
		free(text);
	queue->first = queue->count = 0;
}

static struct xml *
parse(const char *text)
{
	struct xml_error error;
	struct xml *root;

	if (xml_parse(reader, text, strlen(text), false, &root, &error) !=
	    ERR_OK)
		fail_msg("%s: %s", error.why, text);
	return root;
}

/* ---- the server ------------------------------------------------------ */

static void
arrive(struct model *model, const char *jid, int number)
{
	int i = 0;

	while (strcmp(jids[i], jid) != 0)
		assert_true(++i < MEMBERS);
	assert_int_not_equal(i, BAD);
	if (number > model->has[i] + 1)
		fail_msg("%s: %d behind %d", jid, number, model->has[i]);
	if (number == model->has[i] + 1)
		model->has[i] = number;
}

static int
number_of(const struct xml *stanza)
{
	struct buf body;
	int number;

	buf_init(&body, 0);
	xml_text(xml_child(stanza, NULL, "body"), &body);
	number = atoi(body.data);
	buf_clear(&body);
	return number;
}

/* An error with what it is about in it, as ejabberd writes it. */
static void
refuse(struct model *model, const struct xml *stanza, const char *condition)
{
	const struct xml *group = xml_child(stanza, MULTICAST_NS, "addresses");
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text, "<%s type='error' id='%s' from='%s' to='%s'>",
	    stanza->name,
	    xml_attr(stanza, "id") == NULL ? "" : xml_attr(stanza, "id"),
	    xml_attr(stanza, "to"), xml_attr(stanza, "from"));
	if (group != NULL)
		xml_write(group, "", &text);
	buf_addf(&text,
	    "<error type='cancel'><%s "
	    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></%s>",
	    condition, stanza->name);
	push(&model->answers, text.data);
	buf_clear(&text);
}

static void
answer_iq(struct model *model, const struct xml *stanza, const char *inner)
{
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text, "<iq type='result' id='%s' from='%s' to='%s'>%s</iq>",
	    xml_attr(stanza, "id"), xml_attr(stanza, "to"),
	    xml_attr(stanza, "from"), inner);
	push(&model->answers, text.data);
	buf_clear(&text);
}

static bool
asks(const struct xml *stanza, const char *what)
{
	return xml_child(stanza, what, "query") != NULL;
}

static void
server_take(struct model *model, const char *text)
{
	struct xml *stanza = parse(text);
	const char *to = xml_attr(stanza, "to");

	if (strcmp(to, SERVICE) == 0) {
		if (model->gone)
			refuse(model, stanza, "remote-server-not-found");
		else
			push(&model->service, text);
	} else if (strcmp(stanza->name, "iq") == 0) {
		answer_iq(model, stanza,
		    asks(stanza, "http://jabber.org/protocol/disco#items") ?
		        "<query xmlns='http://jabber.org/protocol/disco#items'>"
		        "<item jid='" SERVICE "'/></query>" :
		        "");
	} else if (strcmp(to, jids[BAD]) == 0) {
		refuse(model, stanza, "bad-request");
	} else {
		arrive(model, to, number_of(stanza));
	}
	xml_free(stanza);
}

static void
service_copy(struct model *model, const struct xml *stanza)
{
	const struct xml *group = xml_child(stanza, MULTICAST_NS, "addresses");
	const struct xml *node;
	size_t n = 0;
	bool bad = false;

	for (node = xml_first(group); node != NULL; node = xml_next(node)) {
		assert_string_equal(xml_attr(node, "type"), "bcc");
		assert_null(strstr(xml_attr(node, "jid"), "example.com"));
		bad |= strcmp(xml_attr(node, "jid"), jids[BAD]) == 0;
		n++;
	}
	if (n > model->limit)
		refuse(model, stanza, "not-acceptable");
	else if (bad)
		refuse(model, stanza, "bad-request");
	else
		for (node = xml_first(group); node != NULL;
		     node = xml_next(node))
			arrive(model, xml_attr(node, "jid"), number_of(stanza));
}

static void
service_take(struct model *model, const char *text)
{
	struct xml *stanza = parse(text);

	if (strcmp(stanza->name, "message") == 0)
		service_copy(model, stanza);
	else if (asks(stanza, "http://jabber.org/protocol/disco#info"))
		answer_iq(model, stanza,
		    "<query xmlns='http://jabber.org/protocol/disco#info'>"
		    "<feature var='" MULTICAST_NS "'/></query>");
	else
		refuse(model, stanza, "service-unavailable");
	xml_free(stanza);
}

/* ---- the component, as domain.c has it ------------------------------- */

static void
send_cb(void *arg, const char *text, size_t len)
{
	struct model *model = arg;

	buf_add(&model->world.out, text, len);
	barrier_sent(&model->world.barrier, len, 0);
}

static size_t
suspect_cb(void *arg, const struct xml *group)
{
	struct model *model = arg;

	return notify_suspect(model->world.notify, group);
}

static void
back_cb(void *arg)
{
	struct world *world = &((struct model *)arg)->world;

	barrier_void(&world->barrier);
	notify_go_to(world->notify, world->note);
	notify_resume(world->notify);
}

static int64_t
now(const struct model *model)
{
	return loop_now_ms(worker_loop(model->world.worker));
}

static void
hear(struct model *model, const char *text)
{
	struct xml *stanza = parse(text);
	struct world *world = &model->world;
	enum barrier_heard heard;
	void *note;

	if (multicast_stanza(&model->multicast, stanza, now(model)))
		goto out;
	heard = barrier_answer(&world->barrier, xml_attr(stanza, "id"),
	    xml_attr(stanza, "from"), 0, &note);
	if (heard == BARRIER_CONFIRMED) {
		if (note != NULL) {
			free(world->note);
			world->note = note;
			notify_forget(world->notify, world->note->seq);
		}
		notify_resume(world->notify);
	}
	if (heard == BARRIER_NO_ANSWER && multicast_is_malformed(stanza))
		notify_malformed(world->notify, xml_attr(stanza, "from"));
out:
	xml_free(stanza);
}

/* What was written is on the link. */
static void
flush(struct model *model)
{
	struct world *world = &model->world;
	const struct xml *node;
	struct xml *root;
	struct buf text;

	/* The window of 25, and the group that was begun in it. */
	assert_true(world->barrier.count[BARRIER_COPIES] < 25 + 4);
	multicast_tick(&model->multicast, now(model));
	if (barrier_unasked(&world->barrier) > 0 &&
	    barrier_can_put(&world->barrier))
		batch_cb(world);
	if (world->out.len == 0)
		return;
	buf_init(&text, 0);
	buf_adds(&text, "<link>");
	buf_add(&text, world->out.data, world->out.len);
	buf_adds(&text, "</link>");
	root = parse(text.data);
	for (node = xml_first(root); node != NULL; node = xml_next(node)) {
		buf_reset(&text);
		xml_write(node, "", &text);
		push(&model->server, text.data);
	}
	xml_free(root);
	buf_clear(&text);
	buf_reset(&world->out);
}

static bool
take(struct model *model, struct queue *queue,
    void (*fn)(struct model *, const char *))
{
	char *text = pop(queue);

	if (text != NULL)
		fn(model, text);
	free(text);
	return text != NULL;
}

/* ---- what happens ---------------------------------------------------- */

static void
lose(struct model *model)
{
	struct world *world = &model->world;

	multicast_down(&model->multicast, rand() % 4 == 0, now(model));
	empty(&model->server);
	empty(&model->answers);
	notify_open(world->notify, false);
	barrier_reset(&world->barrier, ++world->epoch, 0);
	buf_reset(&world->out);
	notify_go_to(world->notify, world->note);
	multicast_up(&model->multicast, world->epoch);
	notify_open(world->notify, true);
	turn(world);
}

static void
publish_one(struct model *model)
{
	static const char addressed[] = "<addresses xmlns='" MULTICAST_NS "'/>";
	const char *kind = rand() % 5 == 0 ? "presence" : "message";
	char text[256];

	if (model->items == ITEMS)
		return;
	snprintf(text, sizeof(text), "<%s><body>%d</body>%s</%s>", kind,
	    ++model->items, rand() % 5 == 0 ? addressed : "", kind);
	publish(&model->world, "news", text);
	turn(&model->world);
	model->seqs[model->items] = store_newest(model->world.store);
}

static void
sleep_or_wake(struct model *model)
{
	struct world *world = &model->world;
	int i = rand() % MEMBERS;
	struct subscription *sub = &model->subs[i];

	if (model->awake[i]) {
		notify_remove(world->notify, sub);
	} else {
		sub->position =
		    model->seqs[i == BAD ? model->items : model->has[i]];
		sub->changed = store_newest(world->store) + 1;
		notify_add(world->notify, sub);
		publish(world, "changes", "<message/>");
	}
	model->awake[i] = !model->awake[i];
	turn(world);
}

static void
work(struct model *model, int most)
{
	int n = rand() % most;

	flush(model);
	while (n-- > 0) {
		take(model, &model->server, server_take);
		if (rand() % 3 == 0)
			take(model, &model->service, service_take);
		if (rand() % 2 == 0)
			take(model, &model->answers, hear);
	}
	turn(&model->world);
}

static bool
is_quiet(const struct model *model)
{
	return model->service.first == model->service.count &&
	    model->answers.first == model->answers.count &&
	    barrier_is_clean(&model->world.barrier);
}

static void
step(struct model *model)
{
	switch (rand() % 40) {
	case 0:
		lose(model);
		break;
	case 1:
		/* It takes less, or is gone.  That it comes back while it is
		 * still being sent things is not told from a refusal. */
		if (rand() % 4 == 0)
			model->gone = true;
		else if (model->limit > 1)
			model->limit = 1 + (size_t)rand() % model->limit;
		break;
	case 2:
		if (!is_quiet(model))
			break;
		model->gone = false;
		model->limit = 20;
		model->multicast.cap = 4;
		break;
	case 3:
		/* It was silent for long, or left alone for long. */
		if (rand() % 4 == 0)
			multicast_tick(&model->multicast,
			    now(model) + BARRIER_COPIES_MS);
		else
			model->multicast.off_ms = 0;
		break;
	case 4:
	case 5:
	case 6:
		sleep_or_wake(model);
		break;
	case 7:
		/* Its copies are made; the link and its answers are slow. */
		while (take(model, &model->service, service_take))
			;
		break;
	default:
		if (rand() % 3 == 0)
			publish_one(model);
		work(model, 30);
	}
}

static void
finish(struct model *model)
{
	bool more = true;
	int i;

	while (more) {
		flush(model);
		more = take(model, &model->server, server_take);
		more |= take(model, &model->service, service_take);
		more |= take(model, &model->answers, hear);
		turn(&model->world);
		more |= model->world.out.len > 0 ||
		    barrier_unconfirmed(&model->world.barrier) > 0;
	}
	for (i = 0; i < MEMBERS; i++)
		if (model->awake[i] && i != BAD &&
		    model->has[i] != model->items)
			fail_msg("%s has %d of %d", jids[i], model->has[i],
			    model->items);
}

static void
start(struct model *model)
{
	static const struct multicast_ops ops = { send_cb, suspect_cb,
		back_cb };
	struct multicast_opts opts = { &model->component, &model->world.barrier,
		&ops, model };
	int i;

	model->component.domain = (char *)(uintptr_t)DOMAIN;
	model->component.ping = (char *)(uintptr_t) "example.org";
	model->component.multicast_group = 4;
	model->limit = 20;
	multicast_init(&model->multicast, &opts);
	begin_opts(&model->world, 25, false, &model->multicast);
	model->world.in_out = true;
	model->world.conf->classes[0].history_items = ITEMS;
	multicast_set_wanted(&model->multicast, model->world.conf);
	multicast_up(&model->multicast, model->world.epoch);
	model->world.note = notify_note(model->world.notify);
	publish(&model->world, "other", "<message/>");
	turn(&model->world);
	model->seqs[0] = store_newest(model->world.store);
	for (i = 0; i < MEMBERS; i++) {
		model->subs[i] = subscribe(&model->world, "news", jids[i]);
		model->awake[i] = true;
	}
}

static void
run(unsigned seed)
{
	struct model *model = xcalloc(1, sizeof(*model));
	int i;

	srand(seed);
	start(model);
	for (i = 0; i < STEPS; i++)
		step(model);
	finish(model);
	empty(&model->server);
	empty(&model->service);
	empty(&model->answers);
	multicast_clear(&model->multicast);
	end(&model->world);
	free(model);
}

TEST(c5_23_nobody_misses_anything_whatever_the_service_does)
{
	const struct xml_limits limits = { 16 << 20, 16, 64, 100000 };
	unsigned seed;

	reader = xml_reader_create(&limits);
	for (seed = 1; seed <= 12; seed++)
		run(seed);
	xml_reader_free(reader);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    c5_23_nobody_misses_anything_whatever_the_service_does),
	};

	return cmocka_run_group_tests_name("multicast_random", tests, NULL,
	    NULL);
}
