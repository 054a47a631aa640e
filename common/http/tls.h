/*
 * TLS for the HTTP server, over OpenSSL: certificates, handshakes, bytes.  A
 * tls is one loaded set of certificates: immutable, counted, shared by the
 * workers of a process; a session on it keeps it alive, so a new set can take
 * its place while connections live on.
 *
 * TLS 1.2 and 1.3, ECDHE with AEAD ciphers alone, no renegotiation, no
 * compression, ALPN http/1.1 (RFC 7301: a client that wants only others is
 * refused), session tickets whose keys live as long as the set.  The
 * certificate is chosen by the client's SNI from the names in the certificates
 * (RFC 6066 §3); the first of the configuration serves whoever names none of
 * them.
 *
 * A session works on a non-blocking socket that it does not own, and writes a
 * record (16 KB at most) at a time; idle it holds no buffers.
 */
#ifndef WAFT_HTTP_TLS_H
#define WAFT_HTTP_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/conf.h"

struct ssl_st;
struct tls;

/*
 * Reads the files of the configuration's certificates.  NULL after a fault:
 * *faults then has one line for each, `certificate "NAME": FILE: what`.
 * *warnings gets the same kind of lines for what serves all the same, as an
 * expired certificate.
 */
struct tls *tls_create(const struct conf *conf, struct buf *faults,
    struct buf *warnings);
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls);

/* ---- one session ----------------------------------------------------- */

enum tls_shake {
	TLS_DONE,
	TLS_READS,  /* wants to read on */
	TLS_WRITES, /* wants to write on */
	TLS_PLAIN,  /* the peer speaks HTTP without TLS */
	TLS_FAILED
};

/* Without a handshake yet.  NULL: no memory for it. */
struct ssl_st *tls_open(struct tls *tls, int fd);
/* Says nothing to the peer. */
void tls_close(struct ssl_st *session);
/* A step of the handshake; *why (static) when it failed. */
enum tls_shake tls_shake(struct ssl_st *session, const char **why);
/* How many bytes; 0: the peer is done; -1: nothing there, or no room, yet.
 * What tls_send() has refused must be offered again first. */
ssize_t tls_recv(struct ssl_st *session, char *to, size_t size);
ssize_t tls_send(struct ssl_st *session, const char *data, size_t len);
/* Bytes have been read from the socket and not given out, so that the socket
 * would not tell of them. */
bool tls_has_more(const struct ssl_st *session);
/* Tells the peer that this was all. */
void tls_finish(struct ssl_st *session);

#endif
