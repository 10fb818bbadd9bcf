/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * journal: while a client is connected, appends records to a file with fsync and tells the client
 * each record's number and hash after its fsync has returned.  What the client was told must be in
 * the file on the disk, whatever happens to the host.
 *
 * A record is one line of 68 bytes, hexadecimal: sequence number, CLOCK_MONOTONIC in ns, hash of the
 * record before it, hash of the three fields before this one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "witness.h"

#define RECORD_BYTES 68
#define HASHED_BYTES 50 /* three fields and the two blanks between them */

/* Appends the next record and makes it durable; its hash goes to *hash. */
static int append(int fd, uint64_t seq, uint64_t *hash)
{
	char line[RECORD_BYTES + 1];
	uint64_t mono = now_ns(CLOCK_MONOTONIC), prev = *hash;

	snprintf(line, sizeof(line), "%016llx %016llx %016llx", (unsigned long long)seq,
		 (unsigned long long)mono, (unsigned long long)prev);
	*hash = fnv1a(line, HASHED_BYTES);
	snprintf(line + HASHED_BYTES, sizeof(line) - HASHED_BYTES, " %016llx\n", (unsigned long long)*hash);
	if (write(fd, line, RECORD_BYTES) != RECORD_BYTES || fsync(fd)) {
		fprintf(stderr, "witness: journal record %llu: %s\n", (unsigned long long)seq,
			strerror(errno));
		return -1;
	}
	return 0;
}

int journal_main(int argc, char **argv)
{
	uint64_t report[2] = { 0, 0 };
	useconds_t pause;
	int l, fd, one = 1;

	if (argc < 3)
		return 2;
	l = listen_on(atoi(argv[1]));
	pause = (useconds_t)(argc > 3 ? atoi(argv[3]) : 20) * 1000;
	fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) {
		fprintf(stderr, "witness: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	for (;;) {
		int s = accept4(l, NULL, NULL, SOCK_CLOEXEC);

		if (s < 0)
			continue;
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		do {
			report[0]++;
			if (append(fd, report[0], &report[1]))
				return 1;
			usleep(pause);
		} while (!send_all(s, report, sizeof(report)));
		close(s);
	}
}
