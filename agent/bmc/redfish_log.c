/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/redfish_log.h"

#include <stdio.h>
#include <string.h>

#include "agent/bmc/redfish_parse.h"

/* FNV-1a, 64 bits: an entry that shares its hash with an old one by chance is overlooked. */
#define FNV_BEGIN 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static uint64_t mix(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
	return (hash ^ 0xff) * FNV_PRIME; /* "a" "b" is not "ab" "" */
}

static uint64_t hash_of(const json_t *entry)
{
	uint64_t hash = mix(FNV_BEGIN, watch_json_text(entry, "@odata.id"));

	hash = mix(hash, watch_json_text(entry, "Id"));
	hash = mix(hash, watch_json_text(entry, "Created"));
	/* where entries that say the same are one, it is that one which changes */
	hash = mix(hash, watch_json_text(entry, "Modified"));
	return mix(hash, watch_json_text(entry, "Message"));
}

static bool known(const struct watch_log *log, uint64_t hash)
{
	for (uint64_t i = 0; i < log->total && i < WATCH_LOG_SEEN; i++) {
		if (log->seen[i] == hash)
			return true;
	}
	return false;
}

void watch_log_begin(struct watch_log *log, json_int_t count, bool tail)
{
	log->shrunk = count < log->count;
	log->tail = tail;
	if (log->shrunk)
		log->total = 0; /* numbers, and so links, are used again */
	log->count = count;
	memcpy(log->limit, log->newest, sizeof(log->limit));
}

/* ISO 8601 in one zone: later is greater. */
static bool older(const struct watch_log *log, const char *created)
{
	int order = created ? strncmp(created, log->limit, WATCH_LOG_TIME - 1) : 1;

	return (log->tail && order < 0) || (log->shrunk && order <= 0);
}

bool watch_log_new(struct watch_log *log, const json_t *entry)
{
	const char *created = watch_json_text(entry, "Created");
	uint64_t hash = hash_of(entry);

	if (known(log, hash))
		return false;
	log->seen[log->total++ % WATCH_LOG_SEEN] = hash;
	if (created && strncmp(created, log->newest, WATCH_LOG_TIME - 1) > 0)
		snprintf(log->newest, sizeof(log->newest), "%s", created);
	return log->primed && !older(log, created);
}

void watch_log_unsee(struct watch_log *log)
{
	log->total--;
}

void watch_log_end(struct watch_log *log)
{
	log->primed = true;
}

json_int_t watch_log_count(const json_t *page)
{
	const json_t *count = json_object_get(page, "Members@odata.count");

	return json_is_integer(count) && json_integer_value(count) >= 0
		       ? json_integer_value(count)
		       : (json_int_t)json_array_size(json_object_get(page, "Members"));
}

int watch_log_order(const json_t *page)
{
	const json_t *members = json_object_get(page, "Members");
	const char *first = watch_json_text(json_array_get(members, 0), "Created");
	const char *last = watch_json_text(json_array_get(members, json_array_size(members) - 1), "Created");

	return first && last ? strcmp(first, last) : 0;
}
