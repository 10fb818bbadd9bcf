/* SPDX-License-Identifier: GPL-2.0-only */
/* Steps: daemons and hosts that die and come back. */
#include "cts-tests/sim/step.h"

/* choice: after so many actions; the next event of this host is its last. */
bool step_crash(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h) || w->fault.armed)
		return false;
	w->fault.armed = true;
	w->fault.whole_host = false;
	w->fault.host = h;
	w->fault.after = choice;
	return true;
}

bool step_die(struct world *w, unsigned int h, unsigned int choice)
{
	if (!step_crash(w, h, choice))
		return false;
	w->fault.whole_host = true;
	return true;
}

bool step_kill(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h))
		return false;
	host_daemon_dies(w, h);
	return true;
}

bool step_off(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].on)
		return false;
	w->copy_may_end = true;
	host_off(w, h);
	return true;
}

bool step_restart(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].on || up(w, h))
		return false;
	host_restart(w, h);
	return true;
}

bool step_boot(struct world *w, unsigned int h, unsigned int choice)
{
	if (w->host[h].on)
		return false;
	host_boot(w, h);
	return true;
}
