/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbloop.h>
#include <xenctrl.h>

#include "hvop.h"
#include "ring/guest_xen.h"
#include "transport/transport.h"
#include "vm.h"
#include "wire/pack.h"
#include "wire/writer.h"

#define BULK_BYTES (1U << 20)
#define BULK_RETRY_NS 1000000ULL
/* An epoch that is shorter has hardly a whole page. */
#define PACK_BYTES (64U << 10)
/* How often the guest is looked at between epochs; when it has written much the bell says so. */
#define POLL_BUSY_NS (200ULL * 1000000)
#define POLL_IDLE_NS (1000ULL * 1000000)
/* A capture is as good as a look for so long. */
#define POLL_FRESH_NS (5ULL * 1000000)
/* A guest that used less CPU since its last epoch only ticked: it is idle and costs no epoch. */
#define IDLE_CPU_NS (5ULL * 1000000)
/* A stop that a person may ask about. */
#define LONG_STOP_NS (100ULL * 1000000)

/* ---- captures --------------------------------------------------------------------------------------------
 */

static void poll_guest(void *arg);

static void poll_in(struct vm *vm, uint64_t ns)
{
	vm_timer_start(vm, &vm->poll, QB_LOOP_LOW, ns, poll_guest);
}

/* While the guest runs, so that no capture has to. */
static void read_tree_ahead(struct vm *vm)
{
	const void *page = capture_page(vm->capture, vm->mem->store_gfn);

	if (page && !vm->stopped)
		guest_tree_refresh(vm->tree, page);
}

/* It has written next to nothing since. */
static bool captured_just_now(const struct vm *vm)
{
	unsigned int i = (unsigned int)(vm->last_captured % ENGINE_MAX_FLIGHT);

	return vm->last_captured && vm->captured[i].epoch == vm->last_captured &&
	       monotonic_ns() - vm->captured[i].ns < POLL_FRESH_NS;
}

/* As long as max_epoch_ms at most, or an epoch would become longer. */
static uint64_t period(const struct vm *vm, bool busy)
{
	uint64_t ns = busy ? POLL_BUSY_NS : POLL_IDLE_NS, most = vm->engine.cfg.max_epoch_ns;

	return ns < most ? ns : most;
}

static void look(struct vm *vm)
{
	struct engine_event ev = { .type = ENGINE_EV_DIRTY };
	uint64_t limit = engine_dirty_limit(&vm->engine), cpu_time;
	bool much;

	read_tree_ahead(vm);
	ev.pages = capture_dirty(vm->capture, limit);
	if (captured_just_now(vm)) {
		vm->cpu_polled = vm->cpu_captured;
		poll_in(vm, period(vm, true));
		return;
	}
	much = ev.pages >= limit;
	cpu_time = capture_cpu_time(vm->capture);
	ev.flag = much || cpu_time - vm->cpu_captured > IDLE_CPU_NS;
	poll_in(vm, period(vm, much || cpu_time - vm->cpu_polled > IDLE_CPU_NS));
	vm->cpu_polled = cpu_time;
	vm_event(vm, &ev);
}

static void poll_guest(void *arg)
{
	struct vm *vm = arg;

	vm->poll = 0;
	vm_busy(vm);
	if (vm->capture)
		look(vm);
	vm_idle(vm);
}

void vm_look_at_dirty(struct vm *vm)
{
	struct engine_event ev = { .type = ENGINE_EV_DIRTY, .flag = true };
	uint64_t limit = engine_dirty_limit(&vm->engine);

	if (!vm->capture)
		return;
	ev.pages = capture_dirty(vm->capture, limit);
	if (ev.pages >= limit)
		vm_event(vm, &ev);
}

/* It may be in the middle of writing. */
static void much_is_dirty(void *arg)
{
	vm_look_at_dirty(arg);
}

int vm_tree_open(struct vm *vm)
{
	return vm->tree ? 0 : guest_tree_open(vm->d->xs, vm->d->wire, vm->domid, vm->rec.name, &vm->tree);
}

