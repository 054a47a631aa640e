#include "common/control/control.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/control/call.h"

static const struct route control_routes[] = {
	{ HTTP_POST, "/publish/", publish_items },
	{ HTTP_POST, "/publish/*/", publish_channel },
	{ HTTP_POST, "/realm/*/publish/", publish_realm },
	{ HTTP_POST, "/realm/*/publish/*/", publish_realm_channel },
	{ HTTP_GET, "/channels/", channels_list },
	{ HTTP_GET, "/channels/*/", channel_show },
	{ HTTP_PUT, "/channels/*/", channel_put },
	{ HTTP_DELETE, "/channels/*/", channel_delete },
	{ HTTP_GET, "/channels/*/node/", node_show },
	{ HTTP_PUT, "/channels/*/node/", node_put },
	{ HTTP_GET, "/channels/*/items/", items_show },
	{ HTTP_GET, "/channels/*/subscriptions/", subscriptions_list },
	{ HTTP_POST, "/channels/*/subscriptions/", subscription_add },
	{ HTTP_DELETE, "/channels/*/subscriptions/*/", subscription_remove },
	{ HTTP_GET, "/subscriptions/", subscriptions_all },
	{ HTTP_POST, "/subscriptions/", subscriptions_import },
	{ HTTP_GET, "/metrics", health_metrics },
	{ HTTP_GET, "/healthz", health_live },
	{ HTTP_GET, "/readyz", health_ready },
	{ HTTP_GET, "/status", health_status },
	{ HTTP_GET, "/", health_root },
};

static void
control_handle(struct exchange *exchange, void *arg)
{
	struct call call;

	if (!call_init(&call, arg, exchange))
		return;
	if (exchange_head(exchange)->method == HTTP_OPTIONS &&
	    call.origin != NULL) {
		call_reply(&call, 204, NULL, NULL, 0);
		return;
	}
	route_dispatch(control_routes, ARRAY_LEN(control_routes), exchange,
	    &call);
}

static bool
control_is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 ||
	    strncmp(address, "[::1]:", 6) == 0 ||
	    strncmp(address, "localhost:", 10) == 0;
}

/* Attributes and elements follow from the size of a stanza; these bound what
 * expat does with it. */
static struct xml_reader *
control_reader(const struct conf *conf)
{
	struct xml_limits limits = { conf->control.stanza_max,
		conf->control.stanza_depth, 256, 16384 };

	return xml_reader_create(&limits);
}

struct control *
control_start(const struct control_opts *opts, const char **why)
{
	const struct conf *conf = worker_conf(opts->worker);
	struct http_server_opts http = {
		.loop = worker_loop(opts->worker),
		.limits = &conf->http,
		.max_body = conf->control.max_body,
		.handle = control_handle,
	};
	struct control *control;

	if (conf->control.auth == AUTH_NONE &&
	    !control_is_loopback(opts->address)) {
		*why = "off loopback it needs control { auth = token }";
		return NULL;
	}
	control = xcalloc(1, sizeof *control);
	control->opts = *opts;
	control->conf = conf;
	control->loop = http.loop;
	control->store = worker_store(opts->worker);
	control->started_ms = loop_now_ms(http.loop);
	control->reader = control_reader(conf);
	TAILQ_INIT(&control->waits);
	http.arg = control;
	control->server = http_listen(&http, opts->address, why);
	if (control->server == NULL) {
		control_free(control);
		return NULL;
	}
	log_info("control.listen", "address=%s port=%d", LOGQ(opts->address),
	    control_port(control));
	return control;
}

int
control_port(const struct control *control)
{
	return http_server_port(control->server);
}

void
control_reload(struct control *control, const struct conf *conf)
{
	control->conf = conf;
	xml_reader_free(control->reader);
	control->reader = control_reader(conf);
}

void
control_drain(struct control *control)
{
	control->draining = true;
	http_server_drain(control->server);
	items_drain(control);
}

bool
control_is_idle(const struct control *control)
{
	return control->n_kept == 0;
}

void
control_free(struct control *control)
{
	if (control == NULL)
		return;
	if (control->server != NULL)
		http_server_free(control->server);
	xml_reader_free(control->reader);
	free(control);
}
