/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One protected VM on this host, whichever role it has: the engine in the middle, and the rooms that carry
 * out what it decides.
 *
 *   vm.c       life of the object, the event pump, status
 *   reopen.c   those that an earlier daemon left
 *   action.c   one function for each action of the engine
 *   device.c   its backends, their xenstore side, what they ask of the VM
 *   domain.c   making the domain with kemari-domain, stop and go
 *   memory.c   mapping its memory
 *   owner.c    captures, the bulk copy, dirty polling
 *   standby.c  shell, image, promotion, turning a former primary into a standby
 *   link.c     the connection to the peer: hello, records, reconnect
 *   share.c    whether both hosts see the same disks
 *   verify.c   comparing both copies
 *   request.c  requests of the control server
 *   death.c    what becomes of a guest that ends by itself
 *   status.c   what is shown of it, and to whom
 *   relay.c    messages to the peer's engine by way of the cluster
 *   resource*.c what the cluster manager asks
 *   await.c    its promote before the copy is whole
 *
 * Internal to syncd/vm; daemon-wide entry points are in vm/vms.h.
 */
#ifndef KEMARI_VM_VM_H
#define KEMARI_VM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "apply/image.h"
#include "apply/ram.h"
#include "apply/staging.h"
#include "capture/capture.h"
#include "control/control.h"
#include "control/recent.h"
#include "control/story.h"
#include "courtesy.h"
#include "daemon.h"
#include "device.h"
#include "domain/cpu.h"
#include "domain/domain_helper.h"
#include "domain/record.h"
#include "engine/engine.h"
#include "later.h"
#include "log.h"
#include "memfile.h"
#include "monotonic.h"
#include "persist.h"
#include "wire/pack.h"
#include "xenstore/console_take.h"
#include "xenstore/tree.h"
#include "xenstore/xendev.h"

#define VM_MAX_DEVICES (VM_MAX_DISKS + VM_MAX_NICS + 1)
#define VM_EVENTS 64
#define VM_RECEIVED 16
#define VM_REQUESTS 8
/* Between two pieces of a long work that the loop does beside its own. */
#define VM_PIECE_NS 1000000ULL

/* Facts that must outlive the daemon; region "vm" of the memory file. */
#define VM_MEM_VERSION 6
struct vm_mem {
	uint32_t version;
	uint32_t domid;
	uint64_t store_gfn, console_gfn;
	uint32_t store_port, console_port;
	uint64_t running_g;	/* the guest has run here as this generation */
	uint64_t disks_from_ns; /* CLOCK_MONOTONIC: no I/O before, a dead host's writes may still arrive */
	/* When (CLOCK_MONOTONIC) an epoch was staged here: its guest's clocks go on from there. */
	struct {
		uint64_t epoch, ns;
	} received[VM_RECEIVED];
	uint32_t next_received;
	uint32_t record_len;
	uint32_t is_shell; /* the domain holds a copy, or is for one: it can be started from an image only */
	uint32_t by_hand;  /* an operator has unprotected it: nobody else is to protect it again */
	uint64_t hold_g;   /* of the domain's hold in the hypervisor: it only grows, and so it does here */
	uint32_t making;   /* kemari-domain is at work on the domain; without its result that is half a one */
	char peer[KEM_CONFIG_STR]; /* host name or address of the other copy, "": none */
	char record[VM_RECORD_MAX];
};

/* Pages where the standby's domain has no RAM: shared_info, grant frames, what else a guest may have. */
#define VM_SPECIAL_PAGES 256

/* Of region "image": its size and its use must agree. */
static inline struct image_cfg vm_image_cfg(const struct vm_record *rec)
{
	return (struct image_cfg){ .max_special = VM_SPECIAL_PAGES + rec->nr_disks * DEVICE_MAX_PAGES };
}

enum vm_device_kind { VM_CONSOLE, VM_DISK, VM_NIC };

struct vm_device {
	struct vm *vm;
	enum vm_device_kind kind;
	unsigned int index; /* of disk[] or nic[] in the record */
	struct device *dev;
	struct xendev *x; /* NULL: the console */
	void *mem;	  /* region of the memory file */
	size_t mem_len;
	bool connected;
	bool quiesced;
	bool closing;	   /* by its guest */
	char trouble[256]; /* what the host fails it in, "": nothing */
	struct later_item stop;
};

