#include "common/http/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/base/mem.h"
#include "common/base/stat.h"

#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

struct tls {
	_Atomic int refs;
	size_t n;
	SSL_CTX *contexts[]; /* in the order of the configuration */
};

static struct stat_metric tls_expires =
    STAT_GAUGE("waft_tls_expires_timestamp_seconds",
        "When the first of the certificates in use expires", NULL);

static const unsigned char tls_alpn[] = "\x08http/1.1";

/* ---- what a client asks for ---------------------------------------------- */

static int
tls_alpn_cb(SSL *session UNUSED, const unsigned char **out,
    unsigned char *out_len, const unsigned char *in, unsigned in_len,
    void *arg UNUSED)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, tls_alpn,
	        sizeof(tls_alpn) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int
tls_name_cb(SSL *session, int *alert UNUSED, void *arg UNUSED)
{
	const struct tls *tls = SSL_get_app_data(session);
	const char *name =
	    SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);

	for (size_t i = 0; name != NULL && i < tls->n; i++) {
		if (X509_check_host(SSL_CTX_get0_certificate(tls->contexts[i]),
		        name, strlen(name), 0, NULL) != 1)
			continue;
		SSL_set_SSL_CTX(session, tls->contexts[i]);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* A daemon must not ask its terminal for a passphrase. */
static int
tls_passphrase_cb(char *to UNUSED, int size UNUSED, int writes UNUSED,
    void *arg UNUSED)
{
	return -1;
}

/* ---- certificates -------------------------------------------------------- */

static void
tls_say(struct buf *lines, const struct conf_certificate *certificate,
    const char *file, const char *what)
{
	buf_addf(lines, "certificate \"%s\": %s: %s\n", certificate->name, file,
	    what);
}

/* What OpenSSL met first, and forgets now. */
static const char *
tls_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason == NULL ? "it cannot be used" : reason;
}

static bool
tls_is_readable(const struct conf_certificate *certificate, const char *file,
    struct buf *faults)
{
	FILE *in = fopen(file, "re");

	if (in == NULL) {
		tls_say(faults, certificate, file, strerror(errno));
		return false;
	}
	fclose(in);
	return true;
}

static bool
tls_load_chain(SSL_CTX *context, const struct conf_certificate *certificate,
    struct buf *faults)
{
	const char *reason;

	if (!tls_is_readable(certificate, certificate->chain, faults))
		return false;
	if (SSL_CTX_use_certificate_chain_file(context, certificate->chain) ==
	    1)
		return true;
	reason = tls_reason();
	tls_say(faults, certificate, certificate->chain,
	    strcmp(reason, "no start line") == 0 ?
	        "holds no certificate in PEM" :
	        reason);
	return false;
}

static EVP_PKEY *
tls_read_key(const struct conf_certificate *certificate, struct buf *faults)
{
	EVP_PKEY *key;
	FILE *in;

	if (!tls_is_readable(certificate, certificate->key, faults) ||
	    (in = fopen(certificate->key, "re")) == NULL)
		return NULL;
	key = PEM_read_PrivateKey(in, NULL, tls_passphrase_cb, NULL);
	fclose(in);
	if (key == NULL)
		tls_say(faults, certificate, certificate->key,
		    "holds no private key in PEM without a passphrase");
	ERR_clear_error();
	return key;
}

static bool
tls_load_key(SSL_CTX *context, const struct conf_certificate *certificate,
    struct buf *faults)
{
	X509 *x509 = SSL_CTX_get0_certificate(context);
	EVP_PKEY *key = tls_read_key(certificate, faults);
	bool ok = false;

	if (key == NULL)
		return false;
	if (X509_check_private_key(x509, key) != 1)
		tls_say(faults, certificate, certificate->key,
		    "is not the key of the certificate");
	else if (SSL_CTX_use_PrivateKey(context, key) != 1)
		tls_say(faults, certificate, certificate->key, tls_reason());
	else
		ok = true;
	ERR_clear_error();
	EVP_PKEY_free(key);
	return ok;
}

static void
tls_warn(const SSL_CTX *context, const struct conf_certificate *certificate,
    struct buf *warnings)
{
	const X509 *x509 = SSL_CTX_get0_certificate(context);

	if (X509_cmp_current_time(X509_get0_notAfter(x509)) < 0)
		tls_say(warnings, certificate, certificate->chain,
		    "has expired");
	if (X509_cmp_current_time(X509_get0_notBefore(x509)) > 0)
		tls_say(warnings, certificate, certificate->chain,
		    "is not valid yet");
}

static SSL_CTX *
tls_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL ||
	    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(context, TLS_CIPHERS) != 1) {
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_options(context,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	        SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context, tls_alpn, sizeof(tls_alpn));
	SSL_CTX_set_alpn_select_cb(context, tls_alpn_cb, NULL);
	SSL_CTX_set_tlsext_servername_callback(context, tls_name_cb);
	return context;
}

