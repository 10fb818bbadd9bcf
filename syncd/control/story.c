/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "syncd/control/story.h"

/* Enough for STORY_KEEP entries of ordinary length; what lies before it is only in the file. */
#define TAIL_MAX (256U << 10)

struct story {
	char *vm;
	int fd;
	bool failing; /* the last write failed, and that was said */
	json_t *entry[STORY_KEEP];
	uint64_t count; /* ever added; entry[count % STORY_KEEP] is the next place */
	void (*fn)(void *ctx, const char *vm, json_t *entry);
	void *ctx;
};

static void keep(struct story *s, json_t *entry)
{
	json_t **place = &s->entry[s->count++ % STORY_KEEP];

	json_decref(*place);
	*place = entry;
}

static bool is_entry(const json_t *e)
{
	static const char *const strings[] = { "time", "vm", "role", "state", "g", "reason" };
	size_t i;

	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (!json_is_string(json_object_get(e, strings[i])))
			return false;
	}
	return json_is_integer(json_object_get(e, "epoch"));
}

/* Reads the file's last entries.  A torn last line gets its newline, so that the next entry stays whole. */
static int read_back(struct story *s)
{
	off_t end = lseek(s->fd, 0, SEEK_END);
	off_t from = end > (off_t)TAIL_MAX ? end - (off_t)TAIL_MAX : 0;
	char *buf, *line, *save = NULL;
	ssize_t n;
	int rc = 0;

	if (end < 0)
		return -errno;
	buf = malloc(TAIL_MAX + 1);
	if (!buf)
		return -ENOMEM;
	n = pread(s->fd, buf, TAIL_MAX, from);
	if (n < 0) {
		rc = -errno;
		goto out;
	}
	buf[n] = '\0';
	if (n && buf[n - 1] != '\n' && write(s->fd, "\n", 1) != 1) {
		rc = -EIO;
		goto out;
	}
	for (line = buf; (line = memchr(line, '\0', buf + n - line));)
		*line = '\n';
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *e = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		if (is_entry(e))
			keep(s, e);
		else
			json_decref(e);
	}
out:
	free(buf);
	return rc;
}

int story_open(const char *dir, const char *vm, struct story **out)
{
	char path[PATH_MAX];
	struct story *s;
	int rc;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.story", dir, vm) >= sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(dir, 0755) && errno != EEXIST) {
		rc = -errno;
		kem_vm_err(vm, "cannot make %s for the story: %s", dir, strerror(-rc));
		return rc;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->vm = strdup(vm);
	s->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	rc = s->fd < 0 ? -errno : s->vm ? read_back(s) : -ENOMEM;
	if (rc) {
		kem_vm_err(vm, "cannot keep the story in %s: %s", path, strerror(-rc));
		story_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void story_close(struct story *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < STORY_KEEP; i++)
		json_decref(s->entry[i]);
	if (s->fd >= 0)
		close(s->fd);
	free(s->vm);
	free(s);
}

void story_on_entry(struct story *s, void (*fn)(void *ctx, const char *vm, json_t *entry), void *ctx)
{
	s->fn = fn;
	s->ctx = ctx;
}

static void append(struct story *s, const json_t *entry)
{
	char *text = json_dumps(entry, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	ssize_t n = -1;

	errno = ENOMEM;
	if (text) {
		text[len] = '\n'; /* one write, so that a line is whole or torn at its end */
		n = write(s->fd, text, len + 1);
	}
	if (n != (ssize_t)len + 1 && !s->failing)
		kem_vm_warn(s->vm, "the story cannot be written, its entries are kept in memory only: %s",
			    n < 0 ? strerror(errno) : "short write");
	s->failing = n != (ssize_t)len + 1;
	free(text);
}

static void now_text(char *buf, size_t len)
{
	char second[32];
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, len, "%s.%03ldZ", second, ts.tv_nsec / 1000000);
}

void story_add(struct story *s, const char *role, const char *state, uint64_t g, uint64_t epoch,
	       const char *reason, ...)
{
	char why[STORY_REASON_MAX], when[64], g_text[17];
	json_t *entry;
	va_list ap;
	char *c;

	va_start(ap, reason);
	vsnprintf(why, sizeof(why), reason, ap);
	va_end(ap);
	/* A cut character or a foreign byte would make the whole entry fail to encode. */
	for (c = why; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	now_text(when, sizeof(when));
	snprintf(g_text, sizeof(g_text), "%016" PRIx64, g);
	entry = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "time", when, "vm", s->vm, "role", role,
			  "state", state, "g", g_text, "epoch", (json_int_t)epoch, "reason", why);
	kem_vm_info(s->vm, "%s, %s, epoch %" PRIu64 ": %s", role, state, epoch, why);
	if (!entry)
		return;
	append(s, entry);
	keep(s, entry);
	if (s->fn)
		s->fn(s->ctx, s->vm, entry);
}

json_t *story_rows(const struct story *s)
{
	uint64_t i = s->count > STORY_KEEP ? s->count - STORY_KEEP : 0;
	json_t *rows = json_array();

	for (; rows && i < s->count; i++)
		json_array_append(rows, s->entry[i % STORY_KEEP]);
	return rows;
}
