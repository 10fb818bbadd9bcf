/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Space for a file, before anything depends on it.
 */
#ifndef KEMARI_LIB_RESERVE_H
#define KEMARI_LIB_RESERVE_H

#include <stdint.h>

/*
 * The bytes of fd from one offset up to the other, in steps: on tmpfs a signal, or a completion of io_uring,
 * makes the kernel give up a reservation as a whole (EINTR), and a large one would never get through.  0 or a
 * negative errno.
 */
int reserve_file(int fd, uint64_t from, uint64_t to);

#endif /* KEMARI_LIB_RESERVE_H */
