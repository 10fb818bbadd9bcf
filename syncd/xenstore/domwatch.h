/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Domains come and go: xenstore's @introduceDomain and @releaseDomain.  They name no domain; the callee asks
 * xc_domain_getinfo (shutdown, shutdown_reason, dying) for each one it knows.  released fires for a shutdown
 * as well as for a death.  Both fire once at the start.
 */
#ifndef KEMARI_XENSTORE_DOMWATCH_H
#define KEMARI_XENSTORE_DOMWATCH_H

struct xsconn;
struct domwatch;

/* Either may be NULL. */
struct domwatch_ops {
	void (*released)(void *arg);
	void (*introduced)(void *arg);
};

int domwatch_open(struct xsconn *xs, const struct domwatch_ops *ops, void *arg, struct domwatch **out);
void domwatch_close(struct domwatch *d); /* NULL ok */

#endif /* KEMARI_XENSTORE_DOMWATCH_H */
