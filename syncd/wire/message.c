/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/message.h"

#include <errno.h>
#include <stdio.h>

#include "le.h"
#include "wire/record.h"

void message_encode(const struct engine_message *m, uint8_t out[MESSAGE_BYTES])
{
	out[0] = m->type;
	out[1] = m->role;
	put_le16(out + 2, 0);
	put_le32(out + 4, m->node);
	memcpy(out + 8, m->uuid, sizeof(m->uuid));
	put_le64(out + 24, m->g);
	put_le64(out + 32, m->session);
	put_le64(out + 40, m->epoch);
	put_le64(out + 48, m->nonce);
}

int message_decode(const void *bytes, size_t len, struct engine_message *m, char *why)
{
	const uint8_t *in = bytes;

	if (len != MESSAGE_BYTES) {
		snprintf(why, RECORD_WHY_MAX, "MESSAGE record of %zu bytes, must be %d", len, MESSAGE_BYTES);
		return -EBADMSG;
	}
	if (!in[0] || in[0] > ENGINE_MSG_MAX || in[1] > ENGINE_OWNER || get_le16(in + 2)) {
		snprintf(why, RECORD_WHY_MAX, "MESSAGE record with type %u, role %u", in[0], in[1]);
		return -EBADMSG;
	}
	*m = (struct engine_message){
		.type = in[0],
		.role = in[1],
		.node = get_le32(in + 4),
		.g = get_le64(in + 24),
		.session = get_le64(in + 32),
		.epoch = get_le64(in + 40),
		.nonce = get_le64(in + 48),
	};
	memcpy(m->uuid, in + 8, sizeof(m->uuid));
	return 0;
}
