/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kemari-agents of a cluster tell each other: one CPG message of the group "kemari" each.
 *
 * A fixed little-endian header and a body.  A host's statement is HELLO, one VM per row, VMS_END: the rows of
 * a statement replace those of the one before as a whole, and count only if all of them came.
 *
 * Versions: another major is refused.  Of the same major, unknown types are ignored, and a body may be longer
 * than it is here if the minor is higher; fields are only ever appended.
 *
 * Everything here is display, scores and transport (ownership.md 6 and 40): the messages that decide about a
 * guest are the opaque bytes of ENGINE, which kemari-syncd makes and checks itself.
 */
#ifndef KEMARI_AGENT_DAEMON_MESSAGE_H
#define KEMARI_AGENT_DAEMON_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/daemon/row.h"

#define MESSAGE_MAJOR 1U
#define MESSAGE_MINOR 1U
#define MESSAGE_ENGINE_MAX 512
#define MESSAGE_VERSION_MAX 16
#define MESSAGE_MAX 1024 /* bytes of any message, future ones included */
#define MESSAGE_WHY 128

enum message_type {
	MESSAGE_HELLO = 1,   /* who the sender is: begins a statement */
	MESSAGE_VM = 2,	     /* a row of it */
	MESSAGE_VMS_END = 3, /* ends it */
	MESSAGE_ENGINE = 4,  /* of kemari-syncd, for another one */
};

struct message_hello {
	char host[ROW_HOST];
	char version[MESSAGE_VERSION_MAX]; /* of Kemari */
	uint8_t bmc_uuid[16];		   /* of the system, as its BMC names it; zeroes: not known */
	uint8_t red;			   /* 1: the host's health is bad */
	uint8_t second;			   /* 1: it does not shoot first (order.h) */
	uint32_t up_s;			   /* its host has been up for so long; 0 (minor 0): not known */
};

struct message_vms_end {
	uint32_t rows; /* of the statement */
	uint64_t view; /* of the group when the statement was made: group_view() */
};

struct message_engine {
	char to[ROW_HOST]; /* "": every host */
	uint32_t len;
	uint8_t data[MESSAGE_ENGINE_MAX];
};

struct message {
	uint16_t type;
	uint32_t nodeid; /* of the sender */
	uint64_t boot;	 /* boot_id_number() of its host, never 0 */
	uint64_t seq;	 /* counts the messages of one sender's life */
	union {
		struct message_hello hello;
		struct vm_row vm;
		struct message_vms_end end;
		struct message_engine engine;
	};
};

/* Returns the bytes written, or -EINVAL: a field that message_unpack() would refuse. */
long message_pack(const struct message *m, uint8_t out[MESSAGE_MAX]);

/*
 * sender: the node that CPG says it is from.  0; -ENOMSG: of a type that is not known here, to be ignored;
 * -EPROTO: of another major version; -EBADMSG: malformed.  why (MESSAGE_WHY bytes) says so unless 0.
 */
int message_unpack(const void *bytes, size_t len, uint32_t sender, struct message *m, char *why);

#endif /* KEMARI_AGENT_DAEMON_MESSAGE_H */
