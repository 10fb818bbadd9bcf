/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/record.h"

#include <errno.h>
#include <stdio.h>
#include <xxhash.h>

#include "le.h"
#include "wire/delta.h"
#include "wire/pack.h"

#define GFN_MASK ((1ULL << RECORD_GFN_BITS) - 1)

static const char *const type_names[] = {
	[RECORD_HELLO] = "HELLO",
	[RECORD_WELCOME] = "WELCOME",
	[RECORD_REFUSE] = "REFUSE",
	[RECORD_PROGRESS] = "PROGRESS",
	[RECORD_BULK_BEGIN] = "BULK_BEGIN",
	[RECORD_EPOCH_BEGIN] = "EPOCH_BEGIN",
	[RECORD_PAGES] = "PAGES",
	[RECORD_HV_STATE] = "HV_STATE",
	[RECORD_HVM_CONTEXT] = "HVM_CONTEXT",
	[RECORD_HVM_PARAMS] = "HVM_PARAMS",
	[RECORD_DEVICE] = "DEVICE",
	[RECORD_XENSTORE] = "XENSTORE",
	[RECORD_EPOCH_END] = "EPOCH_END",
	[RECORD_MESSAGE] = "MESSAGE",
	[RECORD_PING] = "PING",
	[RECORD_VERIFY] = "VERIFY",
	[RECORD_VERIFY_RESULT] = "VERIFY_RESULT",
	[RECORD_VERIFY_STATE] = "VERIFY_STATE",
	[RECORD_DISK_ASK] = "DISK_ASK",
	[RECORD_DISK_ANSWER] = "DISK_ANSWER",
	[RECORD_LEAVE] = "LEAVE",
};
_Static_assert(sizeof(type_names) / sizeof(type_names[0]) == RECORD_TYPE_MAX + 1,
	       "a name for each record type");

const char *record_type_name(unsigned int type)
{
	return type && type <= RECORD_TYPE_MAX ? type_names[type] : "unknown";
}

uint32_t record_check(enum record_type type, uint64_t epoch, const void *payload, uint32_t len)
{
	uint64_t seed = epoch ^ (uint64_t)type << 56 ^ (uint64_t)len << 32;

	return (uint32_t)XXH3_64bits_withSeed(payload, len, seed);
}

int record_header_decode(const uint8_t bytes[sizeof(struct record_header)], struct record_header *h,
			 char *why)
{
	struct record_header v = {
		.magic = get_le32(bytes),
		.version = get_le16(bytes + 4),
		.type = get_le16(bytes + 6),
		.length = get_le32(bytes + 8),
		.check = get_le32(bytes + 12),
		.session = get_le64(bytes + 16),
		.epoch = get_le64(bytes + 24),
	};

	if (v.magic != RECORD_MAGIC)
		snprintf(why, RECORD_WHY_MAX, "no record begins here (magic %08x)", v.magic);
	else if (v.version != RECORD_VERSION)
		snprintf(why, RECORD_WHY_MAX,
			 "protocol version %u, this host speaks %d: install the same kemari version on both "
			 "hosts",
			 v.version, RECORD_VERSION);
	else if (!v.type || v.type > RECORD_TYPE_MAX)
		snprintf(why, RECORD_WHY_MAX, "unknown record type %u", v.type);
	else if (v.length > RECORD_MAX_PAYLOAD)
		snprintf(why, RECORD_WHY_MAX, "%s record of %u bytes, the limit is %u",
			 record_type_name(v.type), v.length, RECORD_MAX_PAYLOAD);
	else {
		*h = v;
		return 0;
	}
	return -EBADMSG;
}

void record_epoch_encode(const struct record_epoch *e, uint8_t out[sizeof(struct record_epoch)])
{
	put_le64(out, e->g);
	put_le64(out + 8, e->epoch);
	put_le64(out + 16, e->base);
	put_le64(out + 24, e->nr_pages);
	put_le64(out + 32, e->bytes);
	put_le32(out + 40, e->nr_records);
	put_le32(out + 44, e->flags);
}

