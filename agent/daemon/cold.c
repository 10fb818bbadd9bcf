/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/cold.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3))) refuse(struct cold *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
	c->step = COLD_REFUSED;
}

static void __attribute__((format(printf, 2, 3))) advise(struct cold *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->fix, sizeof(c->fix), fmt, ap);
	va_end(ap);
}

/* ---- what is here ---- */

static bool here(const struct policy_input *in, const char *vm, struct cold *c)
{
	const struct vm_row *row = in->row;

	if (!in->syncd) {
		refuse(c,
		       "kemari-syncd does not answer here: whether it has a guest or a copy of %s is not "
		       "known",
		       vm);
		advise(c, "systemctl status kemari-syncd; try again when it runs");
		return true;
	}
	if (!row || (row->role == ROW_NONE && !row->running))
		return false;
	if (row->role == ROW_STANDBY) {
		refuse(c, "a copy of %s is here: to boot from the disk would lose what it has", vm);
		advise(c,
		       "kemari promote %s --primary-is-off continues the guest from it, once the other host "
		       "is "
		       "off; a copy that is not wanted goes with kemari forget %s",
		       vm, vm);
	} else if (row->role == ROW_HELD) {
		refuse(c, "%s is held here, stopped: to boot it from its disk would lose it", vm);
		advise(c, "it goes on when Pacemaker promotes it: crm_mon -1A tells what keeps it from that");
	} else {
		refuse(c, "%s runs here already", vm);
		advise(c, "kemari status %s", vm);
	}
	return true;
}

/* ---- what others have ---- */

static const char *has(const struct vm_row *row)
{
	if (row->role == ROW_STANDBY)
		return "a copy of it";
	return row->role == ROW_HELD ? "the guest, held" : "the guest";
}

static bool had_something(const struct policy_host *h)
{
	return h->row && (h->row->role != ROW_NONE || h->row->running);
}

static void member(const struct policy_host *h, const char *vm, struct cold *c)
{
	if (!h->complete) {
		refuse(c, "%s is a member of the cluster and has not said yet what it has of %s", h->name,
		       vm);
		advise(c, "wait some seconds and try again; if it stays so look at kemari-agent and "
			  "kemari-syncd "
			  "there");
		return;
	}
	refuse(c, "%s, a member of the cluster, has %s", h->name, has(h->row));
	advise(c, "%s",
	       h->row->role == ROW_STANDBY
		       ? "a copy is promoted where it is, it is never passed over for the disk"
		       : "move it here with kemari switchover, there");
}

static void may_have(const struct policy_host *h, const char *vm, struct cold *c)
{
	if (had_something(h))
		refuse(c,
		       "%s is no member of the cluster, and what it said last is that it has %s: it is not "
		       "fenced for a cold start, which would lose that",
		       h->name, has(h->row));
	else
		refuse(c,
		       "%s is no member of the cluster but was since this host booted, and what it has of "
		       "%s is not known here: it is not fenced for a cold start, which could lose that",
		       h->name, vm);
}

/* Who left in good order, or whose agent is gone, may run it still: to fence it would be the guest's end. */
static void absent(const struct policy_host *h, const char *vm, bool word, struct cold *c)
{
	c->host = h->name;
	c->step = COLD_ABSENT;
	if (word || (!had_something(h) && !h->unsaid))
		return;
	may_have(h, vm, c);
	advise(c,
	       "if it is dead the cluster fences it by itself; if it cannot, make sure that it has no power, "
	       "then: "
	       "kemari cold-start %s --peer-is-off",
	       vm);
}

/* ---- nobody has anything ---- */

static const struct policy_host *first_off(const struct policy_input *in)
{
	unsigned int i;

	for (i = 0; i < in->nr_hosts; i++)
		if (in->host[i].off)
			return &in->host[i];
	return NULL;
}

/* The quorum is lifted by the operator, never by this: he knows of the other guests and resources, too. */
static void without_quorum(const char *off, const char *vm, bool word, struct cold *c)
{
	int n = (int)strlen(c->text);

	n += snprintf(
		c->text + n, sizeof(c->text) - (size_t)n,
		"This host has no quorum, so Pacemaker starts nothing yet, and kemari does not change that.\n"
		"If `corosync-quorumtool -s` has the flag WaitForAll, it waits for %s since its boot. As "
		"long "
		"as %s\nstays off you can end that, on this host:\n"
		"  corosync-cmapctl -s quorum.cancel_wait_for_all u8 1\n"
		"If Pacemaker does not know by then that %s is off, it fences it itself before it starts "
		"anything",
		off, off, off);
	if (word)
		n += snprintf(
			c->text + n, sizeof(c->text) - (size_t)n,
			"; where its devices cannot, it wants your word, too:\n  stonith_admin --confirm %s",
			off);
	snprintf(c->text + n, sizeof(c->text) - (size_t)n, "\nand %s boots from its disk.", vm);
}

static void clear(const struct policy_input *in, const char *vm, bool word, struct cold *c)
{
	const struct policy_host *off = first_off(in);

	c->step = COLD_CLEAR;
	snprintf(c->text, sizeof(c->text), "No host has anything of %s%s%s%s.\n", vm, off ? ": " : "",
		 off ? off->name : "",
		 !off	? ""
		 : word ? " is off, by your word"
			: " is proven off");
	if (!in->quorate) {
		without_quorum(off ? off->name : "the other host", vm, word, c);
		return;
	}
	snprintf(c->text + strlen(c->text), sizeof(c->text) - strlen(c->text),
		 in->row && in->row->started
			 ? "Pacemaker boots it from its disk: crm_mon -1A"
			 : "It is not started here: Pacemaker starts it, then boots it from its "
			   "disk: crm_mon -1A");
}

void cold_judge(const struct policy_input *in, const char *vm, bool word, struct cold *c)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	if (here(in, vm, c))
		return;
	if (!in->nodeid || !in->nr_hosts) {
		refuse(c,
		       in->nodeid
			       ? "no other host is known: whose being off would be a proof?"
			       : "corosync does not run here: who is a member of the cluster is not known");
		advise(c, in->nodeid ? "kemari.conf names all hosts, one `host NAME ADDRESS` line each"
				     : "systemctl start corosync; it does not need the other host for that");
		return;
	}
	for (i = 0; i < in->nr_hosts; i++)
		if (in->host[i].member && !policy_has_nothing(&in->host[i])) {
			member(&in->host[i], vm, c);
			return;
		}
	for (i = 0; i < in->nr_hosts; i++)
		if (!policy_has_nothing(&in->host[i])) {
			absent(&in->host[i], vm, word, c);
			return;
		}
	clear(in, vm, word, c);
}
