/* SPDX-License-Identifier: GPL-2.0-only */
#include "syncd/control/recent.h"

static const char *const names[RECENT_FIELDS] = {
	[RECENT_PAUSE_US] = "pause_us",	    [RECENT_STOP_US] = "stop_us",
	[RECENT_STATE_US] = "state_us",	    [RECENT_CONTEXT_US] = "context_us",
	[RECENT_HARVEST_US] = "harvest_us", [RECENT_DEVICES_US] = "devices_us",
	[RECENT_COPY_US] = "copy_us",	    [RECENT_COMMIT_US] = "commit_us",
	[RECENT_DIRTY] = "dirty",	    [RECENT_HOT] = "hot",
	[RECENT_PAGES] = "pages",	    [RECENT_BYTES] = "bytes",
};

static uint32_t microseconds(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void recent_captured(struct recent *r, const struct recent_epoch *e)
{
	r->e[r->epochs++ % RECENT_MAX] = *e;
}

void recent_committed(struct recent *r, uint64_t epoch, uint64_t now_ns)
{
	for (uint64_t i = r->epochs; i > 0 && i + RECENT_MAX > r->epochs; i--) {
		struct recent_epoch *e = &r->e[(i - 1) % RECENT_MAX];

		if (e->epoch > epoch)
			continue;
		if (e->value[RECENT_COMMIT_US])
			break;
		e->value[RECENT_COMMIT_US] = microseconds(e->at_ns, now_ns);
	}
}

void recent_sent(struct recent *r, uint64_t epoch, uint32_t bytes)
{
	for (uint64_t i = r->epochs; i > 0 && i + RECENT_MAX > r->epochs; i--) {
		struct recent_epoch *e = &r->e[(i - 1) % RECENT_MAX];

		if (e->epoch == epoch)
			e->value[RECENT_BYTES] = bytes;
		if (e->epoch <= epoch)
			break;
	}
}

void recent_held(struct recent *r, unsigned int kind, uint64_t epoch, uint64_t now_ns)
{
	uint32_t i = (r->first_held + r->nr_held) % RECENT_HELD;

	if (r->nr_held == RECENT_HELD)
		return;
	r->held[i].epoch = epoch;
	r->held[i].ns = now_ns;
	r->held[i].kind = kind;
	r->nr_held++;
}

void recent_released(struct recent *r, uint64_t epoch, uint64_t now_ns)
{
	while (r->nr_held && r->held[r->first_held].epoch <= epoch) {
		uint32_t i = r->first_held, kind = r->held[i].kind;

		r->released[kind].us[r->released[kind].nr++ % RECENT_MAX] =
			microseconds(r->held[i].ns, now_ns);
		r->first_held = (i + 1) % RECENT_HELD;
		r->nr_held--;
	}
}

void recent_discarded(struct recent *r, uint64_t epoch)
{
	while (r->nr_held && r->held[(r->first_held + r->nr_held - 1) % RECENT_HELD].epoch > epoch)
		r->nr_held--;
}

static json_t *field_names(void)
{
	json_t *a = json_pack("[s, s]", "epoch", "at_us");

	for (unsigned int i = 0; i < RECENT_FIELDS; i++)
		json_array_append_new(a, json_string(names[i]));
	return a;
}

static json_t *epoch_row(const struct recent_epoch *e)
{
	json_t *a = json_pack("[I, I]", (json_int_t)e->epoch, (json_int_t)(e->at_ns / 1000));

	for (unsigned int i = 0; i < RECENT_FIELDS; i++)
		json_array_append_new(a, json_integer(e->value[i]));
	return a;
}

static uint64_t first_kept(uint64_t nr)
{
	return nr > RECENT_MAX ? nr - RECENT_MAX : 0;
}

json_t *recent_json(const struct recent *r, const char *const kinds[RECENT_KINDS])
{
	json_t *epochs = json_array(), *held = json_object();

	for (uint64_t i = first_kept(r->epochs); i < r->epochs; i++)
		json_array_append_new(epochs, epoch_row(&r->e[i % RECENT_MAX]));
	for (unsigned int k = 0; k < RECENT_KINDS; k++) {
		json_t *last = json_array();
		uint64_t nr = r->released[k].nr;

		for (uint64_t i = first_kept(nr); i < nr; i++)
			json_array_append_new(last, json_integer(r->released[k].us[i % RECENT_MAX]));
		json_object_set_new(held, kinds[k],
				    json_pack("{s:I, s:o}", "nr", (json_int_t)nr, "last", last));
	}
	return json_pack("{s:o, s:o, s:o}", "fields", field_names(), "epochs", epochs, "held_us", held);
}
