/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults for the test of the verifier: one part of an epoch is left out on purpose.  Only in a daemon built
 * with `make faults` (KEMARI_FAULTS); in any other the hooks are empty functions of an empty struct, and
 * nothing of this is in the binary.
 *
 * The name of the fault is the content of RUN_DIR/fault, read at each capture; no such file or an empty one:
 * no fault.  With a name that it does not know the daemon says so and ends.
 *
 *   dirty-mark   one frame of each harvest is forgotten
 *   ring-page    the rings of disks and nics are not looked at
 *   grant-page   ... the frames of the grant table
 *   vcpu-info    ... shared_info and the pages of the registered vcpu_infos
 *   timer        the vCPUs' singleshot timers are not armed in the hidden state
 */
#ifndef KEMARI_CAPTURE_FAULT_H
#define KEMARI_CAPTURE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/pins.h"

#define FAULT_FILE "fault"

struct xen_kemari_state;

#ifdef KEMARI_FAULTS

enum fault_kind {
	FAULT_NONE,
	FAULT_DIRTY_MARK,
	FAULT_RING_PAGE,
	FAULT_GRANT_PAGE,
	FAULT_VCPU_INFO,
	FAULT_TIMER
};

struct fault {
	enum fault_kind kind;
	bool done; /* in this epoch */
};

/* 0, or -EINVAL: no such fault.  text need not end with a NUL. */
int fault_parse(const char *text, size_t len, enum fault_kind *kind);

/* A capture begins. */
void fault_begin(struct fault *f, const char *run_dir, const char *vm);
/* The i-th of nr frames that a harvest listed. */
bool fault_drops_mark(struct fault *f, uint32_t i, uint32_t nr);
/* A member of the hot list. */
bool fault_drops_page(const struct fault *f, const struct pins *pins, uint64_t frame);
/* s was just read and lies in a buffer of ours. */
void fault_spoil_state(const struct fault *f, const struct xen_kemari_state *s);

#else

struct fault {
};

static inline void fault_begin(struct fault *f, const char *run_dir, const char *vm)
{
}

static inline bool fault_drops_mark(struct fault *f, uint32_t i, uint32_t nr)
{
	return false;
}

static inline bool fault_drops_page(const struct fault *f, const struct pins *pins, uint64_t frame)
{
	return false;
}

static inline void fault_spoil_state(const struct fault *f, const struct xen_kemari_state *s)
{
}

#endif

#endif /* KEMARI_CAPTURE_FAULT_H */
