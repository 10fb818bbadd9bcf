/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest gets done in some seconds of its own clock, for the benchmark; each ends with a line
 * "COUNT NS".
 *
 * work: rounds of a fixed integer loop.  fsync: 4 KiB written to the same place of a file and made durable,
 * one after the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "witness.h"

#define LOOP 10000 /* steps of one round: the clock is read between rounds */
#define BLOCK 4096

static int tell(uint64_t count, uint64_t begin)
{
	printf("%llu %llu\n", (unsigned long long)count,
	       (unsigned long long)(now_ns(CLOCK_MONOTONIC) - begin));
	return 0;
}

int work_main(int argc, char **argv)
{
	uint64_t begin = now_ns(CLOCK_MONOTONIC), count = 0, end, state = 1;
	volatile uint64_t result;

	if (argc != 2)
		return 2;
	end = begin + strtoull(argv[1], NULL, 0) * 1000000000ULL;
	for (; now_ns(CLOCK_MONOTONIC) < end; count++) {
		for (uint64_t i = 0; i < LOOP; i++)
			state = mix(state, i);
		result = state;
	}
	(void)result;
	return tell(count, begin);
}

int fsync_main(int argc, char **argv)
{
	char block[BLOCK];
	uint64_t begin, end, count = 0;
	int fd;

	if (argc != 3)
		return 2;
	fd = open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		fprintf(stderr, "witness: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	begin = now_ns(CLOCK_MONOTONIC);
	end = begin + strtoull(argv[1], NULL, 0) * 1000000000ULL;
	for (; now_ns(CLOCK_MONOTONIC) < end; count++) {
		memset(block, (int)count, sizeof(block));
		if (pwrite(fd, block, sizeof(block), 0) != BLOCK || fsync(fd)) {
			fprintf(stderr, "witness: %s: %s\n", argv[2], strerror(errno));
			return 1;
		}
	}
	return tell(count, begin);
}
