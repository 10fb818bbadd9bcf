/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs kemari-domain, the only libxl user, as a child process: libxl forks, waits and installs a SIGCHLD
 * handler, none of which the daemon can bear.  posix_spawn, descriptors closed on exec, output collected on
 * the loop, a time limit.
 *
 * argv of the program (kemari-domain --help), the record's text on its stdin with `--record -`, its result:
 * - record CONFIG [--name N]: the VM record (record.h)
 * - create --record - --domid D: {"domid":D,"store_gfn":G,"store_port":P,"console_gfn":G,"console_port":P}
 * - shell --record - --domid D: the same; a paused standby named NAME--standby
 * - adopt --record - --domid D: {"domid":D,"name":"NAME"}
 * - destroy [--record -] --domid D: {"domid":D}; 0 also when there is none; with a record, only that VM
 * With --parent PID it ends with that process: for what the next daemon begins anew, lest two are at work on
 * one domain.
 *
 * Exit codes: enum domain_helper_exit.
 */
#ifndef KEMARI_DOMAIN_DOMAIN_HELPER_H
#define KEMARI_DOMAIN_DOMAIN_HELPER_H

#include <stddef.h>

struct qb_loop;
struct domain_helper;

enum domain_helper_exit {
	DOMAIN_HELPER_OK = 0,
	DOMAIN_HELPER_FAILED = 1,  /* Xen or libxl failed; may work later */
	DOMAIN_HELPER_USAGE = 2,   /* wrong arguments */
	DOMAIN_HELPER_REFUSED = 3, /* the configuration is not in the domain profile */
	DOMAIN_HELPER_DOMID_BUSY =
		4, /* the domid is another domain's, or a dying one's: try the next or wait */
	DOMAIN_HELPER_NO_MEMORY = 5, /* not enough free memory on this host */
	DOMAIN_HELPER_NAME_BUSY = 6, /* a domain of that name or uuid runs here that is not this domid */
	DOMAIN_HELPER_KILLED = 128,  /* never exits so: timed out or died by a signal */
};

#define DOMAIN_HELPER_MAX_OUT (64U << 10)
#define DOMAIN_HELPER_MAX_ARGS 16

/*
 * json: one line on stdout, "" if none.  error: one line for the operator, "" on success.  Both are valid
 * during the call only.  The object is gone when fn returns.
 */
typedef void (*domain_helper_fn)(void *arg, int exit_code, const char *json, const char *error);

/*
 * program: path of kemari-domain.  argv: from the subcommand on, NULL ended.  input: text for stdin, or NULL.
 * Returns 0 and *out, or a negative errno (nothing started).
 */
int domain_helper_run(struct qb_loop *loop, const char *program, const char *const *argv, const char *input,
		      unsigned int timeout_ms, domain_helper_fn fn, void *arg, struct domain_helper **out);
/* Kills and reaps it; fn is not called.  NULL ok. */
void domain_helper_cancel(struct domain_helper *h);

#endif /* KEMARI_DOMAIN_DOMAIN_HELPER_H */
