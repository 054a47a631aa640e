#include "bosh/grant.h"

#include "bosh/client.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"

#define GRANT_NS_STREAMS "urn:ietf:params:xml:ns:xmpp-streams"
#define GRANT_ERROR(text)                                           \
	"<stream:error><not-authorized xmlns='" GRANT_NS_STREAMS    \
	"'/><text xmlns='" GRANT_NS_STREAMS "' xml:lang='en'>" text \
	"</text></stream:error>"

static struct stat_metric grant_expired =
    STAT_COUNTER("waft_bosh_expired_total",
        "Sessions ended because their token expired", NULL);
static struct stat_metric grant_revoked =
    STAT_COUNTER("waft_bosh_revoked_total",
        "Sessions ended because their token or user was removed or changed",
        NULL);

int64_t
grant_deadline(const struct client *client)
{
	const struct auth_grant *grant = client->grant;

	if (grant == NULL || grant->expires_ms == 0)
		return INT64_MAX;
	return loop_now_ms(client->gateway->loop) + grant->expires_ms -
	    clock_wall_ms();
}

void
grant_expire(struct client *client)
{
	if (client->grant == NULL ||
	    !auth_is_over(client->grant, clock_wall_ms()))
		return;
	stat_add(&grant_expired, 1);
	log_info("bosh.expired", "sid=%.6s… user=%s", client->sid,
	    LOGQ(client->user));
	client_stream_error(client, GRANT_ERROR("the token has expired"),
	    "token expired");
}

void
grant_renew(struct client *client, const struct conf *conf)
{
	int64_t now_ms = clock_wall_ms();
	const char *why;

	if (client->grant == NULL || auth_is_over(client->grant, now_ms) ||
	    auth_grant_renew(conf, now_ms, client->grant, &why) == ERR_OK)
		return;
	stat_add(&grant_revoked, 1);
	log_info("bosh.revoked", "sid=%.6s… user=%s reason=%s", client->sid,
	    LOGQ(client->user), LOGQ(why));
	client_stream_error(client,
	    GRANT_ERROR("the token or user is no longer valid"),
	    "token revoked");
}
