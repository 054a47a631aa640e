#include "common/fetch/fetch.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

static char fetch_error[CURL_ERROR_SIZE];

static size_t
fetch_take_cb(char *data, size_t size, size_t count, void *arg)
{
	struct buf *body = arg;

	buf_add(body, data, size * count);
	return body->failed ? 0 : size * count;
}

static struct curl_slist *
fetch_headers(const struct fetch_request *request)
{
	struct curl_slist *list = NULL;
	char *line;

	list = curl_slist_append(list, "Accept: application/json");
	/* Without this curl waits for a 100 before a body of over 1 KB. */
	list = curl_slist_append(list, "Expect:");
	if (request->body != NULL) {
		line = xasprintf("Content-Type: %s",
		    request->type != NULL ? request->type : "application/json");
		list = curl_slist_append(list, line);
		free(line);
	}
	if (request->bearer != NULL) {
		line = xasprintf("Authorization: Bearer %s", request->bearer);
		list = curl_slist_append(list, line);
		free(line);
	}
	return list;
}

enum err
fetch_now(const struct fetch_request *request, int *status, struct buf *body,
    const char **why)
{
	struct curl_slist *headers;
	CURL *curl;
	CURLcode code;
	long http = 0;

	curl = curl_easy_init();
	if (curl == NULL) {
		*why = "the HTTP library could not start";
		return ERR_IO;
	}
	headers = fetch_headers(request);
	fetch_error[0] = '\0';
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	/* A channel may be called ".." */
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetch_error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, fetch_take_cb);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (request->body != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)request->len);
	}
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	*status = (int)http;
	if (code == CURLE_OK)
		return ERR_OK;
	*why = fetch_error[0] != '\0' ? fetch_error : curl_easy_strerror(code);
	return body->failed ? ERR_LARGE : ERR_IO;
}
