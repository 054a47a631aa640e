#include "common/fetch/fetch.h"

#include "common/fetch/easy.h"

static char fetch_error[CURL_ERROR_SIZE];

static size_t
fetch_take_cb(char *data, size_t size, size_t count, void *arg)
{
	struct buf *body = arg;

	buf_add(body, data, size * count);
	return body->failed ? 0 : size * count;
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
	fetch_error[0] = '\0';
	headers = easy_setup(curl, request);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetch_error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, fetch_take_cb);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
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
