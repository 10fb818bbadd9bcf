/* SPDX-License-Identifier: GPL-2.0-only */
/* Texts for status and the story log. */
#include "engine/internal.h"

static const char *const protection_name[] = {
	[ENGINE_UNPROTECTED] = "unprotected",
	[ENGINE_SYNCING] = "syncing",
	[ENGINE_PROTECTED] = "protected",
	[ENGINE_LINK_LOST] = "holding: link lost",
	[ENGINE_OUTDATING] = "holding: outdating the standby",
	[ENGINE_BLOCKED] = "blocked: cannot fence",
};

const char *engine_state_name(const struct engine *e)
{
	switch (e->p.role) {
	case ENGINE_OWNER:
		return protection_name[e->protection];
	case ENGINE_HELD:
		return "held";
	case ENGINE_COPY:
		if (e->cmd.type == ENGINE_EV_PROMOTE)
			return "copy: asking to run";
		if (e->cmd.type == ENGINE_EV_FORGET)
			return "copy: asking whether it is needed";
		return e->p.granted ? "copy: granted" : "copy";
	default:
		if (e->cmd.type == ENGINE_EV_PROMOTE)
			return "none: asking to boot";
		return e->session ? "none: receiving" : "none";
	}
}

static const char *const note_text[] = {
	[ENGINE_NOTE_SYNCING] = "copying the guest to the standby",
	[ENGINE_NOTE_PROTECTED] = "protected",
	[ENGINE_NOTE_LINK_LOST] = "link lost: outputs wait",
	[ENGINE_NOTE_OUTDATING] = "asking the standby to drop its copy",
	[ENGINE_NOTE_FENCE_PEER] = "no answer of the standby: it has to be fenced, outputs wait",
	[ENGINE_NOTE_UNPROTECTED] = "the standby has no copy: running on unprotected",
	[ENGINE_NOTE_TOO_LARGE] = "more changed than staging can take: copying anew",
	[ENGINE_NOTE_YIELDS] = "demoted: the guest runs on until the standby asks for it",
	[ENGINE_NOTE_STAYS] = "promoted again before the standby asked for the guest",
	[ENGINE_NOTE_HELD] = "guest held",
	[ENGINE_NOTE_GRANTED] = "granted to the peer",
	[ENGINE_NOTE_HANDED_OVER] = "handed over: the peer runs it",
	[ENGINE_NOTE_TAKEN_BACK] = "the peer will not run it: held here again",
	[ENGINE_NOTE_RUN_GRANT] = "runs here: granted by the peer",
	[ENGINE_NOTE_RUN_VOID] = "runs here: the peer said that it never will",
	[ENGINE_NOTE_RUN_NONE] = "runs here: the peer has nothing of it any more",
	[ENGINE_NOTE_RUN_FENCED] = "runs here: the peer's host is off",
	[ENGINE_NOTE_COLD_BOOT] = "booted from its disk",
	[ENGINE_NOTE_COPY_DROPPED] = "copy dropped",
	[ENGINE_NOTE_FORGOTTEN] = "forgotten, as the operator wants",
	[ENGINE_NOTE_CONFLICT] = "the peer says that it owns this guest too",
};

const char *engine_note_text(enum engine_note note)
{
	return note > 0 && note <= ENGINE_NOTE_CONFLICT ? note_text[note] : "unknown";
}

static const char *const result_text[] = {
	[ENGINE_RES_OK] = "done",
	[ENGINE_RES_PARKED] = "the last valid copy is here and stays",
	[ENGINE_RES_SHUTDOWN] = "no other host has it: shut it down",
	[ENGINE_RES_STATE] = "not possible in this state",
	[ENGINE_RES_BUSY] = "another command is under way",
	[ENGINE_RES_PEER_OWNS] = "the peer owns it",
	[ENGINE_RES_PEER_HOLDS] = "the peer holds it",
	[ENGINE_RES_NO_PROOF] = "no answer of the peer: it has to be fenced first",
	[ENGINE_RES_NO_STANDBY] = "no standby that could take over",
	[ENGINE_RES_OUTDATED] = "the copy here is not valid any more",
	[ENGINE_RES_PEER_COPY] = "the peer has a copy of it, or boots it",
	[ENGINE_RES_LAST_COPY] = "this may be the last valid copy: the peer is not known to own the guest",
};

const char *engine_result_text(enum engine_result result)
{
	return result >= 0 && result <= ENGINE_RES_LAST_COPY ? result_text[result] : "unknown";
}
