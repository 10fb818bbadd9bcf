/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/pack.h"

#include <lz4.h>
#include <string.h>

#include "le.h"
#include "monotonic.h"
#include "wire/reader.h"

#define HEADER sizeof(struct record_header)
/* A page that saves less stays as it is: it is copied once less by the receiver. */
#define WORTH_BYTES (RECORD_PAGE_SIZE / 8)
#define TRY_EACH 64U   /* whole pages, while it does not pay */
#define AVERAGE_OF 16  /* pages tried */
#define OUTLIER 4      /* times the average: something else had the CPU */
#define MAX_TRIES 256U /* of a call, which holds the main loop for so long, and the receiver's check his */
#define NS_PER_S 1000000000ULL

/* The next page is to be tried. */
static bool is_to_try(struct packer *p, uint64_t link_rate)
{
	if (p->tries == MAX_TRIES)
		return false;
	if (!p->cost_ns || p->saved * NS_PER_S / link_rate > p->cost_ns || ++p->untried == TRY_EACH) {
		p->untried = 0;
		return true;
	}
	return false;
}

static void average(uint64_t *of, uint64_t with)
{
	*of = *of ? (*of * (AVERAGE_OF - 1) + with) / AVERAGE_OF : with;
}

static void average_cost(struct packer *p, uint64_t ns)
{
	if (p->cost_ns && ns > OUTLIER * p->cost_ns)
		ns = OUTLIER * p->cost_ns;
	average(&p->cost_ns, ns);
}

/* To `to`, which is not behind the page; 0: not worth it, and nothing was written. */
static size_t pack_page(struct packer *p, const uint8_t *page, uint8_t *to)
{
	char block[RECORD_PAGE_SIZE - WORTH_BYTES];
	uint64_t begin = monotonic_ns();
	int len = LZ4_compress_default((const char *)page, block, RECORD_PAGE_SIZE, sizeof(block));

	p->tries++;
	p->tried++;
	average_cost(p, monotonic_ns() - begin + 1);
	average(&p->saved, len > 0 ? RECORD_PAGE_SIZE - (uint64_t)len : 0);
	if (len <= 0)
		return 0;
	p->packed++;
	put_le16(to, (uint16_t)len);
	memcpy(to + 2, block, (size_t)len);
	return 2 + (size_t)len;
}

/* One PAGES payload; what is read is never behind what is written. */
static size_t pack_pages(struct packer *p, const uint8_t *from, uint32_t len, uint8_t *to, uint64_t link_rate)
{
	struct record_page_iter it;
	struct record_page page;
	uint8_t *at = to + sizeof(struct record_pages);
	const uint8_t *entry;

	record_pages_first(&it, from, len);
	if (to != from)
		memmove(to, from, sizeof(struct record_pages));
	for (entry = it.pos; record_pages_next(&it, &page); entry = it.pos) {
		size_t whole = (size_t)(it.pos - entry), packed = 0;
		uint64_t word = page.gfn | (uint64_t)PAGE_LZ4 << RECORD_ENCODING_SHIFT;

		if (page.encoding == PAGE_RAW && is_to_try(p, link_rate))
			packed = pack_page(p, page.data, at + 8);
		if (packed)
			put_le64(at, word);
		else if (at != entry)
			memmove(at, entry, whole);
		at += packed ? 8 + packed : whole;
	}
	return (size_t)(at - to);
}

size_t pack_records(struct packer *p, uint8_t *buf, size_t len, uint64_t link_rate)
{
	size_t off = 0, at = 0, next = 0, begin = 0;
	struct record r;

	if (!link_rate)
		return len;
	p->tries = 0;
	for (; record_walk(buf, len, &next, &r); off = next) {
		enum record_type type = r.type; /* r lies where is written */
		size_t payload = r.len;

		if (type == RECORD_EPOCH_BEGIN)
			begin = at;
		if (at != off)
			memmove(buf + at, buf + off, HEADER);
		if (type == RECORD_PAGES)
			payload = pack_pages(p, buf + off + HEADER, r.len, buf + at + HEADER, link_rate);
		else if (at != off)
			memmove(buf + at + HEADER, buf + off + HEADER, payload);
		put_le32(buf + at + 8, (uint32_t)payload);
		at += HEADER + payload;
		if (type == RECORD_EPOCH_END)
			put_le64(buf + at - payload + offsetof(struct record_epoch, bytes), at - begin);
	}
	return at;
}

size_t pack_length(const uint8_t *data, size_t len)
{
	size_t block = len < 2 ? 0 : get_le16(data);

	return block && block <= RECORD_PAGE_SIZE - WORTH_BYTES && 2 + block <= len ? 2 + block : 0;
}

bool pack_unpack(const uint8_t *data, void *page)
{
	return LZ4_decompress_safe((const char *)data + 2, page, get_le16(data), RECORD_PAGE_SIZE) ==
	       RECORD_PAGE_SIZE;
}
