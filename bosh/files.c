#include "bosh/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define FILES_SIZE_MAX (4 << 20)
#define FILES_PATH_MAX 255

static const struct {
	const char *ending;
	const char *type;
} files_types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".ico", "image/x-icon" },
	{ ".txt", "text/plain; charset=utf-8" },
};

static const char *
files_type(const char *name)
{
	const char *ending = strrchr(name, '.');

	for (size_t i = 0; ending != NULL && i < ARRAY_LEN(files_types); i++)
		if (strcmp(ending, files_types[i].ending) == 0)
			return files_types[i].type;
	return NULL;
}

static bool
files_name_ok(struct slice path)
{
	char c, before = '/';

	if (path.len > FILES_PATH_MAX)
		return false;
	for (size_t i = 0; i < path.len; i++) {
		c = path.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		        (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		        ((c == '.' || c == '/') && before != '/')))
			return false;
		before = c;
	}
	return true;
}

static bool
files_read(const char *name, struct buf *out)
{
	struct stat info;
	ssize_t got;
	char *at;
	int fd;

	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
	    info.st_size > FILES_SIZE_MAX) {
		close(fd);
		return false;
	}
	for (;;) {
		at = buf_reserve(out, 65536);
		got = at == NULL ? -1 : read(fd, at, 65536);
		if (got <= 0)
			break;
		out->len += (size_t)got;
	}
	close(fd);
	return got == 0;
}

void
files_serve(struct exchange *exchange, const char *folder, struct slice path)
{
	struct http_reply reply = { .status = 200,
		.headers = "Cache-Control: no-cache\r\n"
		           "X-Content-Type-Options: nosniff\r\n" };
	struct buf name, text;
	bool ok = files_name_ok(path);

	buf_init(&name, 0);
	buf_init(&text, FILES_SIZE_MAX + 65536);
	buf_adds(&name, folder);
	buf_addc(&name, '/');
	buf_add(&name, path.p, path.len);
	if (name.data[name.len - 1] == '/')
		buf_adds(&name, "index.html");
	reply.type = ok ? files_type(name.data) : NULL;
	if (reply.type == NULL || !files_read(name.data, &text)) {
		exchange_reply_text(exchange, 404, "there is no such file");
	} else {
		reply.body = text.data;
		reply.len = text.len;
		exchange_reply(exchange, &reply);
	}
	buf_clear(&name);
	buf_clear(&text);
}
