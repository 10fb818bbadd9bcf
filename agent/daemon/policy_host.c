/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/policy_host.h"

#include <stddef.h>
#include <string.h>

/* ---- sick, but connected ---- */

static bool owns(const struct vm_row *theirs)
{
	return theirs->role == ROW_PRIMARY || theirs->role == ROW_HELD || theirs->running;
}

/* Both sides say that the copy here is that guest's, whole and kept up to date. */
static bool copy_here(const struct policy_self *self, const char *host, const struct vm_row *theirs)
{
	const struct vm_row *own = row_find(self->row, self->nr, theirs->vm);

	return theirs->protection == ROW_PROTECTED && own && own->role == ROW_STANDBY && own->started &&
	       own->linked && !strcmp(own->peer, host);
}

static const char *why_not(const struct policy_self *self, const struct policy_sick *in, const char **vm)
{
	unsigned int i;

	if (self->red)
		return "this host's health is bad, too";
	if (!self->quorate)
		return "there is no quorum";
	if (!self->syncd)
		return "kemari-syncd does not answer";
	if (!in->complete)
		return "what it owns is not known";
	for (i = 0; i < in->nr; i++) {
		if (!owns(&in->row[i]))
			continue;
		*vm = in->row[i].vm;
		if (!copy_here(self, in->name, &in->row[i]))
			return "a guest of it has no protected copy here";
		if (in->futile)
			return "a copy of its guest could not run here, for no fencing of it would be a "
			       "proof";
	}
	*vm = NULL;
	return NULL;
}

void policy_sick(const struct policy_self *self, const struct policy_sick *in, struct policy_sick_output *out)
{
	memset(out, 0, sizeof(*out));
	/* one that is no member is Pacemaker's to fence */
	if (!in->asks || !in->member)
		return;
	out->why = why_not(self, in, &out->vm);
	out->fence = !out->why;
}

/* ---- its power after a fencing ---- */

/* A guest runs here that had its other copy there, whichever of the two it was. */
static bool used(const struct policy_self *self, const char *host)
{
	unsigned int i;

	for (i = 0; self->syncd && i < self->nr; i++)
		if (self->row[i].role == ROW_PRIMARY && self->row[i].running &&
		    !strcmp(self->row[i].peer, host))
			return true;
	return false;
}

enum policy_power policy_fenced(const struct policy_self *self, const struct policy_fenced *in,
				struct policy_fenced_memory *m, const char **why)
{
	*why = NULL;
	if (!in->off || in->settled || !self->quorate || !used(self, in->name)) {
		m->since_ns = 0;
		return POLICY_POWER_LATER;
	}
	if (!m->since_ns)
		m->since_ns = self->now_ns;
	if (self->now_ns - m->since_ns < POLICY_POWER_NS)
		return POLICY_POWER_LATER;
	if (!in->allowed)
		*why = "power_on_after_fence is no";
	else if (in->by_operator)
		*why = "an operator had it fenced, or said that it is off";
	else if (in->fault)
		*why = "its BMC told of a fault to fence it for";
	else if (in->held)
		*why = "its BMC told of a fault of its hardware in the life that was fenced";
	else if (in->log_unread && self->now_ns - m->since_ns < POLICY_POWER_LOG_NS)
		return POLICY_POWER_LATER; /* what else the BMC says may be of before the fencing, too */
	else if (in->powered)
		*why = "its BMC says that it is on already";
	return *why ? POLICY_POWER_NOT : POLICY_POWER_ON;
}
