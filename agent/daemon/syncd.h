/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kemari-syncd of this host, over its control socket: its table of VMs as it changes, the messages that it
 * wants multicast, and the orders it gets.  Connections: one that watches the status, one that watches the
 * relay, one for short requests, one after the other, and one per protect command, which takes minutes.  Each
 * is made again every second.
 */
#ifndef KEMARI_AGENT_DAEMON_SYNCD_H
#define KEMARI_AGENT_DAEMON_SYNCD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/message.h"
#include "agent/daemon/row.h"

#define SYNCD_QUEUE 64	  /* short requests that wait */
#define SYNCD_PROTECTS 16 /* under way at once */
/* A daemon that restarts is back before; then its guests' scores are not worth anything any more. */
#define SYNCD_GONE_NS 12000000000ULL
/* One that holds the connection but does not answer: a busy host's gets more patience. */
#define SYNCD_SILENT_NS 20000000000ULL

struct qb_loop;
struct syncd;

struct syncd_ops {
	void (*table)(void *arg); /* came, or is not to be relied upon any more */
	void (*relay)(void *arg, const struct message_engine *e);
	/* The protect command is done. why: NULL when it went well. */
	void (*protected)(void *arg, const char *vm, const char *host, const char *why);
};

/* path: of the control socket.  0 or a negative errno. */
int syncd_open(struct qb_loop *loop, const char *path, const struct syncd_ops *ops, void *arg,
	       struct syncd **out);
void syncd_close(struct syncd *s); /* NULL ok */

/* Whether it has told its table and still can be taken to be there. */
bool syncd_known(const struct syncd *s);
/* The last table, nr rows. */
const struct vm_row *syncd_table(const struct syncd *s, unsigned int *nr);

/* host, in that boot, is off. */
void syncd_host_off(struct syncd *s, const char *host, uint64_t boot);
/* ... was fenced, for the stories of its guests; why: "asked for by ...".  False: it was not taken. */
bool syncd_host_fenced(struct syncd *s, const char *host, uint64_t boot, const char *why);
/* A message of another host's kemari-syncd. */
void syncd_message(struct syncd *s, const char *from, const uint8_t *data, size_t len);
/* That host's messages are not to be passed on any more, if they still wait. */
void syncd_forget(struct syncd *s, const char *from);
/* -EBUSY: too many at once, or a negative errno; 0: protected() will be called. */
int syncd_protect(struct syncd *s, const char *vm, const char *host);

#endif /* KEMARI_AGENT_DAEMON_SYNCD_H */