int vm_capture_open(struct vm *vm, bool promoted)
{
	struct daemon *d = vm->d;
	struct capture_cfg cfg = {
		.vm = vm->rec.name,
		.run_dir = d->cfg.run_dir,
		.domid = vm->domid,
		.hv = d->hv,
		.xc = d->xc,
		.memory_kb = vm->rec.memory_kb,
		.store_gfn = vm->mem->store_gfn,
		.console_gfn = vm->mem->console_gfn,
		.area = d->cfg.mode == KEM_MODE_ASYNC,
		.epoch_bytes = vm_epoch_bytes(d),
		.buffers = d->cfg.max_in_flight + 1,
		.promoted = promoted,
	};
	int rc;

	if (vm->capture)
		return 0;
	rc = vm_ram_open(vm);
	if (rc)
		return rc;
	cfg.ram = vm->ram;
	cfg.mem = memfile_region(vm->file, "unsent", &cfg.mem_len);
	rc = vm_tree_open(vm);
	if (rc)
		return rc;
	rc = guest_xen_bell(vm->guest, much_is_dirty, vm);
	if (rc < 0) {
		kem_vm_err(vm->rec.name, "no event channel for its dirty pages: %s", strerror(-rc));
		return rc;
	}
	cfg.bell = (uint32_t)rc;
	rc = capture_open(&cfg, &vm->capture);
	if (rc) {
		vm->guest->ops->unbind(vm->guest, (int)cfg.bell);
		return rc;
	}
	vm->bell = (int)cfg.bell;
	poll_in(vm, POLL_BUSY_NS);
	return 0;
}

void vm_capture_close(struct vm *vm, bool keep)
{
	vm_bulk_stop(vm);
	if (vm->capture)
		vm->guest->ops->unbind(vm->guest, vm->bell);
	capture_close(vm->capture, keep);
	vm->capture = NULL;
	memset(vm->sending, 0, sizeof(vm->sending));
}

static void remember_times(struct vm *vm, const struct capture_epoch *e, uint64_t now)
{
	const struct capture_times *t = &e->times;
	const struct recent_epoch row = {
		.epoch = e->epoch,
		.at_ns = now,
		.value = {
			[RECENT_PAUSE_US] = (uint32_t)(vm->stats.pause_ns / 1000),
			[RECENT_STOP_US] = (uint32_t)(t->stop / 1000),
			[RECENT_STATE_US] = (uint32_t)(t->state / 1000),
			[RECENT_CONTEXT_US] = (uint32_t)(t->context / 1000),
			[RECENT_HARVEST_US] = (uint32_t)(t->harvest / 1000),
			[RECENT_DEVICES_US] = (uint32_t)(t->devices / 1000),
			[RECENT_COPY_US] = (uint32_t)(t->copy / 1000),
			[RECENT_DIRTY] = (uint32_t)e->dirty,
			[RECENT_HOT] = (uint32_t)e->hot,
			[RECENT_PAGES] = (uint32_t)e->pages,
		},
	};

	recent_captured(&vm->recent, &row);
}

static void remember(struct vm *vm, struct capture_epoch *e, uint64_t now)
{
	unsigned int i = (unsigned int)(e->epoch % ENGINE_MAX_FLIGHT);
	struct vm_stats *s = &vm->stats;

	vm->last_captured = e->epoch;
	vm->sending[i] = e;
	vm->captured[i].epoch = e->epoch;
	vm->captured[i].ns = now;
	s->captures++;
	s->pages = e->pages;
	s->dirty = e->dirty;
	s->hot = e->hot;
	s->times = e->times;
	s->pause_ns = e->paused ? e->paused : now - vm->stop_ns;
	s->sum_pause_ns += s->pause_ns;
	s->sum_pages += e->pages;
	remember_times(vm, e, now);
}

static void explain_long_stop(const struct vm *vm, const struct capture_epoch *e)
{
	const struct capture_times *t = &e->times;

	if (vm->stats.pause_ns > LONG_STOP_NS)
		kem_vm_info(vm->rec.name,
			    "epoch %llu stopped the guest for %llu ms (stop %llu, state %llu, context %llu, "
			    "harvest %llu, devices and xenstore %llu, copy of %llu pages %llu)",
			    (unsigned long long)e->epoch, (unsigned long long)vm->stats.pause_ns / 1000000,
			    (unsigned long long)t->stop / 1000000, (unsigned long long)t->state / 1000000,
			    (unsigned long long)t->context / 1000000,
			    (unsigned long long)t->harvest / 1000000,
			    (unsigned long long)t->devices / 1000000, (unsigned long long)e->pages,
			    (unsigned long long)t->copy / 1000000);
}

