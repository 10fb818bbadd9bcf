/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One small value in a memory file that a daemon may be killed over at any instruction: two slots, the newer
 * valid one counts, a store overwrites the other.  A torn store leaves the value before it.
 */
#ifndef KEMARI_LIB_PERSIST_H
#define KEMARI_LIB_PERSIST_H

#include <stddef.h>
#include <stdint.h>

struct persist {
	uint8_t *slot[2];
	size_t len;   /* of the value */
	uint64_t seq; /* of the newest valid slot, 0: none */
	unsigned int newest;
};

/* Bytes of memory that a value of len bytes takes. */
size_t persist_size(size_t len);

/*
 * Attaches to mem (8-byte aligned, zeroed when new).  0, -EINVAL: mem is too small, -EBADMSG: written before
 * but no slot is valid (not what a killed daemon leaves: treat the value as unknown).
 */
int persist_attach(struct persist *p, void *mem, size_t mem_size, size_t len);
/* -ENOENT: never stored. */
int persist_load(const struct persist *p, void *value);
void persist_store(struct persist *p, const void *value);

#endif /* KEMARI_LIB_PERSIST_H */
