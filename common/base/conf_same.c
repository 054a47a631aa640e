#include <string.h>

#include "common/base/conf.h"
#include "common/base/conf_options.h"

static bool
conf_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
conf_same_list(const struct conf_strings *a, const struct conf_strings *b)
{
	size_t i;

	for (i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->list[i], b->list[i]) != 0)
			return false;
	return a->count == b->count;
}

static bool
conf_same_buf(const struct buf *a, const struct buf *b)
{
	return a->len == b->len &&
	    (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool
conf_same_value(const struct conf_option *o, const char *a, const char *b)
{
	const void *one = a + o->offset, *two = b + o->offset;

	switch (o->type) {
	case CONF_BOOL:
		return *(const bool *)one == *(const bool *)two;
	case CONF_INT:
	case CONF_CHOICE:
		return *(const int *)one == *(const int *)two;
	case CONF_NUMBER:
	case CONF_MS:
	case CONF_SIZE:
		return *(const int64_t *)one == *(const int64_t *)two;
	case CONF_KEY:
	case CONF_KEY_FILE:
		return conf_same_buf(one, two);
	case CONF_TEXTS:
	case CONF_ADDRESSES:
	case CONF_ORIGINS:
		return conf_same_list(one, two);
	case CONF_SERVER:
		if (memcmp(a + o->port_offset, b + o->port_offset,
		        sizeof(int)) != 0)
			return false;
		break;
	default:
		break;
	}
	return conf_same_text(*(char *const *)one, *(char *const *)two);
}

bool
conf_component_same(const struct conf_component *a,
    const struct conf_component *b)
{
	const struct conf_option *o;

	for (o = conf_options; o->name != NULL; o++)
		if (strcmp(o->section, "component") == 0 &&
		    strcmp(o->name, "creators") != 0 &&
		    strcmp(o->name, "operators") != 0 &&
		    !conf_same_value(o, (const char *)a, (const char *)b))
			return false;
	return true;
}
