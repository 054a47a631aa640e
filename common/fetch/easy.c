#include "config.h"

#include "common/fetch/easy.h"

#include <stdlib.h>

#include "common/base/mem.h"

static struct curl_slist *
easy_header(struct curl_slist *list, const char *name, const char *text)
{
	char *line;

	if (text == NULL)
		return list;
	line = xasprintf("%s%s", name, text);
	list = curl_slist_append(list, line);
	free(line);
	return list;
}

static struct curl_slist *
easy_headers(const struct fetch_request *request)
{
	const char *const *line = request->headers;
	const char *type = request->type;
	struct curl_slist *list = NULL;

	if (type == NULL)
		type = "application/json";
	list = easy_header(list, "Accept: ", request->accept);
	/* Without this curl waits for a 100 before a body of over 1 KB. */
	list = curl_slist_append(list, "Expect:");
	if (request->body != NULL)
		list = easy_header(list, "Content-Type: ", type);
	list = easy_header(list, "Authorization: Bearer ", request->bearer);
	for (; line != NULL && *line != NULL; line++)
		list = curl_slist_append(list, *line);
	return list;
}

struct curl_slist *
easy_setup(CURL *curl, const struct fetch_request *request)
{
	struct curl_slist *headers = easy_headers(request);

	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	/* A channel may be called ".." */
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "waft/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms);
	if (request->body != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)request->len);
	}
	return headers;
}
