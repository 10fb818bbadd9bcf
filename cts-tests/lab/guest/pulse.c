/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pulse: UDP datagrams at a steady pace, each with its number, CLOCK_MONOTONIC and CLOCK_REALTIME.
 * The longest silence at the receiver is how long the guest did not run (TCP would add its
 * retransmission time-out).  With PAGES, that many are written to before each, others each time.
 *
 * beat: the same on the guest's console, as lines "beat N monotonic NS".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "witness.h"

#define PAGE 4096
#define PAGES 2048 /* which take turns */

static void write_to(uint8_t *pages, uint64_t from, unsigned int nr)
{
	while (nr--)
		pages[from++ % PAGES * PAGE]++;
}

int pulse_main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	unsigned int pages = argc == 5 ? (unsigned int)atoi(argv[4]) : 0;
	uint64_t msg[3] = { 0 };
	uint8_t *mem;
	useconds_t pause;
	int s;

	if (argc < 4 || argc > 5 || inet_pton(AF_INET, argv[1], &a.sin_addr) != 1)
		return 2;
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		perror("witness: mmap");
		return 1;
	}
	a.sin_port = htons((uint16_t)atoi(argv[2]));
	pause = (useconds_t)atoi(argv[3]) * 1000;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0) {
		perror("witness: socket");
		return 1;
	}
	for (;; msg[0]++) {
		write_to(mem, msg[0] * pages, pages);
		msg[1] = now_ns(CLOCK_MONOTONIC);
		msg[2] = now_ns(CLOCK_REALTIME);
		/* nobody listening is no error: the number tells what is missing */
		sendto(s, msg, sizeof(msg), 0, (struct sockaddr *)&a, sizeof(a));
		usleep(pause);
	}
}

int beat_main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (unsigned long long i = 0;; i++) {
		printf("beat %llu monotonic %llu\n", i, (unsigned long long)now_ns(CLOCK_MONOTONIC));
		fflush(stdout);
		usleep((useconds_t)atoi(argv[1]) * 1000);
	}
}
