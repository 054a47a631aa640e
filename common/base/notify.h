/* sd_notify without libsystemd: one datagram to $NOTIFY_SOCKET, if there is
 * one. */
#ifndef WAFT_NOTIFY_H
#define WAFT_NOTIFY_H

/* State is "READY=1", "STOPPING=1", "RELOADING=1…", "STATUS=…". */
void notify_systemd(const char *state);

#endif
