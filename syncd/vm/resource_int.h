/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to syncd/vm/resource*.c. */
#ifndef KEMARI_VM_RESOURCE_INT_H
#define KEMARI_VM_RESOURCE_INT_H

#include "await.h"
#include "resource.h"
#include "vm.h"

/* What takes more than one call of the engine.  One at a time for each resource; the newer one wins. */
enum resource_task {
	TASK_NONE,
	TASK_PROMOTE,  /* until the guest runs */
	TASK_SETTLE,   /* promoted: until its first output may leave */
	TASK_HANDOVER, /* stop: the engine decides what becomes of the guest */
	TASK_LEAVE,    /* stop: handed over; our copy goes when the owner has let us go */
	TASK_SHUTDOWN, /* stop: nobody else has it, the guest is asked to end */
	TASK_DEMOTE,   /* until an earlier daemon's VM is taken up */
};

struct resource {
	struct resource *next;
	struct daemon *d;
	char name[CONTROL_VM_MAX];
	char config[CONTROL_PATH_MAX];
	struct vm_record rec;
	bool promoted;
	uint64_t unlinked_ns; /* a monitor found its copy without a link, first; 0: it has one */

	enum resource_task task;
	struct control_client *client; /* who waits for it; NULL: nobody */
	bool asked;		       /* the engine has a command of the task */
	bool begun;	    /* PROMOTE: the guest was to run here; SHUTDOWN: its domain is being destroyed */
	struct await await; /* PROMOTE: a copy that is being made */
	uint64_t until, half_at, kill_at; /* CLOCK_MONOTONIC, ns */
	uint64_t timer;			  /* qb handle */
};

/* ---- resource.c ---- */

struct resource *resource_find(const struct daemon *d, const char *name);
/* 0 or a negative errno with one message. */
int resource_save(const struct resource *r);
/* Forgets it, its file, too. */
void resource_drop(struct resource *r);
/* Holds the guest, if it is here; answers c. */
void resource_hold(struct resource *r, struct vm *vm, struct control_client *c);
/* Takes in a record; -EINVAL and why (256 bytes). */
int resource_set_record(struct resource *r, const char *record, char *why);

/* ---- resource_start.c ---- */

void resource_start(struct daemon *d, struct control_client *c, const struct control_request *req);

/* ---- resource_task.c ---- */

/* The one other host of kemari.conf; NULL: none, or several. */
const char *resource_other_host(const struct daemon *d);
void resource_demote(struct resource *r, struct control_client *c);
void resource_promote(struct resource *r, struct control_client *c, uint32_t timeout);
void resource_stop(struct resource *r, struct control_client *c, uint32_t timeout);
/* Ends the task that is under way, if any; its client is told. */
void resource_task_cancel(struct resource *r, const char *why);

#endif /* KEMARI_VM_RESOURCE_INT_H */
