/*
 * Files of one folder over HTTP, for the demo page: small, few, read anew each
 * time.  Names are letters, digits, `-`, `_`, `.` and `/`; no part begins with
 * a dot, so nothing outside the folder and nothing hidden has a name.
 */
#ifndef WAFT_FILES_H
#define WAFT_FILES_H

#include "common/base/text.h"
#include "common/http/conn.h"

/* Path is relative, as it stands in the request; "" and a final `/` mean
 * index.html. */
void files_serve(struct exchange *exchange, const char *folder,
    struct slice path);

#endif
