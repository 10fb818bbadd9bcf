/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of the daemons, over libqb's log: they go to syslog (the journal) and, in the foreground, to
 * stderr. A message says which VM, which epoch and why; VM-bound ones use kem_vm_*.
 */
#ifndef KEMARI_LIB_LOG_H
#define KEMARI_LIB_LOG_H

#include <stdbool.h>
#include <syslog.h>

#include <qb/qblog.h>

void kem_log_init(const char *program, bool foreground, bool debug);
void kem_log_fini(void);

#define kem_err(fmt, ...) qb_log(LOG_ERR, fmt, ##__VA_ARGS__)
#define kem_warn(fmt, ...) qb_log(LOG_WARNING, fmt, ##__VA_ARGS__)
#define kem_info(fmt, ...) qb_log(LOG_INFO, fmt, ##__VA_ARGS__)
#define kem_debug(fmt, ...) qb_log(LOG_DEBUG, fmt, ##__VA_ARGS__)

#define kem_vm_err(vm, fmt, ...) kem_err("%s: " fmt, vm, ##__VA_ARGS__)
#define kem_vm_warn(vm, fmt, ...) kem_warn("%s: " fmt, vm, ##__VA_ARGS__)
#define kem_vm_info(vm, fmt, ...) kem_info("%s: " fmt, vm, ##__VA_ARGS__)
#define kem_vm_debug(vm, fmt, ...) kem_debug("%s: " fmt, vm, ##__VA_ARGS__)

#endif /* KEMARI_LIB_LOG_H */
