/* What operators and their monitors ask. */
#include "config.h"

#include <string.h>

#include "common/base/stat.h"
#include "common/control/call.h"

void
health_root(struct exchange *exchange UNUSED,
    const struct route_args *args UNUSED, void *arg)
{
	struct call *call = arg;
	struct buf text;

	buf_init(&text, 0);
	buf_adds(&text, "waft-");
	buf_adds(&text, call->control->opts.daemon);
	buf_adds(&text, " " PACKAGE_VERSION " control API\n");
	call_text(call, 200, text.data);
	buf_clear(&text);
}

void
health_live(struct exchange *exchange UNUSED,
    const struct route_args *args UNUSED, void *arg)
{
	call_text(arg, 200, "ok\n");
}

static bool
health_is_ready(const struct control *control, const char **why)
{
	if (control->draining) {
		*why = "ending";
		return false;
	}
	if (!store_is_writable(control->store, why))
		return false;
	return control->opts.ready == NULL ||
	    control->opts.ready(control->opts.arg, why);
}

void
health_ready(struct exchange *exchange UNUSED,
    const struct route_args *args UNUSED, void *arg)
{
	struct call *call = arg;
	const char *why = NULL;

	if (health_is_ready(call->control, &why))
		call_text(call, 200, "ready\n");
	else
		call_error(call, ERR_BUSY, "not ready: %s",
		    why == NULL ? "starting" : why);
}

void
health_metrics(struct exchange *exchange UNUSED,
    const struct route_args *args UNUSED, void *arg)
{
	struct call *call = arg;
	struct buf text;

	if (!call_authorize(call, NULL))
		return;
	buf_init(&text, 0);
	stat_print(&text);
	call_reply(call, 200, "text/plain; version=0.0.4; charset=utf-8",
	    text.data, text.len);
	buf_clear(&text);
}

void
health_status(struct exchange *exchange UNUSED,
    const struct route_args *args UNUSED, void *arg)
{
	struct call *call = arg;
	struct control *control = call->control;
	const char *why = NULL;
	json_t *json;
	bool ready;

	if (!call_authorize(call, NULL))
		return;
	ready = health_is_ready(control, &why);
	json = json_object();
	json_object_set_new(json, "daemon", json_string(control->opts.daemon));
	json_object_set_new(json, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(json, "ready", json_boolean(ready));
	if (!ready && why != NULL)
		json_object_set_new(json, "why", json_string(why));
	json_object_set_new(json, "uptime",
	    json_integer(
	        (loop_now_ms(control->loop) - control->started_ms) / 1000));
	json_object_set_new(json, "epoch",
	    json_string(store_epoch(control->store)));
	call_position(control, store_newest(control->store), json, "position");
	json_object_set_new(json, "control-connections",
	    json_integer(http_server_connections(control->server)));
	if (control->opts.status != NULL)
		control->opts.status(control->opts.arg, json);
	call_json(call, 200, json);
}
