/*
 * What the two ways of common/fetch have in common: a request as libcurl's
 * options.  For the files of this folder alone.
 */
#ifndef WAFT_FETCH_EASY_H
#define WAFT_FETCH_EASY_H

#include <curl/curl.h>

#include "common/fetch/fetch.h"

/* The body is borrowed until the handle is done, as the headers returned are,
 * which the caller frees after it (curl_slist_free_all()); all else is copied.
 */
struct curl_slist *easy_setup(CURL *curl, const struct fetch_request *request);

#endif
