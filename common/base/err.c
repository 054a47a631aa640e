#include "common/base/err.h"

#include "common/base/mem.h"

static const struct err_row {
	const char *name;
	int status;
	const char *condition;
	const char *type;
} err_table[] = {
	[ERR_OK] = { "ok", 200, "undefined-condition", "continue" },
	[ERR_BAD] = { "bad", 400, "bad-request", "modify" },
	[ERR_AUTH] = { "auth", 401, "not-authorized", "auth" },
	[ERR_DENIED] = { "denied", 403, "forbidden", "auth" },
	[ERR_NOTFOUND] = { "notfound", 404, "item-not-found", "cancel" },
	[ERR_CONFLICT] = { "conflict", 409, "conflict", "cancel" },
	[ERR_GONE] = { "gone", 410, "gone", "cancel" },
	[ERR_LARGE] = { "large", 413, "not-acceptable", "modify" },
	[ERR_LIMIT] = { "limit", 429, "policy-violation", "wait" },
	[ERR_UNSUPPORTED] = { "unsupported", 501, "feature-not-implemented",
	    "cancel" },
	[ERR_BUSY] = { "busy", 503, "resource-constraint", "wait" },
	[ERR_FULL] = { "full", 503, "resource-constraint", "wait" },
	[ERR_IO] = { "io", 500, "internal-server-error", "cancel" },
	[ERR_TIMEOUT] = { "timeout", 504, "remote-server-timeout", "wait" },
	[ERR_UNAVAILABLE] = { "unavailable", 503, "service-unavailable",
	    "cancel" },
};

_Static_assert(ARRAY_LEN(err_table) == ERR_MAX, "a row for each code");

static const struct err_row *
err_row(enum err err)
{
	if ((unsigned)err >= ERR_MAX)
		err = ERR_IO;
	return &err_table[err];
}

const char *
err_name(enum err err)
{
	return err_row(err)->name;
}

int
err_http_status(enum err err)
{
	return err_row(err)->status;
}

const char *
err_xmpp_condition(enum err err)
{
	return err_row(err)->condition;
}

const char *
err_xmpp_type(enum err err)
{
	return err_row(err)->type;
}
