/* SPDX-License-Identifier: GPL-2.0-only */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>

#define STEP (1ULL << 20)

int reserve_file(int fd, uint64_t len)
{
	for (uint64_t at = 0; at < len; at += STEP) {
		uint64_t n = len - at < STEP ? len - at : STEP;
		int err;

		do
			err = posix_fallocate(fd, (off_t)at, (off_t)n);
		while (err == EINTR);
		if (err)
			return -err;
	}
	return 0;
}
