/* SPDX-License-Identifier: GPL-2.0-only */
/* The cluster's key: a file of hex digits that only its owner may read.  `kemari keygen` makes one
 * (transport.h). */
#ifndef KEMARI_TRANSPORT_KEY_H
#define KEMARI_TRANSPORT_KEY_H

#include <stddef.h>
#include <stdint.h>

#define KEY_MIN 32
#define KEY_MAX 64

struct key {
	uint8_t bytes[KEY_MAX];
	size_t len;
};

/* 0, or a negative errno and why (TRANSPORT_WHY_MAX bytes) with the fix. */
int key_read(const char *path, struct key *k, char *why);
void key_wipe(struct key *k);

#endif /* KEMARI_TRANSPORT_KEY_H */