void record_epoch_decode(const uint8_t in[sizeof(struct record_epoch)], struct record_epoch *e)
{
	e->g = get_le64(in);
	e->epoch = get_le64(in + 8);
	e->base = get_le64(in + 16);
	e->nr_pages = get_le64(in + 24);
	e->bytes = get_le64(in + 32);
	e->nr_records = get_le32(in + 40);
	e->flags = get_le32(in + 44);
}

/* Length of an entry's data; -EBADMSG: it is none of at most len bytes. */
static ssize_t data_length(uint64_t encoding, const uint8_t *data, size_t len)
{
	size_t n;

	switch (encoding) {
	case PAGE_RAW:
		return len < RECORD_PAGE_SIZE ? -EBADMSG : (ssize_t)RECORD_PAGE_SIZE;
	case PAGE_DELTA:
		n = delta_length(data, len);
		return n ? (ssize_t)n : -EBADMSG;
	case PAGE_LZ4:
		n = pack_length(data, len);
		return n ? (ssize_t)n : -EBADMSG;
	default:
		return 0;
	}
}

int record_pages_check(const uint8_t *payload, uint32_t len, uint32_t *nr, char *why)
{
	const uint8_t *pos = payload + sizeof(struct record_pages), *end = payload + len;
	uint32_t n;

	if (len < sizeof(struct record_pages)) {
		snprintf(why, RECORD_WHY_MAX, "PAGES record of %u bytes", len);
		return -EBADMSG;
	}
	n = get_le32(payload);
	if (!n || n > RECORD_MAX_PAGES || get_le32(payload + 4)) {
		snprintf(why, RECORD_WHY_MAX, "PAGES record with %u pages, the limit is %u", n,
			 RECORD_MAX_PAGES);
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t entry, encoding;
		ssize_t data;

		if (end - pos < 8)
			goto cut;
		entry = get_le64(pos);
		encoding = entry >> RECORD_ENCODING_SHIFT;
		if (encoding > PAGE_ENCODING_MAX ||
		    (encoding << RECORD_ENCODING_SHIFT) != (entry & ~GFN_MASK)) {
			snprintf(why, RECORD_WHY_MAX, "PAGES record: bad entry %016llx at %u",
				 (unsigned long long)entry, i);
			return -EBADMSG;
		}
		pos += 8;
		data = data_length(encoding, pos, (size_t)(end - pos));
		if (data < 0)
			goto cut;
		pos += data;
	}
	if (pos != end) {
		snprintf(why, RECORD_WHY_MAX, "PAGES record: %lld bytes behind its %u pages",
			 (long long)(end - pos), n);
		return -EBADMSG;
	}
	*nr = n;
	return 0;

cut:
	snprintf(why, RECORD_WHY_MAX, "PAGES record: its %u bytes are not its %u pages", len, n);
	return -EBADMSG;
}

void record_pages_first(struct record_page_iter *it, const uint8_t *payload, uint32_t len)
{
	it->left = get_le32(payload);
	it->pos = payload + sizeof(struct record_pages);
}

int record_pages_next(struct record_page_iter *it, struct record_page *p)
{
	uint64_t entry;
	ssize_t len;

	if (!it->left)
		return 0;
	it->left--;
	entry = get_le64(it->pos);
	it->pos += 8;
	p->gfn = entry & GFN_MASK;
	p->encoding = (enum page_encoding)(entry >> RECORD_ENCODING_SHIFT);
	len = data_length(p->encoding, it->pos, RECORD_PAGE_SIZE);
	p->data = len ? it->pos : NULL;
	it->pos += len;
	return 1;
}

bool record_sessionless(unsigned int type)
{
	switch (type) {
	case RECORD_HELLO:
	case RECORD_WELCOME:
	case RECORD_REFUSE:
	case RECORD_PROGRESS:
	case RECORD_MESSAGE:
	case RECORD_PING:
		return true;
	default:
		return false;
	}
}
