/*
 * `waft subscriptions import` and `export`: many subscriptions at once, as CSV
 * or as lines of JSON.
 */
#ifndef WAFT_CLI_BULK_H
#define WAFT_CLI_BULK_H

#include <stdbool.h>

#include "cli/cli.h"

/* By the name of the format or, where that is NULL, by the file's ending.
 * False: neither says. */
bool bulk_is_csv(const char *format, const char *file, bool *csv);

/* File may be "-".  0, or 65 when lines were refused, or what stopped it. */
int bulk_import(struct cli *cli, const char *file, bool csv);
/* Channel NULL: all.  File NULL: to standard output. */
int bulk_export(struct cli *cli, const char *channel, const char *file,
    bool csv);

#endif
