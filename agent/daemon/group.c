/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/group.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>
#include <qb/qbloop.h>

#include "log.h"

#define GROUP_NAME "kemari"
#define CONNECT_NS QB_TIME_NS_IN_SEC
#define AGAIN_NS (50 * QB_TIME_NS_IN_MSEC)
#define SEND_BATCH 32

struct group {
	struct qb_loop *loop;
	const struct group_ops *ops;
	void *arg;
	cpg_handle_t cpg;
	bool open;   /* cpg is valid */
	bool joined; /* and we are in */
	bool told;   /* that corosync is away */
	bool broken; /* an error within a callback: the connection is to be closed */
	int fd;	     /* -1: not on the loop */
	uint32_t nodeid;
	qb_loop_timer_handle connect_timer, send_timer;
	unsigned int first, nr; /* of the queue */
	struct {
		uint16_t len;
		uint8_t bytes[MESSAGE_MAX];
	} queue[GROUP_QUEUE];
};

static void reconnect(void *arg);
static void flush(void *arg);

static void arm(struct group *g, qb_loop_timer_handle *t, uint64_t ns, void (*fn)(void *))
{
	if (!qb_loop_timer_is_running(g->loop, *t))
		qb_loop_timer_add(g->loop, QB_LOOP_MED, ns, g, fn, t);
}

static void disconnect(struct group *g)
{
	bool was = g->joined;

	if (g->fd >= 0)
		qb_loop_poll_del(g->loop, g->fd);
	g->fd = -1;
	if (g->open)
		cpg_finalize(g->cpg);
	g->open = g->joined = g->broken = false;
	g->nodeid = 0;
	g->nr = g->first = 0;
	qb_loop_timer_del(g->loop, g->send_timer);
	if (was)
		g->ops->lost(g->arg);
}

/* Corosync is away, or will not have us: try again in a second. */
static void away(struct group *g, const char *what, cs_error_t err)
{
	if (!g->told)
		kem_warn("corosync: %s: %s; waiting for it", what, cs_strerror(err));
	g->told = true;
	disconnect(g);
	arm(g, &g->connect_timer, CONNECT_NS, reconnect);
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t nodeid, uint32_t pid,
		       void *bytes, size_t len)
{
	void *ctx = NULL;
	struct group *g;

	if (cpg_context_get(handle, &ctx) != CS_OK || !ctx)
		return;
	g = ctx;
	if (g->joined)
		g->ops->deliver(g->arg, nodeid, bytes, len);
}

static void take_members(const struct cpg_address *a, size_t nr, struct group_change *c)
{
	size_t i;

	for (i = 0; i < nr && c->nr < GROUP_MEMBERS; i++) {
		c->member[c->nr].nodeid = a[i].nodeid;
		c->member[c->nr++].pid = a[i].pid;
	}
	if (i < nr)
		kem_err("the group has %zu members, %u of them are known here", nr, GROUP_MEMBERS);
}

static void on_change(cpg_handle_t handle, const struct cpg_name *name, const struct cpg_address *member,
		      size_t nr, const struct cpg_address *left, size_t nr_left,
		      const struct cpg_address *joined, size_t nr_joined)
{
	struct group_change c = { 0 };
	void *ctx = NULL;
	struct group *g;
	size_t i;

	if (cpg_context_get(handle, &ctx) != CS_OK || !ctx)
		return;
	g = ctx;
	take_members(member, nr, &c);
	for (i = 0; i < nr_left && c.nr_left < GROUP_MEMBERS; i++) {
		if (left[i].nodeid == g->nodeid && left[i].pid == (uint32_t)getpid())
			g->broken = true; /* thrown out: another one begins anew */
		c.left[c.nr_left].nodeid = left[i].nodeid;
		c.left[c.nr_left++].down = left[i].reason == CPG_REASON_NODEDOWN;
	}
	if (!g->broken)
		g->ops->members(g->arg, &c);
}

static int on_readable(int32_t fd, int32_t revents, void *arg)
{
	struct group *g = arg;
	cs_error_t err = cpg_dispatch(g->cpg, CS_DISPATCH_ALL);

	if (err == CS_OK && g->broken)
		err = CS_ERR_NOT_EXIST;
	if (err != CS_OK && err != CS_ERR_TRY_AGAIN)
		away(g, "the connection is lost", err);
	return 0;
}

void group_drain(struct group *g)
{
	if (g->joined)
		on_readable(g->fd, POLLIN, g);
}

