/* SPDX-License-Identifier: GPL-2.0-only */
/* A replay, told: each step, what the engines wanted done, and what both are then. */
#include <stdio.h>

#include "cts-tests/sim/world.h"

static const char *const action_name[ENGINE_ACT_MAX + 1] = {
	[ENGINE_ACT_PERSIST] = "persist",     [ENGINE_ACT_SEND_MSG] = "say",
	[ENGINE_ACT_SET_TIMER] = "timer",     [ENGINE_ACT_NOTE] = "note",
	[ENGINE_ACT_RESULT] = "result",	      [ENGINE_ACT_DROP_LINK] = "drop link",
	[ENGINE_ACT_CAPTURE] = "capture",     [ENGINE_ACT_RESUME] = "resume",
	[ENGINE_ACT_SEND] = "send",	      [ENGINE_ACT_RELEASE] = "release",
	[ENGINE_ACT_DISCARD] = "discard",     [ENGINE_ACT_STOP_GUEST] = "stop guest",
	[ENGINE_ACT_QUIESCE] = "quiesce",     [ENGINE_ACT_START_BULK] = "start bulk",
	[ENGINE_ACT_STOP_BULK] = "stop bulk", [ENGINE_ACT_RUN] = "run",
	[ENGINE_ACT_HOLD] = "hold",	      [ENGINE_ACT_DROP_COPY] = "drop copy",
	[ENGINE_ACT_APPLY] = "apply",
};

static const char *const message_name[ENGINE_MSG_MAX + 1] = {
	[ENGINE_MSG_ACK] = "ACK",	    [ENGINE_MSG_REQUEST] = "REQUEST",
	[ENGINE_MSG_GRANT] = "GRANT",	    [ENGINE_MSG_HAVE] = "HAVE",
	[ENGINE_MSG_VOID] = "VOID",	    [ENGINE_MSG_OUTDATE] = "OUTDATE",
	[ENGINE_MSG_OUTDATED] = "OUTDATED", [ENGINE_MSG_CLAIM] = "CLAIM",
	[ENGINE_MSG_STATE] = "STATE",
};

static unsigned int short_g(uint64_t g)
{
	return (unsigned int)(ENGINE_INCARNATION(g) * 100 + (g & ((1U << ENGINE_G_BITS) - 1)));
}

void trace_action(const struct world *w, unsigned int h, const struct engine_action *a)
{
	if (!w->verbose || a->type == ENGINE_ACT_SET_TIMER)
		return;
	printf("      %c: %s", 'a' + h, action_name[a->type]);
	if (a->type == ENGINE_ACT_SEND_MSG)
		printf(" %s g%u epoch %llu", message_name[a->msg.type], short_g(a->msg.g),
		       (unsigned long long)a->msg.epoch);
	else if (a->type == ENGINE_ACT_NOTE)
		printf(": %s", engine_note_text(a->note));
	else if (a->type == ENGINE_ACT_RESULT)
		printf(": %s", engine_result_text(a->result));
	else if (a->epoch)
		printf(" %llu", (unsigned long long)a->epoch);
	printf("\n");
}

void trace_packet(const struct world *w, unsigned int h, const struct packet *p)
{
	static const char *const name[] = { "", "WELCOME", "", "BULK_BEGIN", "epoch" };

	if (!w->verbose)
		return;
	printf("      -> %c: %s", 'a' + h, p->type == PACKET_MSG ? message_name[p->msg.type] : name[p->type]);
	if (p->type == PACKET_EPOCH)
		printf(" %u on %u", p->epoch.epoch, p->epoch.base);
	if (p->type != PACKET_MSG && p->session != w->connection)
		printf(" (of an old session)");
	printf("\n");
}

static void trace_host(const struct host *host, char name)
{
	printf(" | %c %-28s g%u.%-4llu %-4s", name,
	       !host->on       ? "off"
	       : !host->daemon ? "daemon dead"
			       : engine_state_name(&host->e),
	       short_g(host->record.g),
	       (unsigned long long)(host->daemon ? engine_committed(&host->e) : host->record.epoch),
	       host->running ? "runs" : "");
}

void trace_step(const struct world *w, step_t s)
{
	char text[48];

	if (!w->verbose)
		return;
	step_text(s, text, sizeof(text));
	printf("  %-16s", text);
	trace_host(&w->host[0], 'a');
	trace_host(&w->host[1], 'b');
	printf("%s%s\n", w->violation ? "  <- " : "", w->violation ? w->violation : "");
}