struct vm_request {
	struct control_client *client; /* NULL: free */
	uint32_t id;		       /* .request of the engine */
	enum control_op op;
	uint64_t started_ns;
};

/* Times and sizes of the last epoch, for status and the benchmark. */
struct vm_stats {
	uint64_t fired; /* captures that Xen took by itself */
	uint64_t captures, pause_ns, commit_ns, pages, bytes, dirty, hot;
	struct capture_times times;
	uint64_t sum_pause_ns, sum_pages, sum_bytes;
};

struct vm {
	struct daemon *d;
	struct vm *next;
	struct vm_record rec;
	struct memfile *file;
	struct vm_mem *mem;
	struct persist engine_store;
	struct engine engine;
	struct story *story;
	char state[64]; /* last one told to the story */

	/* event pump */
	struct engine_event event[VM_EVENTS];
	unsigned int first_event, nr_events;
	bool pumping;
	bool doomed;	/* to be freed when the pump is at rest */
	uint64_t timer; /* qb handle of the engine's deadline, 0: none */

	/* the domain */
	uint32_t domid; /* 0: none here */
	bool stopped;	/* our pause on it */
	uint64_t stop_ns;
	struct guest *guest;
	struct ram *ram;
	struct ram *ram_new; /* being mapped */
	uint64_t ram_timer;  /* qb handle */
	uint64_t ram_pause_ns;
	void (*ram_ready)(struct vm *vm, int err);
	const struct ram_ops *ram_ops;
	void *ram_arg;
	struct xendev_bus *bus;
	struct guest_tree *tree;
	struct console_take *take;
	struct domain_helper *helper;
	void (*ready)(struct vm *vm, int err, const char *why); /* of vm_domain_make */
	struct creation *creation;				/* the request that makes it */
	bool shell;						/* what vm_domain_make makes */
	bool dead_seen;						/* its end is being dealt with */
	bool preserved;						/* it ended and its domain stays */
	bool foreign;						/* Xen has another domain of it */
	bool beside;						/* ... beside a guest or copy of ours */
	bool run_failed;					/* the engine's last RUN */
	bool suspended;						/* for xl save */
	bool restarting;					/* ... by making it anew */
	bool forget;   /* for an operator, once the engine's actions are done */
	bool ending;   /* gone for good: free the VM once the engine has done with it */
	bool stopping; /* the cluster manager ends it: it is not started again, whatever its configuration
			  says */

	struct device_host host;
	bool tapped;	/* its channels: what it says stops it, or fires an epoch */
	bool tap_fired; /* a tap may have stopped it */
	bool drains;	/* it ended, and something is owed to its disks */
	struct later_item drained;
	struct cpu_policy cpu; /* of the domain; no leaves: not read yet */
	struct vm_device device[VM_MAX_DEVICES];
	unsigned int nr_devices;
	struct device *devices[VM_MAX_DEVICES];

	unsigned int inside; /* vm_busy() without its vm_idle() */
	bool unsettled;	     /* vm_settle() has something to do */

	/* owner */
	struct capture *capture;
	bool fired;		/* the next epoch is there, Xen has taken it */
	uint64_t fired_ns;	/* when that was seen */
	struct vm_share *share; /* the disks are being compared with the peer's */
	bool shared;		/* ... and were, for the bulk copy that begins now */
	unsigned int failed;	/* captures in a row */
	bool peer_leaves;	/* it asked to be let go, since the last `kemari protect` */
	bool bulk;		/* a bulk copy is under way */
	uint64_t bulk_again;	/* qb handle: it waits, for the guest to leave a handler or for others */
	bool bulk_sending;
	bool bulk_stopped; /* the guest stands still for the last round, until vm_guest_go() */
	uint8_t *bulk_buf;
	uint64_t bulk_started_ns;
	struct courtesy courtesy;
	struct capture_epoch *sending[ENGINE_MAX_FLIGHT];
	struct {
		uint64_t epoch, ns;
	} captured[ENGINE_MAX_FLIGHT];
	uint64_t poll;			   /* qb handle of the dirty poll */
	uint64_t arm;			   /* qb handle: Xen may take epochs from then on */
	int bell;			   /* with capture: port raised when much is dirty */
	uint64_t cpu_captured, cpu_polled; /* CPU time of the guest at the last capture and poll */
	struct packer packer;
	uint64_t last_captured; /* epoch */
	uint64_t committed;	/* last one that capture was told */
	uint32_t verify_left;	/* epochs still to be verified */
	uint64_t verify_wanted, verify_done, verify_bad;
	uint64_t verify_epoch;
	char verify_why[256]; /* the first difference */
	uint8_t *verify_buf;
	size_t verify_len;

