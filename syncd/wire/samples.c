/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/samples.h"

#include <errno.h>
#include <stdio.h>

#include "le.h"
#include "wire/record.h"

#define HEAD 16
#define ERRNO_MAX 4095

size_t samples_encode(const struct samples *s, uint8_t out[SAMPLES_MAX_BYTES])
{
	put_le32(out, s->disk);
	put_le32(out + 4, s->error);
	put_le32(out + 8, s->nr);
	put_le32(out + 12, 0);
	for (uint32_t i = 0; i < s->nr; i++)
		put_le64(out + HEAD + 8 * i, s->v[i]);
	return HEAD + 8 * s->nr;
}

int samples_decode(const uint8_t *bytes, size_t len, struct samples *s, char *why)
{
	if (len < HEAD)
		goto bad;
	s->disk = get_le32(bytes);
	s->error = get_le32(bytes + 4);
	s->nr = get_le32(bytes + 8);
	if (s->nr > SHARE_SAMPLES || len != HEAD + 8 * (size_t)s->nr || s->error > ERRNO_MAX ||
	    get_le32(bytes + 12) || !s->nr != !!s->error)
		goto bad;
	for (uint32_t i = 0; i < s->nr; i++)
		s->v[i] = get_le64(bytes + HEAD + 8 * i);
	return 0;
bad:
	snprintf(why, RECORD_WHY_MAX, "samples of a disk: %zu bytes that cannot be any", len);
	return -EBADMSG;
}

int samples_check_offsets(const struct samples *s, uint64_t disk_bytes, char *why)
{
	if (s->error) {
		snprintf(why, RECORD_WHY_MAX, "samples of a disk: a question with an error in it");
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < s->nr; i++)
		if (s->v[i] % SHARE_BLOCK || disk_bytes < SHARE_BLOCK || s->v[i] > disk_bytes - SHARE_BLOCK) {
			snprintf(why, RECORD_WHY_MAX,
				 "samples of a disk: no block at byte %llu of a disk of %llu bytes",
				 (unsigned long long)s->v[i], (unsigned long long)disk_bytes);
			return -EBADMSG;
		}
	return 0;
}
