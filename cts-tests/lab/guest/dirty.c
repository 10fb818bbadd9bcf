/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dirty: rewrites pages in random order at a given rate.  Each page's content follows from its number
 * and generation; it is checked before it is overwritten, and all of them are checked for whoever
 * connects: "pages N writes N errors N" and for the first wrong page "first PAGE generation G".
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "witness.h"

#define PAGE_WORDS 512
#define TICK_MS 10

struct pages {
	uint64_t *mem;
	uint32_t *generation;
	uint64_t nr, writes, errors, first_bad, first_generation;
	uint64_t random;
};

static void fill(struct pages *p, uint64_t page)
{
	uint64_t w = mix(page, p->generation[page]);

	for (int i = 0; i < PAGE_WORDS; i++, w += 0x9e3779b97f4a7c15ULL)
		p->mem[page * PAGE_WORDS + (uint64_t)i] = w;
}

static void check(struct pages *p, uint64_t page)
{
	uint64_t w = mix(page, p->generation[page]);

	for (int i = 0; i < PAGE_WORDS; i++, w += 0x9e3779b97f4a7c15ULL) {
		if (p->mem[page * PAGE_WORDS + (uint64_t)i] == w)
			continue;
		if (!p->errors++) {
			p->first_bad = page;
			p->first_generation = p->generation[page];
		}
		return;
	}
}

static void rewrite(struct pages *p, uint64_t count)
{
	while (count--) {
		uint64_t page;

		p->random = mix(p->random, p->writes++);
		page = p->random % p->nr;
		check(p, page);
		p->generation[page]++;
		fill(p, page);
	}
}

static void report(struct pages *p, int s)
{
	char line[192];
	int n;

	for (uint64_t i = 0; i < p->nr; i++)
		check(p, i);
	n = snprintf(line, sizeof(line), "pages %llu writes %llu errors %llu first %llu generation %llu\n",
		     (unsigned long long)p->nr, (unsigned long long)p->writes, (unsigned long long)p->errors,
		     (unsigned long long)p->first_bad, (unsigned long long)p->first_generation);
	send_all(s, line, (size_t)n);
	shutdown(s, SHUT_WR);
	close(s);
}

int dirty_main(int argc, char **argv)
{
	struct pages p = { 0 };
	struct pollfd l;
	uint64_t rate, owed = 0;

	if (argc != 4)
		return 2;
	p.nr = strtoull(argv[2], NULL, 0);
	rate = strtoull(argv[3], NULL, 0);
	p.mem = mmap(NULL, p.nr * PAGE_WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p.generation = calloc(p.nr, sizeof(*p.generation));
	if (!p.nr || p.mem == MAP_FAILED || !p.generation) {
		fprintf(stderr, "witness: no memory for %s pages\n", argv[2]);
		return 1;
	}
	for (uint64_t i = 0; i < p.nr; i++)
		fill(&p, i);
	l = (struct pollfd){ .fd = listen_on(atoi(argv[1])), .events = POLLIN };
	for (;;) {
		int s;

		owed += rate * TICK_MS;
		rewrite(&p, owed / 1000);
		owed %= 1000;
		if (poll(&l, 1, TICK_MS) <= 0)
			continue;
		s = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC);
		if (s >= 0)
			report(&p, s);
	}
}
