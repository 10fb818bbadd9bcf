/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Space for a file, before anything depends on it.
 */
#ifndef KEMARI_LIB_RESERVE_H
#define KEMARI_LIB_RESERVE_H

#include <stdint.h>

/*
 * The first len bytes of fd, in steps: on tmpfs a signal, or a completion of io_uring, makes the kernel give
 * up a reservation as a whole (EINTR), and a large one would never get through.  0 or a negative errno.
 */
int reserve_file(int fd, uint64_t len);

#endif /* KEMARI_LIB_RESERVE_H */
