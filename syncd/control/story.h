/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The story of a VM on this host: every change of role or state, with epoch, reason and time, as `kemari log`
 * shows it.  JSON lines appended to LOG_DIR/VM.story, the last STORY_KEEP of them in memory as well.
 *
 * One line: {"time":"2026-01-31T12:00:00.123Z","vm":"vm1","role":"primary","state":"protected",
 *            "g":"0123456789abcdef","epoch":42,"reason":"standby xb holds a complete copy"}
 *
 * Not for the epoch path: an entry allocates and writes to a file.
 */
#ifndef KEMARI_CONTROL_STORY_H
#define KEMARI_CONTROL_STORY_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define STORY_KEEP 512
#define STORY_REASON_MAX 512 /* longer reasons are cut */

struct story;

/*
 * Opens or creates the file and reads back its last lines; lines that are not entries (a torn last one) are
 * skipped. dir is made if it is missing.  Returns 0 or a negative errno with one message logged.
 */
int story_open(const char *dir, const char *vm, struct story **out);
void story_close(struct story *s);

/* Called for each new entry, entry borrowed (for control_publish). */
void story_on_entry(struct story *s, void (*fn)(void *ctx, const char *vm, json_t *entry), void *ctx);

/* A file that cannot be written is reported once; the entry stays in memory. */
void story_add(struct story *s, const char *role, const char *state, uint64_t g, uint64_t epoch,
	       const char *reason, ...) __attribute__((format(printf, 6, 7)));

/* A new array of all entries in memory, oldest first. */
json_t *story_rows(const struct story *s);

#endif /* KEMARI_CONTROL_STORY_H */
