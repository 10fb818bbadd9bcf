/* SPDX-License-Identifier: GPL-2.0-only */
/* What kemari-syncd answers, checked: rows of its status, rows of its relay, ends of requests. */
#ifndef KEMARI_AGENT_DAEMON_ANSWER_H
#define KEMARI_AGENT_DAEMON_ANSWER_H

#include <jansson.h>

#include "agent/daemon/message.h"
#include "agent/daemon/row.h"

#define ANSWER_WHY 256

enum answer_kind {
	ANSWER_MORE_ROWS, /* and further ones in the next packet */
	ANSWER_ROWS,	  /* the last packet of them */
	ANSWER_PROGRESS,
	ANSWER_OK,
	ANSWER_ERROR,
	ANSWER_NONSENSE,
};

enum answer_kind answer_kind(const json_t *answer);
/* Of an ANSWER_ERROR: its sentence. */
const char *answer_error(const json_t *answer);

/*
 * One row of status.  0, or -EBADMSG with why (ANSWER_WHY bytes) naming the key.  What an older kemari-syncd
 * does not tell (uuid, started, promoted, linked, running, needs, protection) is nothing.
 */
int answer_row(const json_t *row, struct vm_row *r, char *why);

/* The rows of an answer, appended to a table of ROW_MAX.  0; -EBADMSG, -E2BIG: some were left out, and why.
 */
int answer_rows(const json_t *answer, struct vm_row *table, unsigned int *nr, char *why);

/* One row of relay.  0, or -EBADMSG with why. */
int answer_relay(const json_t *row, struct message_engine *e, char *why);

/* 2 * len characters and a NUL. */
void answer_hex(const uint8_t *data, size_t len, char *out);

#endif /* KEMARI_AGENT_DAEMON_ANSWER_H */