/* Its sockets have names that anybody could take while corosync is not running. */
static bool authentic(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static cs_error_t join(struct group *g)
{
	struct cpg_name name = { .length = sizeof(GROUP_NAME) - 1, .value = GROUP_NAME };
	unsigned int nodeid = 0;
	cs_error_t err;

	err = cpg_fd_get(g->cpg, &g->fd);
	if (err == CS_OK && !authentic(g->fd))
		err = CS_ERR_SECURITY;
	if (err == CS_OK)
		err = cpg_local_get(g->cpg, &nodeid);
	if (err == CS_OK)
		err = cpg_join(g->cpg, &name);
	if (err == CS_OK && qb_loop_poll_add(g->loop, QB_LOOP_HIGH, g->fd, POLLIN, g, on_readable))
		err = CS_ERR_NO_MEMORY;
	if (err != CS_OK) {
		g->fd = -1;
		return err;
	}
	g->nodeid = nodeid;
	return CS_OK;
}

static void reconnect(void *arg)
{
	struct group *g = arg;
	cpg_model_v1_data_t data = { .model = CPG_MODEL_V1,
				     .cpg_deliver_fn = on_deliver,
				     .cpg_confchg_fn = on_change };
	cs_error_t err = cpg_model_initialize(&g->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&data, g);

	if (err != CS_OK) {
		away(g, "it does not answer", err);
		return;
	}
	g->open = true;
	err = join(g);
	if (err != CS_OK) {
		/* while the ring forms it asks for patience */
		away(g, "the group cannot be joined", err);
		return;
	}
	g->joined = true;
	g->told = false;
	g->ops->joined(g->arg, g->nodeid);
}

int group_open(struct qb_loop *loop, const struct group_ops *ops, void *arg, struct group **out)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->loop = loop;
	g->ops = ops;
	g->arg = arg;
	g->fd = -1;
	*out = g;
	arm(g, &g->connect_timer, 0, reconnect);
	return 0;
}

void group_close(struct group *g)
{
	if (!g)
		return;
	g->joined = false; /* nobody wants to hear of it */
	disconnect(g);
	qb_loop_timer_del(g->loop, g->connect_timer);
	free(g);
}

uint32_t group_nodeid(const struct group *g)
{
	return g->nodeid;
}

static void flush(void *arg)
{
	struct group *g = arg;
	unsigned int n;

	for (n = 0; g->joined && g->nr && n < SEND_BATCH; n++) {
		struct iovec iov = { g->queue[g->first].bytes, g->queue[g->first].len };
		cs_error_t err = cpg_mcast_joined(g->cpg, CPG_TYPE_AGREED, &iov, 1);

		if (err == CS_ERR_TRY_AGAIN)
			break;
		if (err != CS_OK) {
			away(g, "a message cannot be sent", err);
			return;
		}
		g->first = (g->first + 1) % GROUP_QUEUE;
		g->nr--;
	}
	if (g->nr)
		arm(g, &g->send_timer, AGAIN_NS, flush);
}

int group_send(struct group *g, const void *bytes, size_t len)
{
	unsigned int at = (g->first + g->nr) % GROUP_QUEUE;

	if (!g->joined)
		return -ENOTCONN;
	if (g->nr == GROUP_QUEUE)
		return -ENOBUFS;
	if (len > sizeof(g->queue[at].bytes))
		return -EINVAL;
	g->queue[at].len = (uint16_t)len;
	memcpy(g->queue[at].bytes, bytes, len);
	g->nr++;
	/* from the loop: callbacks of cpg_dispatch() must not lose their connection under way */
	arm(g, &g->send_timer, 0, flush);
	return 0;
}

int group_watch(struct group *g, const char *name, uint64_t *sum, bool *local)
{
	struct cpg_iteration_description_t d;
	cpg_iteration_handle_t it;
	size_t len = strlen(name);
	struct cpg_name group;

	*sum = 0;
	*local = false;
	if (!g->joined)
		return -ENOTCONN;
	memset(&group, 0, sizeof(group));
	group.length = (uint32_t)len + 1; /* Pacemaker's have their NUL */
	memcpy(group.value, name, len);
	if (cpg_iteration_initialize(g->cpg, CPG_ITERATION_ONE_GROUP, &group, &it) != CS_OK)
		return -EAGAIN;
	while (cpg_iteration_next(it, &d) == CS_OK) {
		const uint32_t who[2] = { d.nodeid, d.pid };

		*sum += XXH64(who, sizeof(who), 0); /* in whatever order they come */
		*local = *local || d.nodeid == g->nodeid;
	}
	cpg_iteration_finalize(it);
	return 0;
}
