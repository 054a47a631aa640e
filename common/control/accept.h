/*
 * Accept (RFC 9110 §12.5.1) as far as the control API needs it: is text/plain
 * or application/json wanted?  Pure.
 */
#ifndef WAFT_CONTROL_ACCEPT_H
#define WAFT_CONTROL_ACCEPT_H

#include <stdbool.h>

#include "common/base/text.h"

/*
 * *Text and *json: which of the two are acceptable; of two that are, only the
 * one with the higher q, then the one named more exactly, then the first named
 * stays, and of a tie text.  Json alone: JSON is preferred.  Both false: 406.
 */
void accept_read(struct slice header, bool *text, bool *json);

#endif
