/*
 * How the rights of a logged-in session end before it does: its token's time is
 * over, or the configuration no longer has the token or user, or with another
 * secret.  Either ends the session with the stream error not-authorized and a
 * text that says which (RFC 6120 §4.9.3.12).
 */
#ifndef WAFT_GRANT_H
#define WAFT_GRANT_H

#include <stdint.h>

#include "common/base/conf.h"

struct client;

/* When the session has to end, on its loop's clock; INT64_MAX: never. */
int64_t grant_deadline(const struct client *client);
/* Ends it if that time has come. */
void grant_expire(struct client *client);
/* By a new configuration: goes on with what that allows, or ends. */
void grant_renew(struct client *client, const struct conf *conf);

#endif
