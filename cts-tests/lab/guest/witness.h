/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * witness: what runs inside the test guest and can be held to its word afterwards.  One static
 * program, one subcommand each; all numbers on the wire are little-endian 64 bit.  The checks that
 * belong to each of them are in cts-tests/suite/audit.py, which mirrors mix() and fnv1a().
 */
#ifndef WITNESS_H
#define WITNESS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds of a clock. */
uint64_t now_ns(clockid_t clock);

/* A 64-bit mixing step: the next state from the state and one input. */
uint64_t mix(uint64_t state, uint64_t n);

/* FNV-1a over len bytes. */
uint64_t fnv1a(const void *buf, size_t len);

/* A listening TCP socket on all addresses; ends the program with a message on failure. */
int listen_on(int port);

/* Writes all of it to a socket without SIGPIPE; -1 when the peer is gone. */
int send_all(int fd, const void *buf, size_t len);

/*
 * The subcommands; argv[0] is the subcommand's name.  They return the exit status, those that serve
 * never return.
 */
int count_main(int argc, char **argv);
int journal_main(int argc, char **argv);
int clocks_main(int argc, char **argv);
int dirty_main(int argc, char **argv);
int pulse_main(int argc, char **argv);
int beat_main(int argc, char **argv);
int work_main(int argc, char **argv);
int fsync_main(int argc, char **argv);

#endif
