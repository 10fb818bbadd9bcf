/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes a guest's console away from xenconsoled.  libxl always gives it to xenconsoled at create; while the
 * domain is still paused (or held) we write an impossible port, wait until xenconsoled let go of the real
 * one, and then, in one transaction, write type=kemari, the real port and our own tty.  xl console follows
 * the tty.
 */
#ifndef KEMARI_XENSTORE_CONSOLE_TAKE_H
#define KEMARI_XENSTORE_CONSOLE_TAKE_H

#include <stdint.h>

struct qb_loop;
struct xc_interface_core;
struct xsconn;
struct console_take;

#define CONSOLE_TAKE_TIMEOUT_MS 5000
#define CONSOLE_GRANT_REF 0U /* GNTTAB_RESERVED_CONSOLE: how the ring is mapped */

/* err: 0 or negative errno (-ETIMEDOUT: xenconsoled holds on); port: the guest's unbound console port. */
typedef void (*console_take_fn)(void *arg, int err, uint32_t port);

/*
 * tty: path of our pty's slave.  Asynchronous; fn is called once from the loop, the object is gone then.  A
 * console that is ours already (daemon restart) only gets the new tty.
 */
int console_take(struct xsconn *xs, struct qb_loop *loop, struct xc_interface_core *xc, uint32_t domid,
		 const char *vm, const char *tty, console_take_fn fn, void *arg, struct console_take **out);
void console_take_cancel(struct console_take *t); /* NULL ok; fn is not called */

#endif /* KEMARI_XENSTORE_CONSOLE_TAKE_H */
