#include "common/store/private.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"

struct private_value {
	UT_hash_handle hh;
	void *value;
	size_t len;
	char key[];
};

struct private_lease {
	UT_hash_handle hh;
	struct lease_row row;
	char name[];
};

void
private_clear(struct private_state *state)
{
	struct private_value *value, *next_value;
	struct private_lease *lease, *next_lease;

	MAP_FOREACH(value, next_value, state->values) {
		HASH_DEL(state->values, value);
		free(value->value);
		free(value);
	}
	MAP_FOREACH(lease, next_lease, state->leases) {
		HASH_DEL(state->leases, lease);
		free(lease);
	}
}

static struct lease_row *
private_lease(struct private_state *state, const char *name)
{
	size_t len = strlen(name);
	struct private_lease *lease;

	HASH_FIND(hh, state->leases, name, len, lease);
	if (lease != NULL)
		return &lease->row;
	lease = xcalloc(1, sizeof(*lease) + len + 1);
	memcpy(lease->name, name, len);
	HASH_ADD_KEYPTR(hh, state->leases, lease->name, len, lease);
	return &lease->row;
}

static void
private_set(struct private_state *state, struct state_request *asked, bool keep)
{
	size_t len = strlen(asked->key);
	struct private_value *old;

	HASH_FIND(hh, state->values, asked->key, len, old);
	if (old != NULL) {
		HASH_DEL(state->values, old);
		free(old->value);
		free(old);
	}
	if (!keep)
		return;
	old = xcalloc(1, sizeof(*old) + len + 1);
	memcpy(old->key, asked->key, len);
	old->value = asked->value;
	old->len = asked->len;
	asked->value = NULL;
	HASH_ADD_KEYPTR(hh, state->values, old->key, len, old);
}

static void
private_put(struct private_state *state, struct request *request)
{
	struct state_request *asked = &request->u.state;

	if (asked->lease == NULL ||
	    lease_is(private_lease(state, asked->lease), asked->generation)) {
		private_set(state, asked, true);
		return;
	}
	lease_refused(asked->key, asked->generation);
	request->err = ERR_GONE;
}

static int
private_by_key(const void *a, const void *b)
{
	const struct state_row *left = a, *right = b;

	return strcmp(left->key, right->key);
}

static void
private_list(struct private_state *state, struct request *request)
{
	struct state_request *asked = &request->u.state;
	size_t len = strlen(asked->key);
	struct private_value *value, *next;

	MAP_FOREACH(value, next, state->values)
		if (strncmp(value->key, asked->key, len) == 0)
			request_add_row(request, value->key, value->value,
			    value->len);
	if (asked->count != 0)
		qsort(asked->rows, asked->count, sizeof(*asked->rows),
		    private_by_key);
}

void
private_do(struct private_state *state, struct request *request)
{
	switch (request->kind) {
	case REQUEST_STATE_PUT:
		private_put(state, request);
		break;
	case REQUEST_STATE_DEL:
		private_set(state, &request->u.state, false);
		break;
	case REQUEST_LEASE:
		request_lease(request,
		    private_lease(state, request->u.lease.name),
		    clock_mono_ms());
		break;
	default:
		private_list(state, request);
	}
}
