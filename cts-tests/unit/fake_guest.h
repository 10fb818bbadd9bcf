/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest without Xen, for tests of device backends: some pages of memory, a grant table, event ports.  It
 * stands behind the same table of functions as the real one (ring/guest.h).
 *
 *	struct fake_guest f;
 *	fake_guest_init(&f, 64);			 64 pages, numbered 0..63
 *	ref = fake_grant(&f, 3);			 the guest grants page 3
 *	fake_page(&f, 3)				 the guest's own view of that page
 *	host.guest = &f.guest;
 *	fake_kick(&f, 7);				 the guest notifies its port 7
 *	f.port[7].notified				 what the backend sent to port 7
 *	fake_guest_fini(&f);
 *
 * on_copy, if set, runs before each piece of a grant copy: a hostile vCPU that changes memory just then.
 */
#ifndef KEMARI_UNIT_FAKE_GUEST_H
#define KEMARI_UNIT_FAKE_GUEST_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/guest.h"

#define FAKE_MAX_REFS 4096
#define FAKE_MAX_PORTS 64

struct fake_port {
	void (*cb)(void *arg);
	void *arg;
	bool bound;
	unsigned int notified; /* by the backend */
};

struct fake_guest {
	struct guest guest;
	int memfd;
	uint8_t *mem;
	unsigned int nr_pages;
	struct {
		bool valid, readonly;
		unsigned int page;
	} grant[FAKE_MAX_REFS]; /* refs from 8 on, as in Xen the lower ones are reserved */
	unsigned int next_ref;
	struct fake_port port[FAKE_MAX_PORTS]; /* by guest port; local port = guest port + 1000 */
	unsigned int maps;		       /* pages mapped now */
	unsigned int copies_from, copies_to;   /* pieces, good ones */
	void (*on_copy)(struct fake_guest *f, const struct guest_copy *c, bool from);
	void *on_copy_arg;
};

#define FAKE_LOCAL_PORT 1000

static inline uint8_t *fake_page(struct fake_guest *f, unsigned int page)
{
	assert(page < f->nr_pages);
	return f->mem + (size_t)page * GUEST_PAGE_SIZE;
}

static inline uint32_t fake_grant_mode(struct fake_guest *f, unsigned int page, bool readonly)
{
	uint32_t ref = f->next_ref++;

	assert(ref < FAKE_MAX_REFS && page < f->nr_pages);
	f->grant[ref].valid = true;
	f->grant[ref].readonly = readonly;
	f->grant[ref].page = page;
	return ref;
}

static inline uint32_t fake_grant(struct fake_guest *f, unsigned int page)
{
	return fake_grant_mode(f, page, false);
}

static inline void fake_revoke(struct fake_guest *f, uint32_t ref)
{
	assert(ref < FAKE_MAX_REFS);
	f->grant[ref].valid = false;
}

/* The guest notifies: the backend's callback runs at once. */
static inline void fake_kick(struct fake_guest *f, uint32_t port)
{
	assert(port < FAKE_MAX_PORTS);
	if (f->port[port].bound)
		f->port[port].cb(f->port[port].arg);
}

static inline struct fake_guest *fake_of(struct guest *g)
{
	return (struct fake_guest *)g; /* first member */
}

static inline bool fake_ref_ok(const struct fake_guest *f, uint32_t ref, bool write)
{
	return ref < FAKE_MAX_REFS && f->grant[ref].valid && !(write && f->grant[ref].readonly);
}

static inline int fake_map(struct guest *g, const uint32_t *refs, unsigned int nr, void **pages)
{
	struct fake_guest *f = fake_of(g);
	uint8_t *at;
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!fake_ref_ok(f, refs[i], true))
			return -EINVAL;
	at = mmap(NULL, (size_t)nr * GUEST_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(at != MAP_FAILED);
	for (i = 0; i < nr; i++) {
		void *p = mmap(at + (size_t)i * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, f->memfd,
			       (off_t)f->grant[refs[i]].page * GUEST_PAGE_SIZE);

		assert(p != MAP_FAILED);
	}
	f->maps += nr;
	*pages = at;
	return 0;
}