/* Of those in a row the 1st, 2nd, 4th ... is told. */
static void explain_failure(struct vm *vm, uint64_t epoch, int rc)
{
	vm->failed++;
	if (!(vm->failed & (vm->failed - 1)))
		kem_vm_warn(vm->rec.name, "epoch %llu could not be captured (%u in a row): %s",
			    (unsigned long long)epoch, vm->failed, strerror(-rc));
}

/* -EAGAIN: a running guest is in an interrupt handler. */
static int stop_outside_handler(struct vm *vm)
{
	int rc;

	if (vm->stopped || engine_role(&vm->engine) != ENGINE_OWNER)
		return vm_guest_stop(vm);
	vm->stop_ns = monotonic_ns();
	rc = capture_stop(vm->capture);
	vm->stopped = !rc;
	return rc;
}

static int take_epoch(struct vm *vm, struct capture_request *rq, struct capture_epoch **e)
{
	int rc = 0;

	if (!vm->capture)
		return -EIO;
	if (vm->stopped || engine_role(&vm->engine) != ENGINE_OWNER)
		rc = vm_guest_stop(vm);
	else
		vm->stop_ns = monotonic_ns();
	if (rc)
		return rc;
	/* epochs after base did not count: their pages go with this one */
	if (rq->base != vm->last_captured)
		capture_lost(vm->capture);
	rq->stopped = vm->stopped;
	rq->anywhere = vm_taps_stopped(vm);
	rc = capture_take(vm->capture, rq, e);
	vm->stopped = rq->stopped;
	return rc;
}

/* What Xen has taken; or, should there be something that it has no copy of, an epoch of a guest that is
 * stopped for it. */
static int take_fired(struct vm *vm, struct capture_request *rq, struct capture_epoch **e)
{
	int rc = -ESTALE;

	vm->fired = false;
	if (!vm->capture)
		return -EIO;
	if (rq->base == vm->last_captured && !vm->stopped) {
		rq->fired = true;
		rc = capture_take(vm->capture, rq, e);
		rq->fired = false;
	}
	if (rc)
		rc = take_epoch(vm, rq, e);
	else
		vm->stats.fired++;
	vm_catch_up(vm, rc ? 0 : rq->epoch);
	return rc;
}

void vm_capture(struct vm *vm, uint64_t epoch, uint64_t base)
{
	struct capture_request rq = {
		.g = engine_generation(&vm->engine),
		.epoch = epoch,
		.base = base,
		.devices = vm->devices,
		.nr_devices = vm->nr_devices,
		.tree = vm->tree,
		.verify = vm_verify_wants(vm),
	};
	struct engine_event ev = { .type = ENGINE_EV_CAPTURE_FAILED, .epoch = epoch };
	struct capture_epoch *e;
	int rc;

	if (vm->dead_seen)
		return; /* nothing to capture any more; GUEST_DEAD is on its way */
	rc = vm->fired ? take_fired(vm, &rq, &e) : take_epoch(vm, &rq, &e);
	if (!rc) {
		vm->failed = 0;
		remember(vm, e, monotonic_ns());
		explain_long_stop(vm, e);
		vm->cpu_captured = e->cpu;
		ev.type = ENGINE_EV_CAPTURED;
		ev.pages = e->pages;
		vm_verify_take(vm, epoch);
	} else if (rc == -ENOBUFS) {
		/* more than staging takes, and it only grows: the engine has the copy made anew */
		ev.type = ENGINE_EV_CAPTURED;
		ev.pages = UINT64_MAX;
	} else if (rc != -EAGAIN) {
		explain_failure(vm, epoch, rc);
	}
	vm_event(vm, &ev);
	if (rc)
		vm_look_at_dirty(vm); /* what was harvested for nothing is in Xen's count no more */
}

