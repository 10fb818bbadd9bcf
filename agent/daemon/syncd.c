/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/syncd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbloop.h>

#include "agent/daemon/answer.h"
#include "agent/daemon/ctl.h"
#include "log.h"
#include "monotonic.h"
#include "syncd/control/control.h"

#define TICK_NS QB_TIME_NS_IN_SEC
#define PING_NS 3000000000ULL /* without a push, ask */

struct protect_call {
	struct syncd *s;
	struct ctl *ctl; /* NULL: free */
	char vm[ROW_VM], host[ROW_HOST];
};

struct pending {
	json_t *request;
	char from[ROW_HOST]; /* of a message; else "" */
};

struct syncd {
	struct qb_loop *loop;
	const struct syncd_ops *ops;
	void *arg;
	char path[CONTROL_PATH_MAX];
	qb_loop_timer_handle timer;
	struct ctl *status, *relay, *orders; /* NULL: not connected */
	bool told_away, told_relay, told_rows;
	bool have_table;   /* of the present status connection */
	bool known;	   /* as syncd_known() says */
	uint64_t heard_ns; /* anything, last; 0: never */
	unsigned int nr, nr_next;
	struct vm_row table[ROW_MAX], next[ROW_MAX];
	/* short requests; the first one is at kemari-syncd when busy */
	bool busy;
	uint64_t sent_ns;
	unsigned int first, queued;
	struct pending queue[SYNCD_QUEUE];
	struct protect_call protect[SYNCD_PROTECTS];
};

static void heard(struct syncd *s)
{
	s->heard_ns = monotonic_ns();
	if (s->known || !s->have_table)
		return;
	s->known = true;
	s->ops->table(s->arg);
}

/* ---- the table ---- */

static void status_answer(void *arg, const json_t *answer)
{
	struct syncd *s = arg;
	char why[ANSWER_WHY];

	heard(s);
	switch (answer_kind(answer)) {
	case ANSWER_MORE_ROWS:
	case ANSWER_ROWS:
		if (answer_rows(answer, s->next, &s->nr_next, why)) {
			if (!s->told_rows)
				kem_err("%s: such VMs get no score", why);
			s->told_rows = true;
		}
		if (answer_kind(answer) == ANSWER_MORE_ROWS)
			return;
		memcpy(s->table, s->next, s->nr_next * sizeof(s->table[0]));
		s->nr = s->nr_next;
		s->nr_next = 0;
		s->known = s->have_table = true;
		s->ops->table(s->arg);
		break;
	case ANSWER_ERROR:
		kem_err("kemari-syncd does not tell its status: %s", answer_error(answer));
		break;
	default:
		break;
	}
}

static void status_down(void *arg, int err)
{
	struct syncd *s = arg;

	ctl_close(s->status);
	s->status = NULL;
	s->have_table = false;
	s->nr_next = 0;
	s->heard_ns = monotonic_ns(); /* gone since now, not since its last word */
	if (!s->told_away)
		kem_warn("kemari-syncd is gone (%s); waiting for it", strerror(-err));
	s->told_away = true;
}

static const struct ctl_ops status_ops = { .answer = status_answer, .down = status_down };

/* ---- the relay ---- */

static void relay_down(void *arg, int err)
{
	struct syncd *s = arg;

	ctl_close(s->relay);
	s->relay = NULL;
}

static void relay_answer(void *arg, const json_t *answer)
{
	struct syncd *s = arg;
	const json_t *rows = json_object_get(answer, "rows"), *row;
	struct message_engine e;
	char why[ANSWER_WHY];
	size_t i;

	heard(s);
	if (answer_kind(answer) == ANSWER_ERROR) {
		if (!s->told_relay)
			kem_warn("kemari-syncd relays nothing over the cluster: %s", answer_error(answer));
		s->told_relay = true;
		return;
	}
	json_array_foreach(rows, i, row) {
		if (answer_relay(row, &e, why))
			kem_err("%s: it is not sent", why);
		else
			s->ops->relay(s->arg, &e);
	}
}

static const struct ctl_ops relay_ops = { .answer = relay_answer, .down = relay_down };

/* ---- short requests ---- */

