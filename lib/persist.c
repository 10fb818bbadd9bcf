/* SPDX-License-Identifier: GPL-2.0-only */
#include "persist.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

struct slot_header {
	uint64_t seq;	/* 0: never written */
	uint64_t check; /* of seq and the value */
};

static uint64_t slot_check(uint64_t seq, const void *value, size_t len)
{
	return XXH3_64bits_withSeed(value, len, seq);
}

static size_t slot_size(size_t len)
{
	return sizeof(struct slot_header) + ((len + 7) & ~(size_t)7);
}

size_t persist_size(size_t len)
{
	return 2 * slot_size(len);
}

int persist_attach(struct persist *p, void *mem, size_t mem_size, size_t len)
{
	bool written = false;

	if (mem_size < persist_size(len))
		return -EINVAL;
	p->slot[0] = mem;
	p->slot[1] = p->slot[0] + slot_size(len);
	p->len = len;
	p->seq = 0;
	p->newest = 0;
	for (unsigned int i = 0; i < 2; i++) {
		struct slot_header h;

		memcpy(&h, p->slot[i], sizeof(h));
		if (!h.seq)
			continue;
		written = true;
		if (h.seq > p->seq && h.check == slot_check(h.seq, p->slot[i] + sizeof(h), len)) {
			p->seq = h.seq;
			p->newest = i;
		}
	}
	return written && !p->seq ? -EBADMSG : 0;
}

int persist_load(const struct persist *p, void *value)
{
	if (!p->seq)
		return -ENOENT;
	memcpy(value, p->slot[p->newest] + sizeof(struct slot_header), p->len);
	return 0;
}

void persist_store(struct persist *p, const void *value)
{
	unsigned int older = p->seq ? !p->newest : 0;
	struct slot_header h = { .seq = p->seq + 1 };
	struct slot_header *slot = (struct slot_header *)p->slot[older];

	h.check = slot_check(h.seq, value, p->len);
	memcpy(p->slot[older] + sizeof(h), value, p->len);
	__atomic_store_n(&slot->check, h.check, __ATOMIC_RELEASE);
	/* Last: a first store that is torn still reads as never written. */
	__atomic_store_n(&slot->seq, h.seq, __ATOMIC_SEQ_CST);
	p->seq = h.seq;
	p->newest = older;
}