static inline void fake_unmap(struct guest *g, void *pages, unsigned int nr)
{
	assert(fake_of(g)->maps >= nr);
	fake_of(g)->maps -= nr;
	munmap(pages, (size_t)nr * GUEST_PAGE_SIZE);
}

static inline int fake_copy(struct guest *g, struct guest_copy *c, unsigned int nr, bool from)
{
	struct fake_guest *f = fake_of(g);
	unsigned int i;
	int rc = 0;

	for (i = 0; i < nr; i++) {
		uint8_t *theirs;

		if (f->on_copy)
			f->on_copy(f, &c[i], from);
		if (c[i].offset + c[i].len > GUEST_PAGE_SIZE || !fake_ref_ok(f, c[i].ref, !from)) {
			c[i].status = -EINVAL;
			rc = -EFAULT;
			continue;
		}
		theirs = fake_page(f, f->grant[c[i].ref].page) + c[i].offset;
		memcpy(from ? c[i].local : theirs, from ? theirs : c[i].local, c[i].len);
		c[i].status = 0;
		*(from ? &f->copies_from : &f->copies_to) += 1;
	}
	return rc;
}

static inline int fake_copy_from(struct guest *g, struct guest_copy *c, unsigned int nr)
{
	return fake_copy(g, c, nr, true);
}

static inline int fake_copy_to(struct guest *g, struct guest_copy *c, unsigned int nr)
{
	return fake_copy(g, c, nr, false);
}

/* Unlike Xen's, a fake port does not fire by itself after the bind: a backend must not depend on it. */
static inline int fake_bind(struct guest *g, uint32_t remote_port, void (*cb)(void *arg), void *arg)
{
	struct fake_guest *f = fake_of(g);

	if (remote_port >= FAKE_MAX_PORTS || f->port[remote_port].bound)
		return -EINVAL;
	f->port[remote_port].cb = cb;
	f->port[remote_port].arg = arg;
	f->port[remote_port].bound = true;
	return remote_port + FAKE_LOCAL_PORT;
}

static inline void fake_unbind(struct guest *g, int local_port)
{
	struct fake_port *p = &fake_of(g)->port[local_port - FAKE_LOCAL_PORT];

	assert(p->bound);
	p->bound = false;
}

static inline void fake_speaks(struct guest *g, int local_port)
{
	assert(fake_of(g)->port[local_port - FAKE_LOCAL_PORT].bound);
}

static inline int fake_notify(struct guest *g, int local_port)
{
	struct fake_port *p = &fake_of(g)->port[local_port - FAKE_LOCAL_PORT];

	assert(p->bound);
	p->notified++;
	return 0;
}

static const struct guest_ops fake_guest_ops = {
	.map = fake_map,
	.unmap = fake_unmap,
	.copy_from = fake_copy_from,
	.copy_to = fake_copy_to,
	.bind = fake_bind,
	.unbind = fake_unbind,
	.speaks = fake_speaks,
	.notify = fake_notify,
};

static inline void fake_guest_init(struct fake_guest *f, unsigned int nr_pages)
{
	memset(f, 0, sizeof(*f));
	f->guest.ops = &fake_guest_ops;
	f->guest.domid = 20001;
	f->nr_pages = nr_pages;
	f->next_ref = 8;
	f->memfd = memfd_create("fake-guest", MFD_CLOEXEC);
	assert(f->memfd >= 0);
	if (ftruncate(f->memfd, (off_t)nr_pages * GUEST_PAGE_SIZE) != 0)
		assert(false);
	f->mem = mmap(NULL, (size_t)nr_pages * GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd,
		      0);
	assert(f->mem != MAP_FAILED);
}

static inline void fake_guest_fini(struct fake_guest *f)
{
	munmap(f->mem, (size_t)f->nr_pages * GUEST_PAGE_SIZE);
	close(f->memfd);
}

#endif /* KEMARI_UNIT_FAKE_GUEST_H */
