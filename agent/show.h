/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon answers, as a person reads it.  Fields that are missing or of a wrong type show as "-".
 */
#ifndef KEMARI_AGENT_SHOW_H
#define KEMARI_AGENT_SHOW_H

#include <stdio.h>

#include <jansson.h>

/* The table of kemari status, and below it a line per VM that has a reason to give. */
void show_status(FILE *out, const json_t *rows);
/* Lines of the story. */
/* Of rows with them: the taps on their channels. */
void show_taps(FILE *out, const json_t *rows);
void show_story(FILE *out, const json_t *rows);
/* One line, without the newline. */
void show_progress(FILE *out, const json_t *progress);

#endif /* KEMARI_AGENT_SHOW_H */
