/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kemari-domain: all that needs libxl, as a program of its own (see domain_helper.h for why, and for the exit
 * codes, which the functions here return).  Each failure is told once, on stderr, by fail().
 */
#ifndef KEMARI_DOMAIN_HELPER_H
#define KEMARI_DOMAIN_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <libxl.h>

#include "domain/domain_helper.h"
#include "domain/record.h"

struct options {
	const char *config; /* record: path of the xl configuration */
	const char *name;
	const char *record; /* path, "-": stdin */
	uint32_t domid;
	bool have_domid;
	long parent; /* pid, 0: whoever it is */
	bool verbose;
};

/* Prints "kemari-domain: ..." and returns code. */
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* libxl's context, and a logger that keeps the first error for our own message (verbose: prints everything).
 */
struct xl {
	libxl_ctx *ctx;
	struct xentoollog_logger *log;
};
int xl_open(struct xl *xl, bool verbose);
void xl_close(struct xl *xl);
/* What libxl said of the last failure; "" if nothing. */
const char *xl_error(const struct xl *xl);
/* Forgets what was said so far. */
void xl_clear_error(struct xl *xl);

/* Reads and checks --record; the caller frees. */
int read_record(const struct options *o, struct vm_record *r);
/* The record's config as libxl's struct; libxl_domain_config_dispose() it. */
int record_config(struct xl *xl, const struct vm_record *r, libxl_domain_config *cfg);

/* A descriptor of a file (unlinked, in memory) with a PVH kernel that only halts, and its path for libxl. */
int stub_kernel(char *path, size_t len);

enum create_kind { CREATE_COLD, CREATE_SHELL };

/* Subcommands. */
int cmd_record(const struct options *o);
int cmd_create(const struct options *o, enum create_kind kind);
int cmd_adopt(const struct options *o);
int cmd_destroy(const struct options *o);

#endif /* KEMARI_DOMAIN_HELPER_H */
