#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mutate/mutate.h"

#define GOOD_PAUSE_MS   20
#define GOOD_PATIENCE_S 60

#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"

/* What the process that behaves holds. */
struct good_client {
	int fd;
	int control_fd;
	unsigned long long rid;
	char sid[TALK_SID];
	struct buf answer; /* the last, from its body on */
	int published;
	int got;
};

/* ---- blocking HTTP --------------------------------------------------------
 */

static void
good_ask(int fd, const char *path, const char *type, const struct buf *body,
    struct buf *answer)
{
	struct buf out;
	char data[16384], *head;
	const char *length;
	size_t want = 0;
	ssize_t n;

	buf_init(&out, 0);
	buf_addf(&out,
	    "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    path, type, body->len);
	buf_add(&out, body->data, body->len);
	if (send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		mutate_fail("the good session cannot send", strerror(errno));
	buf_clear(&out);
	buf_reset(answer);
	while (want == 0 || answer->len < want) {
		n = recv(fd, data, sizeof(data), 0);
		if (n <= 0)
			mutate_fail("the good session gets no answer",
			    n == 0 ? "its connection was closed" :
			             strerror(errno));
		buf_add(answer, data, (size_t)n);
		head = strstr(answer->data, "\r\n\r\n");
		length = strstr(answer->data, "Content-Length: ");
		if (head != NULL && length != NULL)
			want = (size_t)(head + 4 - answer->data) +
			    strtoul(length + 16, NULL, 10);
	}
	if (strncmp(answer->data, "HTTP/1.1 200", 12) != 0)
		mutate_fail("the good session is refused", answer->data);
	buf_drain(answer,
	    (size_t)(strstr(answer->data, "\r\n\r\n") + 4 - answer->data));
}

static void
good_say(struct good_client *good, const char *attrs, const char *content)
{
	struct buf body;

	buf_init(&body, 0);
	buf_addf(&body,
	    "<body xmlns='http://jabber.org/protocol/httpbind' "
	    "xmlns:xmpp='urn:xmpp:xbosh' rid='%llu' %s",
	    good->rid++, attrs);
	if (good->sid[0] != '\0')
		buf_addf(&body, " sid='%s'", good->sid);
	buf_addf(&body, ">%s</body>", content);
	good_ask(good->fd, "/http-bind", "text/xml", &body, &good->answer);
	buf_clear(&body);
	if (strstr(good->answer.data, "terminate") != NULL)
		mutate_fail("the good session ended", good->answer.data);
}

/* Says it, and polls until the answer has the word. */
static void
good_expect(struct good_client *good, const char *attrs, const char *content,
    const char *word)
{
	good_say(good, attrs, content);
	while (strstr(good->answer.data, word) == NULL)
		good_say(good, "", "");
}

/* ---- its life -------------------------------------------------------------
 */

static void
good_login(struct good_client *good, int tell_fd)
{
	static const char secret[] = "\0good\0" MUTATE_PASSWORD;
	const char *sid;
	struct buf auth;

	good_say(good,
	    "to='" MUTATE_DOMAIN "' wait='2' hold='1' ver='1.6' "
	    "xmpp:version='1.0'",
	    "");
	sid = strstr(good->answer.data, " sid='");
	if (sid == NULL || strcspn(sid + 6, "'") >= TALK_SID)
		mutate_fail("the good session has no sid", good->answer.data);
	memcpy(good->sid, sid + 6, strcspn(sid + 6, "'"));
	if (write(tell_fd, good->sid, TALK_SID) != TALK_SID)
		mutate_fail("the good session is alone", "");
	buf_init(&auth, 0);
	buf_adds(&auth, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>");
	text_base64(secret, sizeof(secret) - 1, &auth);
	buf_adds(&auth, "</auth>");
	good_expect(good, "", auth.data, "<success");
	buf_clear(&auth);
	good_expect(good, "to='" MUTATE_DOMAIN "' xmpp:restart='true'", "",
	    "features");
	good_expect(good, "",
	    "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='" NS_BIND
	    "'><resource>r</resource></bind></iq>",
	    "good@" MUTATE_DOMAIN "/r</jid>");
	good_expect(good, "",
	    "<iq xmlns='jabber:client' type='set' id='s'><pubsub "
	    "xmlns='http://jabber.org/protocol/pubsub'><subscribe "
	    "node='" MUTATE_CHANNEL "' jid='good@" MUTATE_DOMAIN
	    "'/></pubsub></iq>",
	    "subscribed");
}

static void
good_publish(struct good_client *good)
{
	struct buf body, answer;

	buf_init(&body, 0);
	buf_init(&answer, 0);
	buf_addf(&body,
	    "{\"items\":[{\"channel\":\"" MUTATE_CHANNEL "\",\"formats\":"
	    "{\"xmpp-stanza\":{\"content\":\"<message><body>" MUTATE_SECRET
	    " n=%d.</body></message>\"}}}]}",
	    ++good->published);
	good_ask(good->control_fd, "/publish/", "application/json", &body,
	    &answer);
	buf_clear(&body);
	buf_clear(&answer);
}

/* Each item once, strictly in order. */
static void
good_count(struct good_client *good)
{
	const char *p = good->answer.data;
	int number;

	while ((p = strstr(p, MUTATE_SECRET)) != NULL) {
		p += strlen(MUTATE_SECRET);
		number = atoi(p + 3);
		if (number != good->got + 1)
			mutate_fail("the good session lost its place",
			    good->answer.data);
		good->got = number;
	}
}

static void
good_live(struct good_client *good, int parent_fd)
{
	struct pollfd parent = { .fd = parent_fd, .events = POLLIN };
	bool last = false;

	while (!last) {
		last = poll(&parent, 1, GOOD_PAUSE_MS) > 0;
		good_publish(good);
		while (good->got < good->published) {
			good_say(good, "", "");
			good_count(good);
		}
	}
}

static int
good_connect(int port)
{
	struct timeval patience = { GOOD_PATIENCE_S, 0 };
	int fd = mutate_connect(port, true);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

void
good_start(struct good *good, int port, int control)
{
	struct good_client client = { .rid = 1000 };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		mutate_fail("socketpair", strerror(errno));
	good->pid = fork();
	if (good->pid < 0)
		mutate_fail("fork", strerror(errno));
	if (good->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		buf_init(&client.answer, 0);
		client.fd = good_connect(port);
		client.control_fd = good_connect(control);
		good_login(&client, fds[1]);
		good_live(&client, fds[1]);
		if (write(fds[1], &client.got, sizeof(client.got)) < 0)
			_exit(1);
		_exit(0);
	}
	close(fds[1]);
	good->fd = fds[0];
	if (recv(good->fd, good->sid, TALK_SID, MSG_WAITALL) != TALK_SID)
		mutate_fail("the good session did not begin", "");
}

bool
good_is_over(struct good *good)
{
	return waitpid(good->pid, NULL, WNOHANG) != 0;
}

int
good_end(struct good *good)
{
	int got = 0, status = 0;

	shutdown(good->fd, SHUT_WR);
	if (recv(good->fd, &got, sizeof(got), MSG_WAITALL) != sizeof(got) ||
	    waitpid(good->pid, &status, 0) != good->pid || status != 0)
		mutate_fail("the good session did not end well", "");
	close(good->fd);
	return got;
}