	/* standby */
	struct staging *staging;
	struct staging *staging_new; /* in the making */
	uint64_t staging_timer;	     /* qb handle */
	struct image *image;
	uint64_t started_from; /* epoch that the guest here went on from, promoted; 0: it did not */
	struct store_ring store;
	uint64_t tree_hash; /* of the xenstore block that the shell shows */
	struct tree shown;  /* that block; nr_nodes 0: not known */

	/* link */
	struct link *link;
	uint64_t grant_sent;   /* nonce of the GRANT that went out last */
	uint64_t reconnect;    /* qb handle */
	unsigned int refusals; /* since it was protected */
	bool initiator;
	uint64_t shell_timer;  /* qb handle */
	uint64_t off_later;    /* boot that is said to be off and goes on sending ... */
	uint64_t off_said_ns;  /* ... since then */
	uint64_t off_void;     /* boot that went on sending after it was said to be off */
	uint64_t off_heard_ns; /* when that was said last */
	uint64_t fenced_told;  /* boot of the peer's host whose fencing the story tells of */
	uint64_t peer_off; /* boot of the peer's host that was confirmed off since its last sign of life, 0:
			      none */

	struct vm_request request[VM_REQUESTS];
	uint32_t next_request;
	struct vm_stats stats;
	struct recent recent;
};

/* The largest epoch: while one is applied from the standby's staging area, the next one has room in it. */
size_t vm_epoch_bytes(const struct daemon *d);

/* ---- vm.c ---- */

/* A VM that this host did not know.  0 or a negative errno with one message. */
int vm_new(struct daemon *d, const char *record, size_t len, uint32_t domid, struct vm **out);
/*
 * What the memory file of that uuid says, of an earlier daemon.  *out is in no list and nothing acts upon it
 * before vm_reattach().  -ENOENT: there is none (any more; an earlier boot's is removed), -EBUSY without a
 * message: that daemon has not ended, or another negative errno of the file, which is left as it is.
 */
int vm_reopen(struct daemon *d, const uint8_t uuid[16], struct vm **out);
/* vm_ram_begin() has to have done its work before: it takes seconds. */
bool vm_reattach_needs_memory(const struct vm *vm);
/*
 * From here on it is a VM of this host.  It may have come to its end at once.  -EAGAIN: something of its host
 * is not ready yet; it was left.
 */
int vm_reattach(struct vm *vm);
/* Leaves it to a later daemon, or another vm_reopen(). */
void vm_leave(struct vm *vm);
/* No more attempts of vms_reopen(). */
void vms_reopen_stop(struct daemon *d);
/* Forgets it, memory file included; the domain is the caller's business. */
void vm_free(struct vm *vm);
/* Nothing of it is here: no domain, none in the making, no copy and nobody who brings one. */
static inline bool vm_is_bare(const struct vm *vm)
{
	return engine_role(&vm->engine) == ENGINE_NONE && !vm->guest && !vm->ready && !vm->helper &&
	       !vm->link && !vm->dead_seen;
}
/* As vm_free; destroys the shell that was made for it, too. */
void vm_free_shell(struct vm *vm);
/* The same in a while, unless its owner comes back for it. */
void vm_shell_waits(struct vm *vm);
struct vm *vm_find(struct daemon *d, const char *name);
struct vm *vm_find_uuid(struct daemon *d, const uint8_t uuid[16]);

