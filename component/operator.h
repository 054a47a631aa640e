/*
 * What operators may do by ad-hoc commands (common/xmpp/adhoc.h) at a
 * component: who they are, what they publish, and the numbers they are told.
 */
#ifndef WAFT_COMPONENT_OPERATOR_H
#define WAFT_COMPONENT_OPERATOR_H

#include <stdbool.h>

#include "common/base/conf.h"
#include "common/xmpp/service.h"

struct domain;

/* The section as the configuration has it now; NULL: it is gone. */
const struct conf_component *operator_component(const struct conf *conf,
    const char *domain);
/* Writes a line to the log for each entry of the option that is no address: it
 * means nobody. */
void operator_check(const struct conf_component *component, const char *option,
    const struct conf_strings *list);

/* The functions of service_ops, with what they need in place of the peer. */
struct entry *operator_item(const struct conf *conf, const char *channel,
    void *json, struct buf *why);
void operator_status(const struct domain *domain, service_status_fn *tell,
    void *arg);

#endif