static void on_sent(void *arg, bool sent)
{
	struct capture_epoch *e = arg;
	struct vm *vm = e->owner;
	struct engine_event ev = { .type = ENGINE_EV_SENT, .epoch = e->epoch };

	capture_sent(vm->capture, e);
	if (sent)
		vm_event(vm, &ev);
}

static void remember_sent(struct vm *vm, const struct capture_epoch *e)
{
	vm->stats.bytes = e->len;
	vm->stats.sum_bytes += e->len;
	recent_sent(&vm->recent, e->epoch, (uint32_t)e->len);
}

void vm_send_epoch(struct vm *vm, uint64_t epoch)
{
	unsigned int i = (unsigned int)(epoch % ENGINE_MAX_FLIGHT);
	struct capture_epoch *e = vm->sending[i];
	int rc = -ENOTCONN;

	if (!e || e->epoch != epoch)
		return;
	vm->sending[i] = NULL;
	e->owner = vm;
	if (link_up(vm)) {
		if (e->len >= PACK_BYTES)
			e->len = pack_records(&vm->packer, e->buf, e->len, conn_link_rate(link_conn(vm)));
		record_seal(e->buf, e->len, link_session(vm));
		rc = conn_push(link_conn(vm), e->buf, e->len, on_sent, e);
		if (rc >= 0)
			vm_verify_send(vm, epoch);
	}
	if (rc >= 0)
		remember_sent(vm, e);
	if (rc > 0)
		on_sent(e, true);
	else if (rc)
		capture_sent(vm->capture, e);
}

void vm_sends_lost(struct vm *vm)
{
	for (unsigned int i = 0; i < ENGINE_MAX_FLIGHT; i++) {
		if (vm->sending[i])
			capture_sent(vm->capture, vm->sending[i]);
		vm->sending[i] = NULL;
	}
	if (vm->capture)
		capture_lost(vm->capture);
}

void vm_committed(struct vm *vm)
{
	uint64_t n = engine_committed(&vm->engine);
	unsigned int i = (unsigned int)(n % ENGINE_MAX_FLIGHT);

	if (!vm->capture || n == vm->committed)
		return;
	vm->committed = n;
	capture_acked(vm->capture, n);
	if (vm->captured[i].epoch == n)
		vm->stats.commit_ns = monotonic_ns() - vm->captured[i].ns;
	recent_committed(&vm->recent, n, monotonic_ns());
}

/* ---- bulk copy
 * --------------------------------------------------------------------------------------------- */

static void progress(struct vm *vm)
{
	const struct capture_bulk *b = capture_bulk_state(vm->capture);
	uint64_t ns = monotonic_ns() - vm->bulk_started_ns;
	struct control_copy row = {
		.phase = "copying",
		.round = b->round,
		.bytes = b->sent * RAM_PAGE_SIZE,
		.left_bytes = b->left * RAM_PAGE_SIZE,
		.rate = ns ? (uint64_t)((unsigned __int128)b->sent * RAM_PAGE_SIZE * 1000000000U / ns) : 0,
	};

	vm_request_progress(vm, CONTROL_PROTECT, control_copy_row(&row));
}

/* The engine waits for BULK_DONE of a copy that cannot be: both sides begin again with a new link. */
static void bulk_failed(struct vm *vm, int err)
{
	vm_tell(vm, "the guest's memory cannot be copied: %s", strerror(-err));
	vm_request_fail(vm, CONTROL_PROTECT, -err, "the guest's memory cannot be copied",
			"see the log of kemari-syncd; it is tried again");
	vm_bulk_stop(vm);
	vm->refusals++;
	link_again(vm);
}

static void bulk_mapped(struct vm *vm, int err)
{
	if (!link_up(vm) || engine_protection(&vm->engine) != ENGINE_SYNCING)
		return;
	if (err)
		bulk_failed(vm, err);
	else
		vm_bulk_start(vm);
}