static SSL_CTX *
tls_load(const struct conf_certificate *certificate, struct buf *faults,
    struct buf *warnings)
{
	SSL_CTX *context = tls_context();

	if (context == NULL) {
		tls_say(faults, certificate, "OpenSSL", tls_reason());
		return NULL;
	}
	if (tls_load_chain(context, certificate, faults) &&
	    tls_load_key(context, certificate, faults)) {
		tls_warn(context, certificate, warnings);
		return context;
	}
	SSL_CTX_free(context);
	return NULL;
}

static int64_t
tls_expiry(const SSL_CTX *context)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(
	                        SSL_CTX_get0_certificate(context)),
	        &tm) != 1)
		return INT64_MAX;
	return timegm(&tm);
}

static void
tls_tell_expiry(const struct tls *tls)
{
	int64_t first = INT64_MAX, expires;

	for (size_t i = 0; i < tls->n; i++) {
		expires = tls_expiry(tls->contexts[i]);
		if (expires < first)
			first = expires;
	}
	stat_set(&tls_expires, first);
}

struct tls *
tls_create(const struct conf *conf, struct buf *faults, struct buf *warnings)
{
	struct tls *tls = xcalloc(1,
	    sizeof(*tls) + conf->n_certificates * sizeof(tls->contexts[0]));
	bool ok = conf->n_certificates > 0;

	atomic_init(&tls->refs, 1);
	for (size_t i = 0; i < conf->n_certificates; i++) {
		tls->contexts[i] =
		    tls_load(&conf->certificates[i], faults, warnings);
		ok = ok && tls->contexts[i] != NULL;
		tls->n++;
	}
	if (!ok) {
		tls_unref(tls);
		return NULL;
	}
	tls_tell_expiry(tls);
	return tls;
}

struct tls *
tls_ref(struct tls *tls)
{
	atomic_fetch_add(&tls->refs, 1);
	return tls;
}

void
tls_unref(struct tls *tls)
{
	if (tls == NULL || atomic_fetch_sub(&tls->refs, 1) != 1)
		return;
	for (size_t i = 0; i < tls->n; i++)
		SSL_CTX_free(tls->contexts[i]);
	free(tls);
}

/* ---- one session --------------------------------------------------------- */

struct ssl_st *
tls_open(struct tls *tls, int fd)
{
	SSL *session = SSL_new(tls->contexts[0]);

	if (session == NULL || SSL_set_fd(session, fd) != 1) {
		SSL_free(session);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_app_data(session, tls_ref(tls));
	SSL_set_accept_state(session);
	return session;
}

void
tls_close(struct ssl_st *session)
{
	struct tls *tls = SSL_get_app_data(session);

	SSL_free(session);
	tls_unref(tls);
}

static enum tls_shake
tls_shake_failed(const char **why)
{
	unsigned long error = ERR_peek_error();
	bool plain = ERR_GET_LIB(error) == ERR_LIB_SSL &&
	    ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST;

	*why = error == 0 ? "the client left" : tls_reason();
	return plain ? TLS_PLAIN : TLS_FAILED;
}

enum tls_shake
tls_shake(struct ssl_st *session, const char **why)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(session);
	if (result == 1)
		return TLS_DONE;
	switch (SSL_get_error(session, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_READS;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WRITES;
	default:
		return tls_shake_failed(why);
	}
}

static ssize_t
tls_result(struct ssl_st *session, int result)
{
	switch (SSL_get_error(session, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -1;
	default:
		ERR_clear_error();
		return 0;
	}
}

/* Reads until nothing is left inside the session: the socket tells of the rest,
 * and a session that is left empty gives its buffers back. */
ssize_t
tls_recv(struct ssl_st *session, char *to, size_t size)
{
	size_t got = 0;
	size_t n;

	do {
		ERR_clear_error();
		if (SSL_read_ex(session, to + got, size - got, &n) != 1)
			return got > 0 ? (ssize_t)got : tls_result(session, 0);
		got += n;
	} while (got < size && SSL_has_pending(session));
	return (ssize_t)got;
}

ssize_t
tls_send(struct ssl_st *session, const char *data, size_t len)
{
	size_t sent = 0;
	size_t n;

	do {
		ERR_clear_error();
		if (SSL_write_ex(session, data + sent, len - sent, &n) != 1)
			return sent > 0 ? (ssize_t)sent :
			                  tls_result(session, 0);
		sent += n;
	} while (sent < len);
	return (ssize_t)sent;
}

bool
tls_has_more(const struct ssl_st *session)
{
	return SSL_has_pending(session);
}

void
tls_finish(struct ssl_st *session)
{
	ERR_clear_error();
	SSL_shutdown(session);
	ERR_clear_error();
}
