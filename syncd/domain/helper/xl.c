/* SPDX-License-Identifier: GPL-2.0-only */
/* libxl's context and log; the record as libxl wants it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <libxl_utils.h>

#include "domain/helper/helper.h"

struct keep_logger {
	xentoollog_logger vtable;
	bool verbose;
	char error[256];
};

static void keep_message(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
			 const char *context, const char *format, va_list al)
{
	struct keep_logger *l = (struct keep_logger *)logger;
	char text[512];
	size_t n;

	vsnprintf(text, sizeof(text), format, al);
	if (errnoval > 0) {
		n = strlen(text);
		snprintf(text + n, sizeof(text) - n, ": %s", strerror(errnoval));
	}
	if (l->verbose)
		fprintf(stderr, "libxl: %s: %s\n", context ? context : "", text);
	/* The first one is the cause, the others follow from it. */
	if (level >= XTL_ERROR && !l->error[0])
		snprintf(l->error, sizeof(l->error), "%.*s", (int)strcspn(text, "\n"), text);
}

static void keep_destroy(struct xentoollog_logger *logger)
{
	free(logger);
}

int xl_open(struct xl *xl, bool verbose)
{
	struct keep_logger *l = calloc(1, sizeof(*l));

	if (!l)
		return fail(DOMAIN_HELPER_FAILED, "out of memory");
	l->vtable.vmessage = keep_message;
	l->vtable.destroy = keep_destroy;
	l->verbose = verbose;
	xl->log = &l->vtable;
	if (libxl_ctx_alloc(&xl->ctx, LIBXL_VERSION, 0, xl->log)) {
		fail(DOMAIN_HELPER_FAILED, "cannot talk to Xen: %s (is this dom0, and are you root?)",
		     l->error);
		xl->log->destroy(xl->log);
		return DOMAIN_HELPER_FAILED;
	}
	return 0;
}

void xl_close(struct xl *xl)
{
	libxl_ctx_free(xl->ctx);
	xl->log->destroy(xl->log);
}

const char *xl_error(const struct xl *xl)
{
	return ((struct keep_logger *)xl->log)->error;
}

void xl_clear_error(struct xl *xl)
{
	((struct keep_logger *)xl->log)->error[0] = '\0';
}

/* At most VM_RECORD_MAX + 1 bytes of fd, so that what is too long shows. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += n;
	}
	return len;
}

int read_record(const struct options *o, struct vm_record *r)
{
	bool from_stdin = !strcmp(o->record, "-");
	char *buf = malloc(VM_RECORD_MAX + 1), why[256] = "";
	int fd = from_stdin ? STDIN_FILENO : open(o->record, O_RDONLY | O_CLOEXEC);
	ssize_t len;
	int rc;

	if (!buf || fd < 0) {
		rc = fail(DOMAIN_HELPER_USAGE, "--record %s: %s", o->record, strerror(errno));
		free(buf);
		return rc;
	}
	len = read_all(fd, buf, VM_RECORD_MAX + 1);
	if (!from_stdin)
		close(fd);
	if (len < 0)
		rc = fail(DOMAIN_HELPER_USAGE, "--record %s: %s", o->record, strerror(-len));
	else if (vm_record_parse(buf, len, r, why, sizeof(why)))
		rc = fail(DOMAIN_HELPER_REFUSED, "--record %s: %s", o->record, why);
	else
		rc = 0;
	free(buf);
	return rc;
}

int record_config(struct xl *xl, const struct vm_record *r, libxl_domain_config *cfg)
{
	json_t *root = json_loadb(r->json, r->json_len, 0, NULL);
	char *text = json_dumps(json_object_get(root, "config"), 0);
	int rc = 0;

	libxl_domain_config_init(cfg);
	if (!text || libxl_domain_config_from_json(xl->ctx, cfg, text)) {
		libxl_domain_config_dispose(cfg);
		rc = fail(DOMAIN_HELPER_REFUSED, "%s: libxl does not accept the record's configuration: %s",
			  r->name, xl_error(xl));
	}
	free(text);
	json_decref(root);
	return rc;
}
