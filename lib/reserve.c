/* SPDX-License-Identifier: GPL-2.0-only */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>

#define STEP (1ULL << 20)

int reserve_file(int fd, uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at += STEP) {
		uint64_t n = to - at < STEP ? to - at : STEP;
		int err;

		do
			err = posix_fallocate(fd, (off_t)at, (off_t)n);
		while (err == EINTR);
		if (err)
			return -err;
	}
	return 0;
}