static void drop_first(struct syncd *s)
{
	json_decref(s->queue[s->first].request);
	memset(&s->queue[s->first], 0, sizeof(s->queue[0]));
	s->first = (s->first + 1) % SYNCD_QUEUE;
	s->queued--;
	s->busy = false;
}

static void orders_down(void *arg, int err)
{
	struct syncd *s = arg;

	ctl_close(s->orders);
	s->orders = NULL;
	/* whether it heard the request is not known: proofs are told again each second, and the engine sends
	 * again what is not answered */
	if (s->busy)
		drop_first(s);
}

static void next_order(struct syncd *s)
{
	while (s->orders && !s->busy && s->queued) {
		json_t *request = s->queue[s->first].request;

		if (!request) { /* forgotten */
			drop_first(s);
			continue;
		}
		s->busy = true;
		s->sent_ns = monotonic_ns();
		s->queue[s->first].request = NULL;
		if (ctl_send(s->orders, request))
			orders_down(s, -EPIPE);
	}
}

static void orders_answer(void *arg, const json_t *answer)
{
	struct syncd *s = arg;

	heard(s);
	if (answer_kind(answer) == ANSWER_ERROR)
		kem_warn("kemari-syncd refuses: %s", answer_error(answer));
	else if (answer_kind(answer) != ANSWER_OK)
		return;
	if (s->busy)
		drop_first(s);
	next_order(s);
}

static const struct ctl_ops orders_ops = { .answer = orders_answer, .down = orders_down };

/* False: it is dropped. */
static bool order(struct syncd *s, json_t *request, const char *from)
{
	struct pending *p = &s->queue[(s->first + s->queued) % SYNCD_QUEUE];

	if (!request || s->queued == SYNCD_QUEUE || !s->orders) {
		kem_debug("a request to kemari-syncd is dropped");
		json_decref(request);
		return false;
	}
	p->request = request;
	snprintf(p->from, sizeof(p->from), "%s", from);
	s->queued++;
	next_order(s);
	return true;
}

void syncd_host_off(struct syncd *s, const char *host, uint64_t boot)
{
	char hex[17];

	snprintf(hex, sizeof(hex), "%016" PRIx64, boot);
	order(s, json_pack("{s:s, s:s, s:s}", "op", "host-off", "host", host, "boot", hex), "");
}

bool syncd_host_fenced(struct syncd *s, const char *host, uint64_t boot, const char *why)
{
	char hex[17];

	snprintf(hex, sizeof(hex), "%016" PRIx64, boot);
	return order(
		s,
		json_pack("{s:s, s:s, s:s, s:s}", "op", "host-fenced", "host", host, "boot", hex, "why", why),
		"");
}

void syncd_message(struct syncd *s, const char *from, const uint8_t *data, size_t len)
{
	char hex[2 * MESSAGE_ENGINE_MAX + 1];

	if (len > MESSAGE_ENGINE_MAX)
		return;
	answer_hex(data, len, hex);
	order(s, json_pack("{s:s, s:s, s:s}", "op", "message", "from", from, "data", hex), from);
}

void syncd_forget(struct syncd *s, const char *from)
{
	unsigned int i;

	for (i = s->busy ? 1 : 0; i < s->queued; i++) {
		struct pending *p = &s->queue[(s->first + i) % SYNCD_QUEUE];

		if (strcmp(p->from, from) != 0)
			continue;
		json_decref(p->request);
		p->request = NULL;
	}
}

/* ---- protect ---- */

static void protect_done(struct protect_call *p, const char *why)
{
	ctl_close(p->ctl);
	p->ctl = NULL;
	p->s->ops->protected(p->s->arg, p->vm, p->host, why);
}

static void protect_answer(void *arg, const json_t *answer)
{
	struct protect_call *p = arg;

	heard(p->s);
	switch (answer_kind(answer)) {
	case ANSWER_OK:
		protect_done(p, NULL);
		break;
	case ANSWER_ERROR:
		protect_done(p, answer_error(answer));
		break;
	default:
		break;
	}
}

static void protect_down(void *arg, int err)
{
	protect_done(arg, "kemari-syncd went away meanwhile");
}

