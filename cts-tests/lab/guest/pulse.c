/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pulse: UDP datagrams at a steady pace, each with its number, CLOCK_MONOTONIC and CLOCK_REALTIME.
 * The longest silence at the receiver is how long the guest did not run (TCP would add its
 * retransmission time-out).
 *
 * beat: the same on the guest's console, as lines "beat N monotonic NS".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "witness.h"

int pulse_main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	uint64_t msg[3] = { 0 };
	useconds_t pause;
	int s;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &a.sin_addr) != 1)
		return 2;
	a.sin_port = htons((uint16_t)atoi(argv[2]));
	pause = (useconds_t)atoi(argv[3]) * 1000;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0) {
		perror("witness: socket");
		return 1;
	}
	for (;; msg[0]++) {
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
