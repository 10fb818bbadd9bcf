/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verifier: comparison of two copies of a guest, for tests: its RAM and grant frames, the hidden state,
 * the HVM context and the devices' states.  Not compared: the guest's xenstore nodes.  The primary reads its
 * stopped guest anew at an epoch (capture/reference.h), the standby compares after it has applied the same
 * epoch.
 */
#ifndef KEMARI_APPLY_VERIFY_H
#define KEMARI_APPLY_VERIFY_H

#include <jansson.h>

#include "apply/image.h"
#include "wire/writer.h"

struct xen_kemari_state;

/* Pages in one VERIFY record. */
#define VERIFY_MAX_PAGES ((RECORD_MAX_PAYLOAD - sizeof(struct record_verify)) / 8)
/* Differences that are named; the others are counted. */
#define VERIFY_GFNS 32
#define VERIFY_FIELDS 8
#define VERIFY_FIELD_MAX 96

/* ---- the primary's side ---- */

/*
 * Appends VERIFY records of all ranges of ram and of nr gfns outside of them; -ENOBUFS.  8 bytes per page, 48
 * per record, of which there is one for each range and each gfn outside.  page gives the bytes that count for
 * a gfn; NULL: those in ram.
 */
typedef const void *(*verify_page_fn)(void *arg, uint64_t gfn);
int verify_write(struct record_writer *w, const struct ram *ram, const uint64_t *outside, unsigned int nr,
		 verify_page_fn page, void *arg);

/* A VERIFY_STATE record; device and id as record_reserve_device(), "" and 0 for the other types. */
int verify_put_state(struct record_writer *w, enum record_type type, const void *data, size_t len);
/* As record_reserve(); room and commit count the bytes of the state itself. */
void *verify_reserve_state(struct record_writer *w, enum record_type type, const char *device, uint32_t id,
			   size_t *room);
int verify_commit_state(struct record_writer *w, size_t len);

/* ---- the standby's side ---- */

struct verify_result {
	uint64_t compared; /* pages */
	uint64_t mismatches;
	uint64_t gfn[VERIFY_GFNS]; /* the first ones */
	uint64_t parts;		   /* of the state */
	uint64_t fields;	   /* of them that differ */
	char field[VERIFY_FIELDS][VERIFY_FIELD_MAX];
};

/* Compares one VERIFY record with the image, adds to res.  *last: it was the last one.  -EBADMSG and why. */
int verify_compare(const struct image *img, const uint8_t *payload, uint32_t len, struct verify_result *res,
		   bool *last, char *why);
/* The same for a VERIFY_STATE record. */
int verify_compare_state(const struct image *img, const uint8_t *payload, uint32_t len,
			 struct verify_result *res, char *why);
/* What goes back in VERIFY_RESULT. */
json_t *verify_report(const struct image *img, const struct verify_result *res);

/* ---- the primary again ---- */

/* What kind of page is at a gfn, a word or two. */
typedef const char *(*verify_name_fn)(void *arg, uint64_t gfn);
/*
 * Reads a report, which comes from the peer and may be anything.  0: both copies are equal; 1: they differ,
 * text says the epoch and the first difference of each kind; -EBADMSG.
 */
int verify_read_report(const void *bytes, size_t len, verify_name_fn name, void *arg, char *text, size_t max);

/* ---- verify_state.c, for verify_compare_state() ---- */

void verify_differs(struct verify_result *res, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* want: read after have was; times have gone on and a timer may have fired.  Both are well formed. */
void verify_hv_state(struct verify_result *res, const struct xen_kemari_state *want,
		     const struct xen_kemari_state *have);
void verify_hvm_context(struct verify_result *res, const uint8_t *want, size_t want_len, const uint8_t *have,
			size_t have_len);
/* name: what the bytes are. */
void verify_bytes(struct verify_result *res, const char *name, const uint8_t *want, size_t want_len,
		  const uint8_t *have, size_t have_len);

#endif /* KEMARI_APPLY_VERIFY_H */
