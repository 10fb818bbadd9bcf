/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/attrd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/daemon/helper.h"
#include "log.h"

#define COMMAND_MS 5000
#define RETRY_MS 1000

enum order_type { ORDER_SET, ORDER_THERE, ORDER_AWAY, ORDER_REASSERT };

struct order {
	enum order_type type;
	unsigned int dampen_s;
	char name[ATTRD_NAME];
	char value[ATTRD_VALUE];
};

/* ---- the helper ---- */

struct attribute {
	char name[ATTRD_NAME], value[ATTRD_VALUE];
	unsigned int dampen_s;
	bool dirty;
};

struct updater {
	int fd;
	bool there, refresh, failing;
	unsigned int nr, next; /* next: where to look first, so that each has its turn */
	struct attribute a[ATTRD_MAX];
};

/* Its place, a new one, or that of one that is deleted already; NULL: no room. */
static struct attribute *place(struct updater *u, const char *name)
{
	struct attribute *deleted = NULL;
	unsigned int i;

	for (i = 0; i < u->nr; i++) {
		if (!strcmp(u->a[i].name, name))
			return &u->a[i];
		if (!u->a[i].value[0] && !u->a[i].dirty)
			deleted = &u->a[i];
	}
	return deleted || u->nr == ATTRD_MAX ? deleted : &u->a[u->nr++];
}

static void set(struct updater *u, const struct order *o)
{
	struct attribute *a = place(u, o->name);

	if (!a)
		return;
	memcpy(a->name, o->name, sizeof(a->name));
	memcpy(a->value, o->value, sizeof(a->value));
	a->dampen_s = o->dampen_s;
	a->dirty = true;
}

static void take(struct updater *u, const struct order *o)
{
	unsigned int i;

	switch (o->type) {
	case ORDER_SET:
		set(u, o);
		break;
	case ORDER_REASSERT:
		for (i = 0; i < u->nr; i++)
			u->a[i].dirty = true;
		u->refresh = true;
		break;
	default:
		u->there = o->type == ORDER_THERE;
	}
}

/* Takes all orders that came; waits for one up to wait_ms (-1: for ever).  False: the daemon is gone. */
static bool take_orders(struct updater *u, int wait_ms)
{
	struct pollfd p = { .fd = u->fd, .events = POLLIN };
	struct order o;
	ssize_t n;

	if (poll(&p, 1, wait_ms) <= 0)
		return true;
	while ((n = recv(u->fd, &o, sizeof(o), MSG_DONTWAIT)) > 0)
		if ((size_t)n == sizeof(o))
			take(u, &o);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Those first that Pacemaker decides by, then those for people, each in its turn. */
static struct attribute *next_dirty(struct updater *u)
{
	struct attribute *found = NULL;
	unsigned int i, at = 0;

	for (i = 0; i < u->nr; i++) {
		const unsigned int k = (u->next + i) % u->nr;

		if (!u->a[k].dirty || (found && (!found->dampen_s || u->a[k].dampen_s)))
			continue;
		found = &u->a[k];
		at = k;
	}
	if (found)
		u->next = (at + 1) % u->nr;
	return found;
}

static int update(const struct attribute *a)
{
	char dampen[16];
	const char *const set_argv[] = { "attrd_updater", "-n", a->name, "-B", a->value, "-d", dampen, NULL };
	const char *const del_argv[] = { "attrd_updater", "-n", a->name, "-D", NULL };

	snprintf(dampen, sizeof(dampen), "%us", a->dampen_s);
	return helper_command(a->value[0] ? set_argv : del_argv, COMMAND_MS, NULL, 0);
}

static int refresh(void)
{
	static const char *const argv[] = { "attrd_updater", "-R", NULL };

	return helper_command(argv, COMMAND_MS, NULL, 0);
}

/* One command.  0: done, 1: there is nothing to do, or a negative errno or exit status: it failed. */
static int step(struct updater *u)
{
	struct attribute *a = u->refresh ? NULL : next_dirty(u);
	int rc;

	/* first what is mostly enough */
	if (u->refresh) {
		rc = refresh();
		u->refresh = rc != 0;
	} else if (a) {
		rc = update(a);
		a->dirty = rc != 0;
	} else {
		return 1;
	}
	if (rc && !u->failing)
		kem_warn("Pacemaker does not take node attributes (attrd_updater%s%s: %s %d); trying again",
			 a ? " -n " : " -R", a ? a->name : "", rc < 0 ? "error" : "status",
			 rc < 0 ? -rc : rc);
	else if (!rc && u->failing)
		kem_info("Pacemaker takes node attributes again");
	u->failing = rc;
	return rc ? -EAGAIN : 0;
}

static int run_updater(int fd, const void *conf)
{
	struct updater *u = calloc(1, sizeof(*u));
	int wait_ms = -1, rc;

	if (!u)
		return 1;
	u->fd = fd;
	while (take_orders(u, wait_ms)) {
		rc = u->there ? step(u) : 1;
		wait_ms = rc == 1 ? -1 : rc ? RETRY_MS : 0;
	}
	free(u);
	return 0;
}

/* ---- the daemon's side ---- */

struct attrd {
	struct helper *helper;
	void (*gone)(void *arg);
	void *arg;
	bool there;
};

static void on_gone(void *arg)
{
	struct attrd *a = arg;

	a->gone(a->arg);
}

static const struct helper_ops ops = { .run = run_updater, .gone = on_gone };

int attrd_start(void (*gone)(void *arg), void *arg, struct attrd **out)
{
	struct attrd *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	a->gone = gone;
	a->arg = arg;
	rc = helper_start("kemari-attrd", &ops, NULL, a, &a->helper);
	if (rc) {
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

int attrd_listen(struct attrd *a, struct qb_loop *loop)
{
	return helper_listen(a->helper, loop);
}

void attrd_stop(struct attrd *a)
{
	if (!a)
		return;
	helper_stop(a->helper);
	free(a);
}

int attrd_there(struct attrd *a, bool there)
{
	const struct order o = { .type = there ? ORDER_THERE : ORDER_AWAY };
	int rc = 0;

	if (a->there != there)
		rc = helper_send(a->helper, &o, sizeof(o));
	if (!rc)
		a->there = there;
	return rc;
}

int attrd_set(struct attrd *a, const char *name, const char *value, unsigned int dampen_s)
{
	struct order o = { .type = ORDER_SET, .dampen_s = dampen_s };

	snprintf(o.name, sizeof(o.name), "%s", name);
	snprintf(o.value, sizeof(o.value), "%s", value);
	return helper_send(a->helper, &o, sizeof(o));
}

int attrd_reassert(struct attrd *a)
{
	const struct order o = { .type = ORDER_REASSERT };

	return helper_send(a->helper, &o, sizeof(o));
}
