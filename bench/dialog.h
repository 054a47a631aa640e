/*
 * How a receiver logs in and subscribes, the same over c2s and over BOSH: what
 * was received in, what to send next out.
 */
#ifndef BENCH_DIALOG_H
#define BENCH_DIALOG_H

#include "bench/load.h"

#define DIALOG_MAX 1024
/* Begins what subscribes; some transports send it apart. */
#define DIALOG_PRESENCE "<presence xmlns='jabber:client'/>"

enum dialog_step {
	DIALOG_FEATURES,
	DIALOG_SUCCESS,
	DIALOG_BIND,
	DIALOG_JID,
	DIALOG_LAST,
	DIALOG_READY
};

enum dialog_verdict {
	DIALOG_MORE,
	DIALOG_SEND,
	DIALOG_RESTART, /* of the stream, as the transport does it */
	DIALOG_DONE
};

/*
 * Looks at what has come since the last step.  DIALOG_SEND: out is what to
 * send. Jid gets the bare JID.  Ends the program where the server refuses.
 */
enum dialog_verdict dialog_next(const struct load_options *options,
    enum dialog_step *step, const char *data, size_t len, char out[DIALOG_MAX],
    char jid[LOAD_JID]);

#endif
