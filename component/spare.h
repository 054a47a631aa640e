/*
 * A low descriptor kept in reserve, for a library that calls select() and so
 * must never get one of FD_SETSIZE or more: give it back just before the
 * library opens its socket, and take it again once that is closed.
 */
#ifndef WAFT_COMPONENT_SPARE_H
#define WAFT_COMPONENT_SPARE_H

/* -1: none is kept. */
void spare_take(int *fd);
void spare_give(int *fd);

#endif
