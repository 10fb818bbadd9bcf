/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/operator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/cold.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "log.h"
#include "monotonic.h"
#include "syncd/control/control.h"

#define FENCE_NS (150 * POLICY_SECOND) /* the fencer gives a device 120 s */
#define PROOF_NS (20 * POLICY_SECOND)  /* from a fencing that succeeded until the proof is there */

struct operator
{
	struct control *control;
	struct control_client *client; /* of the cold start under way; NULL: none */
	char vm[ROW_VM];
	bool word;
	char host[ROW_HOST]; /* is being fenced; "": none yet */
	uint64_t until;
};

/* ---- answers ---- */

/* Nobody is to be fenced for it any more. */
static void withdraw(struct agent *a, struct operator* o)
{
	if (o->host[0])
		agent_request_order(a, o->host, NULL);
	o->host[0] = '\0';
}

static void over(struct agent *a, struct operator* o)
{
	withdraw(a, o);
	o->client = NULL;
}

static void failed(struct agent *a, struct operator* o, int code, const char *why, const char *fix)
{
	struct control_client *c = o->client;

	kem_vm_warn(o->vm, "cold start: %s", why);
	over(a, o);
	control_fail(c, code, why, fix);
}

static void cleared(struct agent *a, struct operator* o, const char *text)
{
	struct control_client *c = o->client;

	kem_vm_info(o->vm, "cold start: %s", text);
	over(a, o);
	control_done(c, json_pack("{s:s}", "text", text));
}

static void __attribute__((format(printf, 3, 4)))
not_fenced(struct agent *a, struct operator* o, const char *fmt, ...)
{
	char why[COLD_TEXT], fix[COLD_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(fix, sizeof(fix),
		 "repair its fencing and try again; or make sure that %s has no power (its BMC says off, or "
		 "its plugs "
		 "are pulled) and stays so, then: kemari cold-start %s --peer-is-off",
		 o->host, o->vm);
	failed(a, o, EIO, why, fix);
}

/* ---- the absent host ---- */

static void take_word(struct agent *a, struct operator* o, const char *host)
{
	char name[ROW_HOST];

	snprintf(name, sizeof(name), "%s", host);
	kem_vm_warn(o->vm,
		    "an operator says that %s is off (kemari cold-start --peer-is-off): that counts as the "
		    "proof, nothing "
		    "has confirmed it",
		    name);
	if (hosts_absent(a, name))
		hosts_proof(a, name, proof_word(&a->proof, name, hosts_boottime(), hosts_clock_offset()));
	if (!agent_off(a, name))
		failed(a, o, EAGAIN, "the other host is not off: it is in the cluster",
		       "kemari doctor, and try again");
}

static void have_fenced(struct agent *a, struct operator* o, const char *host)
{
	struct control_copy p = { .phase = "fencing" };
	char text[COLD_TEXT];
	const char *doubt;

	withdraw(a, o); /* of one that is off by now */
	snprintf(o->host, sizeof(o->host), "%s", host);
	hosts_proof(a, o->host, proof_expect(&a->proof, o->host, hosts_boottime(), hosts_clock_offset()));
	agent_doubts_tick(a); /* of a host that was not expected before, too */
	doubt = a->devices_known ? agent_doubt(a, o->host) : "its fencing devices are not known yet";
	if (doubt) {
		not_fenced(a, o, "a fencing of %s would be no proof: %s", o->host, doubt);
		return;
	}
	kem_vm_warn(o->vm, "an operator wants a cold start: asking the cluster to fence %s", o->host);
	snprintf(text, sizeof(text), "the cluster is asked to fence %s", o->host);
	p.text = text;
	control_progress(o->client, control_copy_row(&p));
	o->until = monotonic_ns() + FENCE_NS;
	snprintf(text, sizeof(text), "an operator wants a cold start of %s", o->vm);
	if (!agent_request_order(a, o->host, text))
		not_fenced(a, o, "the cluster cannot be asked to fence %s: there are too many hosts",
			   o->host);
}

void operator_fenced(struct agent *a, const char *host, const char *why)
{
	struct operator* o = a->operator;

	if (!o || !o->client || strcmp(o->host, host) != 0)
		return;
	if (why)
		not_fenced(a, o, "the cluster could not fence %s: %s", host, why);
	else
		o->until = monotonic_ns() + PROOF_NS;
}

/* ---- a cold start ---- */

/* False: it waits, or is over. */
static bool step(struct agent *a, struct operator* o)
{
	struct policy_input in;
	struct cold c;

	agent_gather(a, o->vm, &in);
	cold_judge(&in, o->vm, o->word, &c);
	if (c.step == COLD_REFUSED) {
		failed(a, o, EBUSY, c.text, c.fix);
		return false;
	}
	if (c.step == COLD_CLEAR) {
		cleared(a, o, c.text);
		return false;
	}
	if (o->word) {
		take_word(a, o, c.host);
		return o->client;
	}
	if (strcmp(o->host, c.host) != 0)
		have_fenced(a, o, c.host);
	else if (monotonic_ns() >= o->until)
		not_fenced(a, o, "%s was not confirmed off in time", o->host);
	return false;
}

void operator_look(struct agent *a)
{
	struct operator* o = a->operator;

	while (o && o->client && step(a, o))
		;
}

static void on_request(void *ctx, struct control_client *c, const struct control_request *r)
{
	struct agent *a = ctx;
	struct operator* o = a->operator;

	if (r->op != CONTROL_COLD_START) {
		control_fail(c, ENOSYS, "kemari-agent does nothing but cold-start", "ask kemari-syncd");
		return;
	}
	if (o->client) {
		control_fail(c, EBUSY, "another cold start is under way on this host", "wait for its end");
		return;
	}
	o->client = c;
	o->word = r->peer_is_off;
	snprintf(o->vm, sizeof(o->vm), "%s", r->vm);
	group_drain(a->group); /* who is a member is known up to now */
	operator_look(a);
}

int operator_start(struct agent *a)
{
	static const struct control_handlers handlers = { .request = on_request };
	char path[KEM_CONFIG_STR + sizeof(CONTROL_AGENT_SOCKET) + 1];
	const struct control_options opt = { .path = path,
					     .access_group = a->cfg.control_group,
					     .daemon = "kemari-agent" };

	a->operator= calloc(1, sizeof(*a->operator));
	if (!a->operator)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%s", a->cfg.run_dir, CONTROL_AGENT_SOCKET);
	return control_start(a->loop, &handlers, a, &opt, &a->operator->control);
}

void operator_stop(struct agent *a)
{
	struct operator* o = a->operator;

	if (!o)
		return;
	control_stop(o->control);
	if (o->client)
		failed(a, o, ECANCELED, "kemari-agent ends",
		       "try again when it runs: systemctl status kemari-agent");
	free(o);
	a->operator= NULL;
}
