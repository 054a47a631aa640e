#include "common/fetch/agent.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/list.h"
#include "common/base/log.h"
#include "common/fetch/easy.h"
#include "common/fetch/guard.h"

struct agent {
	struct loop *loop;
	struct guard *guard;
	char *ca;
	CURLM *multi;
	struct event *timer;
	LIST_HEAD(, call) calls;
};

/* One request under way. */
struct call {
	LIST_ENTRY(call) entry;
	struct agent *agent;
	CURL *curl;
	struct curl_slist *headers;
	char *sent; /* the request's body */
	struct buf body;
	size_t head; /* bytes of headers so far */
	bool refused;
	char error[CURL_ERROR_SIZE];
	agent_done_fn *done;
	void *arg;
};

static void
call_free(struct call *call)
{
	LIST_REMOVE(call, entry);
	curl_multi_remove_handle(call->agent->multi, call->curl);
	curl_easy_cleanup(call->curl);
	curl_slist_free_all(call->headers);
	buf_clear(&call->body);
	free(call->sent);
	free(call);
}

/* ---- what the library asks of one request ---------------------------- */

static size_t
call_take_cb(char *data, size_t size, size_t count, void *arg)
{
	struct call *call = arg;

	buf_add(&call->body, data, size * count);
	return call->body.failed ? 0 : size * count;
}

/* The version we build with keeps them all (CVE-2023-38039). */
static size_t
call_head_cb(char *data UNUSED, size_t size, size_t count, void *arg)
{
	struct call *call = arg;

	call->head += size * count;
	return call->head > AGENT_HEAD_MAX ? 0 : size * count;
}

static curl_socket_t
call_socket_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct call *call = arg;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    !guard_allows(call->agent->guard, &address->addr)) {
		call->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

static enum err
call_err(const struct call *call, CURLcode code)
{
	if (code == CURLE_OK)
		return ERR_OK;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return ERR_TIMEOUT;
	if (call->body.failed || call->head > AGENT_HEAD_MAX ||
	    code == CURLE_FILESIZE_EXCEEDED)
		return ERR_LARGE;
	return call->refused ? ERR_DENIED : ERR_IO;
}

static void
call_end(struct call *call, CURLcode code)
{
	struct fetch_answer answer = { .err = call_err(call, code) };
	long status = 0;

	curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	answer.body = call->body.data != NULL ? call->body.data : "";
	answer.len = call->body.len;
	if (answer.err == ERR_DENIED)
		answer.why = "its address is private";
	else if (answer.err == ERR_LARGE)
		answer.why = "the answer is too large";
	else if (code != CURLE_OK)
		answer.why = call->error[0] != '\0' ? call->error :
		                                      curl_easy_strerror(code);
	call->done(&answer, call->arg);
	call_free(call);
}

/* ---- the library's events on the loop -------------------------------- */

static void
agent_collect(struct agent *agent)
{
	struct call *call;
	CURLMsg *message;
	CURLcode code;
	int left;

	while ((message = curl_multi_info_read(agent->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
		    &call);
		call_end(call, code);
	}
}

static void
agent_act(struct agent *agent, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(agent->multi, fd, what, &running);
	agent_collect(agent);
}

static void
agent_event_cb(evutil_socket_t fd, short what, void *arg)
{
	agent_act(arg, fd,
	    (what & EV_READ ? CURL_CSELECT_IN : 0) |
	        (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
agent_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	agent_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int
agent_wait_cb(CURLM *multi UNUSED, long ms, void *arg)
{
	struct agent *agent = arg;
	struct timeval wait = { ms / 1000, ms % 1000 * 1000 };

	if (ms < 0)
		event_del(agent->timer);
	else
		event_add(agent->timer, &wait);
	return 0;
}

/* Each socket has an event of its own, which the library keeps for us. */
static int
agent_watch_cb(CURL *curl UNUSED, curl_socket_t fd, int what, void *arg,
    void *kept)
{
	struct agent *agent = arg;
	struct event *event = kept;

	if (event != NULL)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(loop_base(agent->loop), fd,
		    (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
		        (what & CURL_POLL_OUT ? EV_WRITE : 0)),
		    agent_event_cb, agent);
		if (event == NULL || event_add(event, NULL) != 0)
			fatal(EX_OSERR, "fetch.watch", "errno=%d", errno);
	}
	curl_multi_assign(agent->multi, fd, event);
	return 0;
}

/* ---- requests -------------------------------------------------------- */

static void
call_setup(struct call *call, const struct fetch_request *request)
{
	CURL *curl = call->curl;

	call->headers = easy_setup(curl, request);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, call_take_cb);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, call_head_cb);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, call_socket_cb);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE,
	    (curl_off_t)call->body.max);
	/* Else giving up a request waits for the resolver's thread. */
	curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	if (call->agent->ca != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, call->agent->ca);
}

void
agent_send(struct agent *agent, const struct fetch_request *request,
    size_t answer_max, agent_done_fn *done, void *arg)
{
	struct call *call = xcalloc(1, sizeof(*call));
	struct fetch_request copy = *request;

	call->agent = agent;
	call->done = done;
	call->arg = arg;
	call->curl = curl_easy_init();
	if (call->curl == NULL)
		fatal(EX_OSERR, "fetch.send", "");
	buf_init(&call->body, answer_max);
	if (request->body != NULL)
		copy.body = call->sent = xstrndup(request->body, request->len);
	call_setup(call, &copy);
	LIST_INSERT_HEAD(&agent->calls, call, entry);
	if (curl_multi_add_handle(agent->multi, call->curl) != CURLM_OK)
		fatal(EX_OSERR, "fetch.send", "");
}

/* ---- life ------------------------------------------------------------ */

static CURLM *
agent_multi(struct agent *agent, int connections)
{
	CURLM *multi = curl_multi_init();

	if (multi == NULL)
		fatal(EX_OSERR, "fetch.create", "");
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, agent_watch_cb);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, agent);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, agent_wait_cb);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, agent);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)connections);
	return multi;
}

struct agent *
agent_create(const struct agent_opts *opts)
{
	struct agent *agent;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    !(curl_version_info(CURLVERSION_NOW)->features &
	        CURL_VERSION_ASYNCHDNS)) {
		log_error("fetch.library",
		    "why=\"libcurl has no resolver that does not block\"");
		return NULL;
	}
	agent = xcalloc(1, sizeof(*agent));
	agent->loop = opts->loop;
	agent->guard = guard_create(opts->networks);
	agent->ca = opts->ca == NULL ? NULL : xstrdup(opts->ca);
	agent->timer =
	    evtimer_new(loop_base(agent->loop), agent_timer_cb, agent);
	if (agent->timer == NULL)
		fatal(EX_OSERR, "fetch.create", "");
	agent->multi = agent_multi(agent, opts->connections);
	LIST_INIT(&agent->calls);
	return agent;
}

void
agent_free(struct agent *agent)
{
	struct call *call, *next;

	if (agent == NULL)
		return;
	LIST_FOREACH_SAFE(call, &agent->calls, entry, next)
		call_free(call);
	curl_multi_cleanup(agent->multi);
	event_free(agent->timer);
	guard_free(agent->guard);
	free(agent->ca);
	free(agent);
	curl_global_cleanup();
}