static const struct ctl_ops protect_ops = { .answer = protect_answer, .down = protect_down };

int syncd_protect(struct syncd *s, const char *vm, const char *host)
{
	struct protect_call *p = NULL;
	unsigned int i;
	int rc;

	for (i = 0; i < SYNCD_PROTECTS && !p; i++)
		if (!s->protect[i].ctl)
			p = &s->protect[i];
	if (!p)
		return -EBUSY;
	p->s = s;
	snprintf(p->vm, sizeof(p->vm), "%s", vm);
	snprintf(p->host, sizeof(p->host), "%s", host);
	rc = ctl_open(s->loop, s->path, &protect_ops, p, &p->ctl);
	if (rc)
		return rc;
	rc = ctl_send(p->ctl, json_pack("{s:s, s:s, s:s}", "op", "protect", "vm", vm, "host", host));
	if (rc) {
		ctl_close(p->ctl);
		p->ctl = NULL;
	}
	return rc;
}

/* ---- connections ---- */

static void connect_watch(struct syncd *s, struct ctl **c, const struct ctl_ops *ops, json_t *request)
{
	if (*c || ctl_open(s->loop, s->path, ops, s, c)) {
		json_decref(request);
		return;
	}
	if (ctl_send(*c, request))
		ops->down(s, -EPIPE);
}

static void connect_all(struct syncd *s)
{
	bool was = s->status;

	connect_watch(s, &s->status, &status_ops, json_pack("{s:s, s:b}", "op", "status", "watch", 1));
	if (!s->status && !s->told_away) {
		kem_warn("kemari-syncd does not answer at %s; waiting for it", s->path);
		s->told_away = true;
	}
	if (!s->status)
		return;
	if (!was) {
		kem_info("connected to kemari-syncd");
		s->told_away = s->told_relay = s->told_rows = false;
	}
	connect_watch(s, &s->relay, &relay_ops, json_pack("{s:s, s:b}", "op", "relay", "watch", 1));
	if (!s->orders && ctl_open(s->loop, s->path, &orders_ops, s, &s->orders))
		s->orders = NULL;
	next_order(s);
}

static void tick(void *arg)
{
	struct syncd *s = arg;
	const uint64_t now = monotonic_ns(), age = now - s->heard_ns;

	qb_loop_timer_add(s->loop, QB_LOOP_MED, TICK_NS, s, tick, &s->timer);
	connect_all(s);
	if (s->busy && now - s->sent_ns > SYNCD_SILENT_NS)
		orders_down(s, -ETIMEDOUT);
	/* without changes it says nothing: ask, any answer will do */
	if (s->orders && !s->queued && age > PING_NS)
		order(s, json_pack("{s:s}", "op", "status"), "");
	if (s->known && age > (s->status ? SYNCD_SILENT_NS : SYNCD_GONE_NS)) {
		s->known = false;
		kem_warn("kemari-syncd %s for %u s: the VMs of this host get no score",
			 s->status ? "has been silent" : "has been away",
			 (unsigned int)(age / QB_TIME_NS_IN_SEC));
		s->ops->table(s->arg);
	}
}

int syncd_open(struct qb_loop *loop, const char *path, const struct syncd_ops *ops, void *arg,
	       struct syncd **out)
{
	struct syncd *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->ops = ops;
	s->arg = arg;
	s->heard_ns = monotonic_ns();
	snprintf(s->path, sizeof(s->path), "%s", path);
	*out = s;
	return qb_loop_timer_add(loop, QB_LOOP_MED, 0, s, tick, &s->timer);
}

void syncd_close(struct syncd *s)
{
	unsigned int i;

	if (!s)
		return;
	qb_loop_timer_del(s->loop, s->timer);
	ctl_close(s->status);
	ctl_close(s->relay);
	ctl_close(s->orders);
	for (i = 0; i < SYNCD_PROTECTS; i++)
		ctl_close(s->protect[i].ctl);
	while (s->queued)
		drop_first(s);
	free(s);
}

bool syncd_known(const struct syncd *s)
{
	return s->known;
}

const struct vm_row *syncd_table(const struct syncd *s, unsigned int *nr)
{
	*nr = s->nr;
	return s->table;
}
