/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock that intervals, deadlines and time-outs are measured with, and the CPU time of this process.
 */
#ifndef KEMARI_LIB_MONOTONIC_H
#define KEMARI_LIB_MONOTONIC_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in ns: goes on over a restart of the daemon, begins anew with the host. */
static inline uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* CPU time that all threads of this process took so far, ns. */
static inline uint64_t cpu_time_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

#endif /* KEMARI_LIB_MONOTONIC_H */
