/*
 * A client made of libpurple as it is, with the jabber plugin that Pidgin,
 * Finch and BitlBee use: subscribes to a channel, prints each message's body,
 * and disconnects after so many.
 *
 * usage: purple_client FOLDER PORT DOMAIN USER PASSWORD CHANNEL COUNT
 * It keeps its files in FOLDER.
 */
#include <glib.h>
#include <purple.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GMainLoop *loop;
static const char *domain, *channel;
static int left, code = 1;

/* ---- the glib main loop, as libpurple wants it ----------------------- */

struct input {
	PurpleInputFunction function;
	gpointer data;
};

static gboolean
input_cb(GIOChannel *source, GIOCondition condition, gpointer data)
{
	const struct input *input = data;
	int what = 0;

	if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
		what |= PURPLE_INPUT_READ;
	if (condition & (G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL))
		what |= PURPLE_INPUT_WRITE;
	input->function(input->data, g_io_channel_unix_get_fd(source), what);
	return TRUE;
}

static guint
input_add(gint fd, PurpleInputCondition what, PurpleInputFunction function,
    gpointer data)
{
	struct input *input = g_new0(struct input, 1);
	GIOChannel *source = g_io_channel_unix_new(fd);
	int condition = 0;
	guint id;

	if (what & PURPLE_INPUT_READ)
		condition |= G_IO_IN | G_IO_HUP | G_IO_ERR;
	if (what & PURPLE_INPUT_WRITE)
		condition |= G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL;
	input->function = function;
	input->data = data;
	id = g_io_add_watch_full(source, G_PRIORITY_DEFAULT, condition,
	    input_cb, input, g_free);
	g_io_channel_unref(source);
	return id;
}

static PurpleEventLoopUiOps loop_ops = {
	.timeout_add = g_timeout_add,
	.timeout_remove = g_source_remove,
	.input_add = input_add,
	.input_remove = g_source_remove,
	.timeout_add_seconds = g_timeout_add_seconds,
};
static PurpleCoreUiOps core_ops;

/* ---- what happens ---------------------------------------------------- */

static void
say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static void
signed_on_cb(PurpleConnection *gc, gpointer data)
{
	PurplePluginProtocolInfo *jabber =
	    PURPLE_PLUGIN_PROTOCOL_INFO(purple_connection_get_prpl(gc));
	char *iq =
	    g_strdup_printf("<iq type='set' id='subscribe' to='%s'>"
	                    "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
	                    "<subscribe node='%s' jid='%s'/></pubsub></iq>",
	        domain, channel, purple_connection_get_display_name(gc));

	(void)data;
	printf("connected %s\n", purple_connection_get_display_name(gc));
	jabber->send_raw(gc, iq, strlen(iq));
	g_free(iq);
}

static gboolean
iq_cb(PurpleConnection *gc, const char *type, const char *id, const char *from,
    xmlnode *iq, gpointer data)
{
	(void)gc, (void)from, (void)iq, (void)data;
	if (id == NULL || strcmp(id, "subscribe") != 0)
		return FALSE;
	say(strcmp(type, "result") == 0 ? "subscribed" : "refused");
	return TRUE;
}

static gboolean
sign_off_cb(gpointer account)
{
	code = 0;
	purple_account_set_enabled(account, "waft", FALSE);
	return FALSE;
}

static void
message_cb(PurpleAccount *account, char *sender, char *message,
    PurpleConversation *conversation, PurpleMessageFlags flags, gpointer data)
{
	(void)sender, (void)conversation, (void)flags, (void)data;
	say(message);
	if (--left == 0)
		g_idle_add(sign_off_cb, account);
}

static void
error_cb(PurpleConnection *gc, PurpleConnectionError reason, const char *text,
    gpointer data)
{
	(void)gc, (void)reason, (void)data;
	fprintf(stderr, "%s\n", text);
}

static void
signed_off_cb(PurpleConnection *gc, gpointer data)
{
	(void)gc, (void)data;
	g_main_loop_quit(loop);
}

static void
follow(void)
{
	static int handle;
	void *connections = purple_connections_get_handle();

	purple_signal_connect(connections, "signed-on", &handle,
	    PURPLE_CALLBACK(signed_on_cb), NULL);
	purple_signal_connect(connections, "signed-off", &handle,
	    PURPLE_CALLBACK(signed_off_cb), NULL);
	purple_signal_connect(connections, "connection-error", &handle,
	    PURPLE_CALLBACK(error_cb), NULL);
	purple_signal_connect(purple_conversations_get_handle(),
	    "received-im-msg", &handle, PURPLE_CALLBACK(message_cb), NULL);
	purple_signal_connect(purple_plugins_find_with_id("prpl-jabber"),
	    "jabber-receiving-iq", &handle, PURPLE_CALLBACK(iq_cb), NULL);
}

static PurpleAccount *
account_new(const char *port, const char *user, const char *password)
{
	char *jid = g_strdup_printf("%s@%s/purple", user, domain);
	char *url = g_strdup_printf("http://127.0.0.1:%s/http-bind", port);
	PurpleAccount *account = purple_account_new(jid, "prpl-jabber");

	purple_account_set_password(account, password);
	purple_account_set_string(account, "bosh_url", url);
	purple_account_set_string(account, "connection_security",
	    "opportunistic_tls");
	purple_account_set_bool(account, "auth_plain_in_clear", TRUE);
	g_free(url);
	g_free(jid);
	return account;
}

int
main(int argc, char **argv)
{
	PurpleAccount *account;

	if (argc != 8)
		return 2;
	domain = argv[3];
	channel = argv[6];
	left = atoi(argv[7]);
	loop = g_main_loop_new(NULL, FALSE);
	purple_util_set_user_dir(argv[1]);
	purple_core_set_ui_ops(&core_ops);
	purple_eventloop_set_ui_ops(&loop_ops);
	if (!purple_core_init("waft"))
		return 2;
	purple_set_blist(purple_blist_new());
	account = account_new(argv[2], argv[4], argv[5]);
	purple_accounts_add(account);
	follow();
	purple_account_set_enabled(account, "waft", TRUE);
	purple_savedstatus_activate(
	    purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE));
	g_main_loop_run(loop);
	purple_core_quit();
	return code;
}