/* Queues an event and, from outside of the pump, runs it. */
void vm_event(struct vm *vm, const struct engine_event *ev);
void vm_event_type(struct vm *vm, enum engine_event_type type);
/* What had to wait until nobody is inside: it may be the end of the VM. */
void vm_settle(struct vm *vm);
/* Timers of a VM; *timer is the qb handle, 0: not set.  start replaces one that is set. */
int vm_timer_start(struct vm *vm, uint64_t *timer, enum qb_loop_priority p, uint64_t ns,
		   void (*fn)(void *vm));
void vm_timer_stop(struct vm *vm, uint64_t *timer);
/* The settings that the engine of a VM with that uuid gets on this host. */
void vm_engine_settings(const struct daemon *d, const uint8_t uuid[16], struct engine_cfg *e);

/* ---- status.c ---- */

/* A line of the story. */
void vm_tell(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define VM_ROW_RECENT 1U /* with the last epochs */
#define VM_ROW_TAPS 2U	 /* with the taps on its channels */
/* parts: VM_ROW_* */
json_t *vm_status_row(const struct vm *vm, unsigned int parts);
/* To those who watch it. */
void vm_publish_status(const struct vm *vm);
const char *vm_role_name(const struct vm *vm);

/* ---- fire.c ---- */

/* The VM may be gone after the outermost vm_idle(). */
void vm_busy(struct vm *vm);
void vm_idle(struct vm *vm);
/* The epoch was captured of what had fired; 0: none was. */
void vm_catch_up(struct vm *vm, uint64_t epoch);

/* ---- taps.c ---- */

/* Of the guest that was opened just now. */
void vm_taps_watch(struct vm *vm);
/* After whatever may change what the guest waits for. */
void vm_taps_follow(struct vm *vm);
/* One of them has stopped the guest. */
bool vm_taps_stopped(const struct vm *vm);
json_t *vm_taps_rows(const struct vm *vm);

/* ---- action.c ---- */

void vm_act(struct vm *vm, const struct engine_action *a);

/* ---- device.c ---- */

/* Regions of the memory file for the record's devices, appended to defs. */
unsigned int vm_device_regions(const struct vm_record *rec, struct memfile_region_def *defs, unsigned int max,
			       char (*names)[MEMFILE_NAME_MAX]);
int vm_devices_open(struct vm *vm, enum xendev_mode mode);
/* Detaches from the rings, if attached, and closes everything. */
void vm_devices_close(struct vm *vm);
/* Attaches those that were connected, from their own memory. */
int vm_devices_reconnect(struct vm *vm);
/* Takes the devices' state out of the image and attaches to the rings in the restored memory. */
int vm_devices_promote(struct vm *vm);
/* Attaches to the console of a guest that was just made: it has no frontend that says when. */
int vm_console_connect(struct vm *vm);
void vm_devices_disconnect(struct vm *vm);
void vm_devices_passivate(struct vm *vm);
void vm_devices_quiesce(struct vm *vm);
void vm_devices_thaw(struct vm *vm);
void vm_devices_discard(struct vm *vm, uint64_t epoch);
void vm_devices_announce(struct vm *vm);
/* The standby's backend directories follow the device states in the image. */
void vm_devices_mirror(struct vm *vm);
void vm_devices_stopped_by_toolstack(struct vm *vm);

/* outputs.c */
void vm_devices_release(struct vm *vm, uint64_t epoch);
/* Something that the guest was told is done is still to be done. */
bool vm_device_owes(const struct vm_device *vd);
bool vm_devices_owe(const struct vm *vm);
/* What this host has of the guest is a copy now. */
void vm_devices_forget_end(struct vm *vm);
/* device_host_ops.must_hold, .settled */
bool vm_outputs_must_hold(const struct vm *vm, const struct device *dev);
void vm_outputs_settled(struct vm *vm);

/* ---- domain.c ---- */

/*
 * Makes the domain with kemari-domain ("create" or "shell"), takes its console, opens devices; vm->ready when
 * done.
 */
/*
 * A command of kemari-domain that takes the record and the domid; its result goes to fn(vm).  tied: it ends
 * with this daemon, for the next one begins anew with the domain and must be alone with it.
 */
int vm_helper_run(struct vm *vm, const char *command, bool tied, unsigned int timeout_ms,
		  domain_helper_fn fn);
int vm_domain_make(struct vm *vm, bool shell, void (*ready)(struct vm *vm, int err, const char *why));
/* The console is ours, with another pty than before: tells xl console. */
int vm_console_retake(struct vm *vm);
void vm_domain_close(struct vm *vm); /* unmaps (vm_ram_drop()) and unbinds everything of it */
struct xc_dominfo;
/* What Xen says of it.  False: it is not there. */
bool vm_domain_info(const struct vm *vm, struct xc_dominfo *info);
/* It runs no more: it ended, or suspended. */
bool vm_domain_is_down(const struct xc_dominfo *info);
/*
 * The hypervisor's hold: with it the guest does not run whatever xl does, until vm_domain_run().  For g and
 * each generation before, of this incarnation of the guest or another.
 */
int vm_domain_hold(struct vm *vm, uint64_t g);
int vm_domain_run(struct vm *vm);
int vm_guest_stop(struct vm *vm); /* outside of its interrupt handlers, if it leaves them soon */
int vm_guest_go(struct vm *vm);
int vm_guest_unpause_all(struct vm *vm);
/* Its peer is answered when it is there. */
bool vm_shell_in_the_making(const struct vm *vm);

/* ---- memory.c ---- */

/*
 * Its memory: begin maps it piece by piece from the loop, with a pause between two (the loop has its turn in
 * any case), then calls fn if there is one; open does what is left of that, and fn is not called.
 */
int vm_ram_begin(struct vm *vm, uint64_t pause_ns, void (*fn)(struct vm *vm, int err));
int vm_ram_open(struct vm *vm);
/* Nobody looks at it any more.  It is unmapped piece by piece as well: until then its domain cannot die. */
void vm_ram_drop(struct vm *vm);

/* ---- owner.c ---- */

int vm_tree_open(struct vm *vm);
/* promoted: what is here is what the peer has, and has not run since. */
int vm_capture_open(struct vm *vm, bool promoted);
void vm_capture_close(struct vm *vm, bool keep);
void vm_capture(struct vm *vm, uint64_t epoch, uint64_t base);
/* The engine hears of it if so much is dirty that the next epoch is due; and Xen, when to say so. */
void vm_look_at_dirty(struct vm *vm);
void vm_send_epoch(struct vm *vm, uint64_t epoch);
void vm_bulk_start(struct vm *vm);
void vm_bulk_stop(struct vm *vm);
void vm_bulk_pump(struct vm *vm); /* more may be sent */
void vm_committed(struct vm *vm);
void vm_sends_lost(struct vm *vm); /* the link is down */

/* ---- standby.c ---- */

/*
 * The staging file, made ahead on the primary, too: zeroing it would count into a switchover. begin makes it
 * piece by piece from the loop; open does what is left of that.
 */
int vm_staging_begin(struct vm *vm);
int vm_staging_open(struct vm *vm);
void vm_staging_close(struct vm *vm, bool keep);
int vm_standby_open(struct vm *vm);
/* The staging file stays. */
void vm_standby_close(struct vm *vm);
void vm_applied(struct vm *vm); /* an epoch is in the image */
void vm_staged(struct vm *vm, const struct staged_epoch *e);
/* ENGINE_ACT_RUN and ENGINE_ACT_HOLD. */
int vm_run(struct vm *vm, uint64_t g, uint64_t epoch);
int vm_hold(struct vm *vm, uint64_t g);
void vm_drop_copy(struct vm *vm);

/* ---- link.c ---- */

struct link;

void link_connect(struct vm *vm);
void link_close(struct vm *vm);
/* Ends the connection; the side that made it makes another one in a while. */
void link_again(struct vm *vm);
/* The engine's session on it is over; the connection stays. */
void link_end_session(struct vm *vm);
/* The VM is not protected any more: no connection, and none is sought. */
void link_leave(struct vm *vm);
/* An owner without a session on its connection asks for one. */
void link_offer(struct vm *vm);
bool link_up(const struct vm *vm);
/*
 * The peer's host, in that boot, is off: a connection that has not noticed yet ends.  False: the connection
 * is with another boot of it, so the news is old.
 */
bool link_end_of_boot(struct vm *vm, uint64_t boot);
struct conn *link_conn(const struct vm *vm);
uint64_t link_session(const struct vm *vm);
/* False: there is no connection. */
bool link_send_message(struct vm *vm, const struct engine_message *m);
void link_send_record(struct vm *vm, uint16_t type, const void *payload, size_t len);
void link_apply(struct vm *vm);	   /* staged epochs wait: apply them from the loop */
int link_apply_all(struct vm *vm); /* ... now */
/* The standby is ready for the peer: WELCOME. */
void link_welcome(struct vm *vm, int err, const char *why);
/* Staging and image came or went. */
void link_attach(struct vm *vm);

/* ---- verify.c ---- */

bool vm_verify_wants(const struct vm *vm);
/* The guest is stopped at this epoch, which has just been captured. */
void vm_verify_take(struct vm *vm, uint64_t epoch);
void vm_verify_send(struct vm *vm, uint64_t epoch);
int vm_verify_result(struct vm *vm, const uint8_t *text, uint32_t len, char *why);

/* ---- share.c ---- */

/*
 * Compares all disks with the peer's; then vm->shared is set and vm_bulk_start() called again.  A disk that
 * is not the same ends the attempt, with the reason for both sides.  0, or a negative errno: not begun.
 */
int vm_share_start(struct vm *vm);
void vm_share_stop(struct vm *vm);
int vm_share_ask(struct vm *vm, const uint8_t *payload, uint32_t len, char *why);
int vm_share_answer(struct vm *vm, const uint8_t *payload, uint32_t len, char *why);

/* ---- request.c ---- */

uint64_t vm_incarnation(void); /* random, not 0 */
/* The peer's host, in that boot, is confirmed off. */
void vm_peer_off(struct vm *vm, uint64_t boot);

void vm_result(struct vm *vm, uint32_t id, enum engine_result result);
void vm_request_progress(struct vm *vm, enum control_op op, json_t *progress);
void vm_request_done(struct vm *vm, enum control_op op);
void vm_request_done_with(struct vm *vm, enum control_op op, json_t *extra);
void vm_request_fail(struct vm *vm, enum control_op op, int code, const char *why, const char *fix);
bool vm_request_waits(const struct vm *vm, enum control_op op);
/* Hands ev to the engine; its result answers c. */
void vm_command(struct vm *vm, struct control_client *c, enum control_op op, struct engine_event ev);

/* ---- forget.c ---- */

/* last_copy: the operator knows what it may be.  Answers c when its domain is gone. */
void vm_forget(struct vm *vm, struct control_client *c, bool last_copy);
void vm_forget_result(struct vm *vm, enum engine_result result);
/* The engine has dropped it: destroys the domain.  May free the VM. */
void vm_forgotten(struct vm *vm);
/* error: its domain is still there; NULL: it is not. */
void vm_forget_done(struct vm *vm, const char *error);

/* ---- foreign.c ---- */

#define VM_BESIDE "Xen has another domain of it, which is not Kemari's: both use its disk, destroy that one"
/* Tells the engine of a VM that holds nothing whether Xen runs its guest all the same, made by somebody else.
 */
void vm_look_for_foreign(struct vm *vm);

/* ---- death.c ---- */

void vm_check_death(struct vm *vm);
/* arg: a VM whose guest ended, and nothing is owed to its disks any more. */
void vm_drained(void *arg);
bool vm_domain_is_there(const struct vm *vm);
/* Its domain is made and started; the owner needs no further word. */
int vm_boot(struct vm *vm);
/* Ends it, for good.  May free the VM. */
void vm_destroy(struct vm *vm);
/* An earlier daemon did not see its domain ready.  May free the VM. */
void vm_make_anew(struct vm *vm);
/* It is not, and nobody here ended it.  May free the VM. */
void vm_vanished(struct vm *vm);

#endif /* KEMARI_VM_VM_H */