void vm_bulk_start(struct vm *vm)
{
	int rc;

	if (vm->dead_seen || vm->ready) { /* the guest is being made anew */
		vm->shared = false;
		link_again(vm);
		return;
	}
	if (!vm->ram) {
		rc = vm_ram_begin(vm, VM_PIECE_NS, bulk_mapped);
		if (rc)
			bulk_failed(vm, rc);
		return; /* it comes back */
	}
	rc = vm->shared ? vm_capture_open(vm, false) : vm_share_start(vm);
	if (!rc && !vm->shared)
		return; /* here, too */
	vm->shared = false;
	if (!rc)
		rc = vm_staging_open(vm);
	if (!rc && !vm->bulk_buf && !(vm->bulk_buf = malloc(BULK_BYTES)))
		rc = -ENOMEM;
	if (!rc)
		rc = capture_bulk_begin(vm->capture);
	if (rc) {
		bulk_failed(vm, rc);
		return;
	}
	vm->bulk = true;
	vm->bulk_started_ns = monotonic_ns();
	courtesy_begin(&vm->courtesy);
	link_send_record(vm, RECORD_BULK_BEGIN, NULL, 0);
	vm_bulk_pump(vm);
}

void vm_bulk_stop(struct vm *vm)
{
	vm_share_stop(vm);
	vm_timer_stop(vm, &vm->bulk_again);
	vm->bulk = false;
	if (vm->bulk_stopped && engine_role(&vm->engine) == ENGINE_OWNER)
		vm_guest_go(vm);
	vm->bulk_stopped = false;
	if (vm->bulk_sending)
		return; /* the buffer is freed when the transport has done with it */
	free(vm->bulk_buf);
	vm->bulk_buf = NULL;
}

static void pump_again(void *arg)
{
	struct vm *vm = arg;

	vm->bulk_again = 0;
	vm_bulk_pump(vm);
}

/* Nobody waits for this copy, but it may take all that there is of a CPU. */
static void next_after_others(struct vm *vm)
{
	uint64_t pause = courtesy_pause(&vm->courtesy);

	if (pause)
		vm_timer_start(vm, &vm->bulk_again, QB_LOOP_LOW, pause, pump_again);
	else
		vm_bulk_pump(vm);
}

static void on_bulk_sent(void *arg, bool sent)
{
	struct vm *vm = arg;

	vm->bulk_sending = false;
	if (sent && vm->bulk)
		next_after_others(vm);
	else if (!vm->bulk && !vm->share)
		vm_bulk_stop(vm);
}

/* Of a guest that writes faster than the link carries the last round is taken while it stands still. */
static int stand_still(struct vm *vm)
{
	const struct capture_bulk *b = capture_bulk_state(vm->capture);
	int rc;

	if (!b->outrun)
		return 0;
	rc = stop_outside_handler(vm);
	if (rc || vm->bulk_stopped)
		return rc;
	vm->bulk_stopped = true;
	vm_tell(vm,
		"the guest writes its memory faster than it can be copied: it stands still while the last "
		"%llu "
		"MiB go",
		(unsigned long long)b->left * RAM_PAGE_SIZE >> 20);
	return 0;
}

static int next_pages(struct vm *vm, struct record_writer *w)
{
	int rc;

	do {
		rc = stand_still(vm);
		if (!rc)
			rc = capture_bulk_next(vm->capture, w);
	} while (rc == 1 && !w->len);
	return rc;
}

void vm_bulk_pump(struct vm *vm)
{
	struct record_writer w;
	bool more;
	int rc;

	if (!vm->bulk || vm->bulk_sending || !link_up(vm))
		return;
	record_writer_init(&w, vm->bulk_buf, BULK_BYTES);
	rc = next_pages(vm, &w);
	if (rc == -EAGAIN) {
		vm_timer_start(vm, &vm->bulk_again, QB_LOOP_LOW, BULK_RETRY_NS, pump_again);
		return;
	}
	if (rc < 0) {
		bulk_failed(vm, rc);
		return;
	}
	progress(vm);
	more = rc == 1;
	if (w.len) {
		w.len = pack_records(&vm->packer, vm->bulk_buf, w.len, conn_link_rate(link_conn(vm)));
		record_seal(vm->bulk_buf, w.len, link_session(vm));
		rc = conn_send(link_conn(vm), vm->bulk_buf, w.len, on_bulk_sent, vm);
		if (rc) {
			bulk_failed(vm, rc);
			return;
		}
		vm->bulk_sending = true;
	}
	if (more)
		return;
	vm->bulk = false;
	vm_event_type(vm, ENGINE_EV_BULK_DONE);
}
