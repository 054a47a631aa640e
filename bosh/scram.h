/*
 * The server's side of SCRAM (RFC 5802, RFC 7677), without channel binding:
 * BOSH has none.  Pure: messages in, messages out, the nonce is a parameter.
 *
 *	client-first	n,a=AUTHZID,n=USER,r=NONCE
 *	server-first	r=NONCE+OURS,s=SALT,i=ITERATIONS
 *	client-final	c=biws,r=NONCE+OURS,p=PROOF
 *	server-final	v=SIGNATURE
 */
#ifndef WAFT_SCRAM_H
#define WAFT_SCRAM_H

#include <stdbool.h>

#include "common/base/auth_scram.h"
#include "common/base/text.h"

#define SCRAM_NAME_MAX  1023
#define SCRAM_NONCE_MAX 256 /* of the client's */
#define SCRAM_FINAL_MAX 64

/* client-first, taken apart; slices point into it. */
struct scram_first {
	struct slice gs2; /* header, up to and with its second comma */
	struct slice bare;
	struct slice nonce;
	char authzid[SCRAM_NAME_MAX + 1]; /* "": none */
	char user[SCRAM_NAME_MAX + 1];
};

struct scram;

/* False when it is malformed, wants channel binding ('p'; none was offered) or
 * an extension that must be understood ('m'). */
bool scram_read_first(struct slice message, struct scram_first *first);

/* Nonce is our part, of printable ASCII without commas.  Keys are copied. */
struct scram *scram_create(enum crypto_hash hash,
    const struct scram_first *first, const struct auth_scram *keys,
    const char *nonce);
void scram_free(struct scram *scram);
/* server-first, the answer to what it was created from. */
const char *scram_challenge(const struct scram *scram);

enum scram_result {
	SCRAM_OK, /* final is server-final */
	SCRAM_MALFORMED,
	SCRAM_WRONG /* the password, or the message is of another exchange */
};
enum scram_result scram_finish(const struct scram *scram, struct slice message,
    char final[SCRAM_FINAL_MAX]);

#endif
