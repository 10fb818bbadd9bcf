/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/sel.h"

#include <errno.h>

static int header(watch_sel_read *read, void *arg, uint16_t wanted, uint16_t *id, uint16_t *next)
{
	uint8_t record[16] = { 0 };
	size_t len = 0;
	int rc = read(arg, wanted, record, &len, next);

	if (rc)
		return rc;
	if (len < 2)
		return -EPROTO;
	*id = (uint16_t)(record[0] | record[1] << 8);
	return *id == WATCH_SEL_FIRST || *id == WATCH_SEL_LAST ? -EPROTO : 0;
}

static bool same(const struct watch_sel_info *a, const struct watch_sel_info *b)
{
	return a->entries == b->entries && a->added == b->added && a->erased == b->erased;
}

static int prime(struct watch_sel *s, const struct watch_sel_info *info, watch_sel_read *read, void *arg)
{
	uint16_t next;
	int rc = info->entries ? header(read, arg, WATCH_SEL_LAST, &s->last, &next) : -ENOENT;

	if (rc == -ENOENT)
		s->last = 0;
	else if (rc)
		return rc;
	s->primed = true;
	s->caught_up = true;
	s->tail = s->last;
	s->seen = *info;
	s->past = s->last ? WATCH_SEL_FIRST : WATCH_SEL_LAST;
	s->past_last = s->last;
	return 0;
}

/* The number to begin with. */
static int begin(const struct watch_sel *s, watch_sel_read *read, void *arg, uint16_t *id)
{
	uint16_t own;
	int rc;

	*id = WATCH_SEL_FIRST;
	if (!s->last)
		return 0;
	rc = header(read, arg, s->last, &own, id);
	if (rc == -ENOENT) { /* the log was cleared */
		*id = WATCH_SEL_FIRST;
		return 0;
	}
	return rc;
}

/* More records than there are: the chain is a circle.  What is in it was told. */
static int give_up(struct watch_sel *s)
{
	s->caught_up = true;
	return -EPROTO;
}

int watch_sel_new(struct watch_sel *s, const struct watch_sel_info *info, watch_sel_read *read, void *arg,
		  unsigned int ids[WATCH_SEL_BATCH], unsigned int *n)
{
	uint16_t id, own, next;
	int rc;

	*n = 0;
	if (!s->primed)
		return prime(s, info, read, arg);
	if (s->caught_up && s->last == s->tail && same(info, &s->seen))
		return 0;
	if (info->erased != s->seen.erased || !info->entries)
		s->last = 0;
	if (s->caught_up)
		s->told = 0;
	/* what comes while this goes on is new the next time */
	s->seen = *info;
	s->caught_up = false;
	s->tail = s->last;
	rc = info->entries ? begin(s, read, arg, &id) : 0;
	if (!info->entries)
		id = WATCH_SEL_LAST;
	while (!rc && id != WATCH_SEL_LAST && *n < WATCH_SEL_BATCH) {
		rc = header(read, arg, id, &own, &next);
		if (rc)
			break;
		if (s->told++ > info->entries + WATCH_SEL_BATCH)
			return give_up(s);
		ids[(*n)++] = s->tail = own;
		id = next;
	}
	if (rc == -ENOENT) /* cleared meanwhile: the next look begins anew */
		rc = 0;
	else if (!rc)
		s->caught_up = id == WATCH_SEL_LAST;
	return rc;
}

void watch_sel_done(struct watch_sel *s, unsigned int id)
{
	s->last = (uint16_t)id;
}

/* A system event that began: neither a maker's own form of record nor the end of an event. */
static bool may_tell(const uint8_t record[16], size_t len)
{
	return len == 16 && record[2] == 0x02 && !(record[12] & 0x80);
}

int watch_sel_past(struct watch_sel *s, watch_sel_read *read, void *arg, unsigned int ids[WATCH_SEL_BATCH],
		   unsigned int *n)
{
	const unsigned int most = WATCH_SEL_BATCH >> s->past_halved;
	unsigned int i;
	int rc = 0;

	*n = 0;
	for (i = 0; i < most && s->primed && s->past != WATCH_SEL_LAST; i++) {
		uint8_t record[16] = { 0 };
		uint16_t id, next = WATCH_SEL_LAST;
		size_t len = 0;

		rc = read(arg, s->past, record, &len, &next);
		id = (uint16_t)(record[0] | record[1] << 8);
		if (!rc && (len < 2 || s->past_read++ > s->seen.entries + WATCH_SEL_BATCH))
			rc = -EPROTO;
		s->past = rc || id == s->past_last ? WATCH_SEL_LAST : next;
		if (rc)
			break;
		if (may_tell(record, len))
			ids[(*n)++] = id;
	}
	return rc == -ENOENT ? 0 : rc;
}

void watch_sel_past_slow(struct watch_sel *s)
{
	if (WATCH_SEL_BATCH >> s->past_halved > 1)
		s->past_halved++;
}

bool watch_sel_past_read(const struct watch_sel *s)
{
	return s->primed && s->past == WATCH_SEL_LAST;
}

bool watch_sel_all_read(const struct watch_sel *s)
{
	return watch_sel_past_read(s) && s->caught_up && s->last == s->tail;
}

int64_t watch_sel_age(uint64_t at, uint64_t now)
{
	const uint64_t set = 0x20000000, none = 0xffffffff; /* IPMI 2.0, 37.1 */

	if (at < set || at == none || now < set || now == none || at > now)
		return -1;
	return (int64_t)(now - at);
}

bool watch_sel_full(const struct watch_sel_info *info)
{
	/* FFFFh: 64 KiB or more */
	return info->overflow || info->free_space < 16;
}
