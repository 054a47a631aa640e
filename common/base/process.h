/*
 * A process's name that no other has: boot, process namespace, number, and when
 * it began, so that one that died is told from a later one of the same number.
 */
#ifndef WAFT_PROCESS_H
#define WAFT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#define PROCESS_NAME_MAX 96

/* This process's; out holds PROCESS_NAME_MAX. */
void process_name(char *out);
/* The one of this name has surely ended.  False also when it cannot be known:
 * in another container, or when the text is no name. */
bool process_is_gone(const char *name);

#endif
