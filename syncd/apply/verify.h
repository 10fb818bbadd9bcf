/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verifier: whole-RAM comparison of two copies, for tests.  The primary hashes its stopped guest at an
 * epoch, the standby compares after it has applied the same epoch.
 */
#ifndef KEMARI_APPLY_VERIFY_H
#define KEMARI_APPLY_VERIFY_H

#include "apply/image.h"
#include "wire/writer.h"

/* Pages in one VERIFY record. */
#define VERIFY_MAX_PAGES ((RECORD_MAX_PAYLOAD - sizeof(struct record_verify)) / 8)

/*
 * Appends VERIFY records of all ranges of ram; -ENOBUFS.  8 bytes per page and 48 per record and range.  page
 * gives the bytes that count for a gfn; NULL: those in ram.
 */
typedef const void *(*verify_page_fn)(void *arg, uint64_t gfn);
int verify_write(struct record_writer *w, const struct ram *ram, verify_page_fn page, void *arg);

struct verify_result {
	uint64_t compared;
	uint64_t mismatches;
	uint64_t gfn[32]; /* the first ones */
};

/* Compares one VERIFY record with the image, adds to res.  *last: it was the last one.  -EBADMSG and why. */
int verify_compare(const struct image *img, const uint8_t *payload, uint32_t len, struct verify_result *res,
		   bool *last, char *why);

#endif /* KEMARI_APPLY_VERIFY_H */
