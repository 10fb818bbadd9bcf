/* SPDX-License-Identifier: GPL-2.0-only */
/* struct engine_message as bytes: the payload of RECORD_MESSAGE, and what is multicast over CPG. */
#ifndef KEMARI_WIRE_MESSAGE_H
#define KEMARI_WIRE_MESSAGE_H

#include "engine/engine.h"

/* type, role, le16 0, le32 node, uuid, le64 g, session, epoch, nonce */
#define MESSAGE_BYTES 56

void message_encode(const struct engine_message *m, uint8_t out[MESSAGE_BYTES]);
/* Checks length, type, role and reserved; 0, or -EBADMSG and why (RECORD_WHY_MAX bytes). */
int message_decode(const void *bytes, size_t len, struct engine_message *m, char *why);

#endif /* KEMARI_WIRE_MESSAGE_H */
