/*
 * Where a web client finds the connections of the domain (XEP-0156): links in
 * /.well-known/host-meta (XRD) and host-meta.json (JRD).  Only https and wss
 * are in them, made from `public-url`: what is behind a proxy cannot know its
 * own name.  Any page may read them.
 */
#ifndef WAFT_HOSTMETA_H
#define WAFT_HOSTMETA_H

#include <stdbool.h>

#include "common/http/conn.h"

bool hostmeta_is_path(struct slice path);
/* Public_url as the configuration has it, or NULL: 404. */
void hostmeta_serve(struct exchange *exchange, const char *public_url);

#endif
