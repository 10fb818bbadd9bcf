/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's requests.  `raw` is always a private copy of a ring slot; the descriptor page of an indirect
 * request is copied once, and what is checked is what is used.  Lengths and offsets inside are in sectors of
 * 512 bytes.
 */
#include <errno.h>

#include "block/internal.h"

_Static_assert(BLOCK_MAX_INDIRECT_SEGMENTS * sizeof(struct blkif_request_segment) <= GUEST_PAGE_SIZE,
	       "one descriptor page holds them all");

static const struct blkif_request_indirect *as_indirect(const uint8_t *raw)
{
	return (const struct blkif_request_indirect *)raw;
}

static const struct blkif_request *as_rw(const uint8_t *raw)
{
	return (const struct blkif_request *)raw;
}

/* The operation that the response names: the inner one of an indirect request. */
uint8_t request_response_op(const uint8_t *raw)
{
	return raw[0] == BLKIF_OP_INDIRECT ? as_indirect(raw)->indirect_op : raw[0];
}

/* What leaves the host and must wait for a commit. */
bool request_is_output(const uint8_t *raw)
{
	uint8_t op = request_response_op(raw);

	return op == BLKIF_OP_WRITE || op == BLKIF_OP_DISCARD;
}

/* Bounce pages that it can need at most; 0 also for what request_parse() refuses. */
unsigned int request_pages(const uint8_t *raw)
{
	switch (raw[0]) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
		return as_rw(raw)->nr_segments <= BLKIF_MAX_SEGMENTS_PER_REQUEST ? as_rw(raw)->nr_segments
										 : 0;
	case BLKIF_OP_INDIRECT:
		return as_indirect(raw)->nr_segments <= BLOCK_MAX_INDIRECT_SEGMENTS
			       ? as_indirect(raw)->nr_segments
			       : 0;
	default:
		return 0;
	}
}

static int check_range(const struct block *b, uint64_t sector, uint64_t nr)
{
	uint64_t mask = (b->props.sector_size >> SECTOR_SHIFT) - 1;

	if (nr == 0 || nr > b->props.sectors || sector > b->props.sectors - nr)
		return -EINVAL;
	return (sector | nr) & mask ? -EINVAL : 0;
}

static int parse_rw(const struct block *b, uint64_t sector, const struct blkif_request_segment *seg,
		    unsigned int nr, struct block_io *io)
{
	uint64_t sectors = 0;
	unsigned int i;
	int rc;

	for (i = 0; i < nr; i++) {
		if (seg[i].first_sect > seg[i].last_sect || seg[i].last_sect >= SECTORS_PER_PAGE)
			return -EINVAL;
		io->segment[i].ref = seg[i].gref;
		io->segment[i].offset = seg[i].first_sect << SECTOR_SHIFT;
		io->segment[i].len = (seg[i].last_sect - seg[i].first_sect + 1) << SECTOR_SHIFT;
		sectors += seg[i].last_sect - seg[i].first_sect + 1;
	}
	rc = check_range(b, sector, sectors);
	if (rc)
		return rc;
	if (io->op == BLKIF_OP_WRITE && b->readonly)
		return -EROFS;
	io->nr_segments = nr;
	io->offset = sector << SECTOR_SHIFT;
	io->len = sectors << SECTOR_SHIFT;
	return 0;
}

static int parse_direct(const struct block *b, const struct blkif_request *r, struct block_io *io)
{
	if (r->nr_segments == 0 || r->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return -EINVAL;
	io->op = r->operation;
	return parse_rw(b, r->sector_number, r->seg, r->nr_segments, io);
}

static int parse_indirect(struct block *b, const struct blkif_request_indirect *r, struct block_io *io)
{
	struct blkif_request_segment seg[BLOCK_MAX_INDIRECT_SEGMENTS];
	struct guest *g = b->dev.host->guest;
	struct guest_copy c = {
		.ref = r->indirect_grefs[0],
		.len = r->nr_segments * sizeof(seg[0]),
		.local = seg,
	};

	if (r->indirect_op != BLKIF_OP_READ && r->indirect_op != BLKIF_OP_WRITE)
		return -EINVAL;
	if (r->nr_segments == 0 || r->nr_segments > BLOCK_MAX_INDIRECT_SEGMENTS)
		return -EINVAL;
	if (g->ops->copy_from(g, &c, 1))
		return -EFAULT;
	io->op = r->indirect_op;
	return parse_rw(b, r->sector_number, seg, r->nr_segments, io);
}

static int parse_discard(const struct block *b, const struct blkif_request_discard *r, struct block_io *io)
{
	int rc;

	if (!b->props.discard || (r->flag & BLKIF_DISCARD_SECURE))
		return -EOPNOTSUPP;
	rc = check_range(b, r->sector_number, r->nr_sectors);
	if (rc)
		return rc;
	io->op = BLKIF_OP_DISCARD;
	io->offset = r->sector_number << SECTOR_SHIFT;
	io->len = r->nr_sectors << SECTOR_SHIFT;
	return 0;
}

/* Fills op, offset, len and the segments.  -EOPNOTSUPP: not offered; any other error: the guest's mistake. */
int request_parse(struct block *b, const uint8_t *raw, struct block_io *io)
{
	io->nr_segments = 0;
	io->offset = io->len = io->done = 0;
	io->retries = 0;

	switch (raw[0]) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
		return parse_direct(b, as_rw(raw), io);
	case BLKIF_OP_INDIRECT:
		return parse_indirect(b, as_indirect(raw), io);
	case BLKIF_OP_DISCARD:
		return parse_discard(b, (const struct blkif_request_discard *)raw, io);
	case BLKIF_OP_FLUSH_DISKCACHE:
		io->op = BLKIF_OP_FLUSH_DISKCACHE;
		return as_rw(raw)->nr_segments ? -EINVAL : 0;
	default: /* WRITE_BARRIER too: feature-barrier is 0 */
		return -EOPNOTSUPP;
	}
}
