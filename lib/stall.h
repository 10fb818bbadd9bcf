/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells when the main loop was away from its work: blocked in a call, or without a CPU.  Everything that the
 * daemon promises within milliseconds hangs on this, so the log has to say it.  To systemd it is the sign
 * that the daemon lives: one that hangs is killed and started anew (WatchdogSec= of its unit).
 */
#ifndef KEMARI_LIB_STALL_H
#define KEMARI_LIB_STALL_H

#include <stdint.h>

struct qb_loop;
struct stall;

#define STALL_WARN_NS (500ULL * 1000000)

/* Looks every STALL_WARN_NS.  0 or a negative errno. */
int stall_open(struct qb_loop *loop, struct stall **out);
void stall_close(struct stall *s); /* NULL ok */

#endif /* KEMARI_LIB_STALL_H */
