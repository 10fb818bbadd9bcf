/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every condition that G1, G2, G4 or G5 rests on is asked through engine_allowed().  In the daemon that is
 * the condition itself.  The simulation is compiled with ENGINE_SIM_WEAKEN and can take a guard away, to
 * prove that the guarantee is lost without it.
 */
#ifndef KEMARI_ENGINE_GUARD_H
#define KEMARI_ENGINE_GUARD_H

#include <stdbool.h>

/* name, what it demands */
#define ENGINE_GUARDS(G)                                                                                     \
	G(PERSIST_FIRST, "what depends on the record follows PERSISTED")                                     \
	G(HOLD_OUTPUT, "outputs wait while the peer may hold a copy")                                        \
	G(RIGHT_REVOKED, "the right to run alone ends before the first epoch is sent")                       \
	G(RELEASE_ACKED, "outputs leave when the peer said that it holds their epoch, not before")           \
	G(RESYNC_KNOWN, "a delta needs a copy of our own lineage")                                           \
	G(FIRST_SENT, "from the first epoch on that was sent, the peer may hold a copy")                     \
	G(DELTA_FITS, "an epoch larger than staging is never sent")                                          \
	G(OUTDATE_REPLY, "alone only after the peer's own NONE or its host off")                             \
	G(OUTDATE_NONCE, "the peer's NONE answers the question asked last")                                  \
	G(OUTDATE_CURRENT, "a copy is dropped only for the session that made it")                            \
	G(OUTDATE_SEALS, "after NONE nothing of the old session is staged")                                  \
	G(OUTDATE_FINAL, "once asked to drop its copy the peer has none, whatever it says later")            \
	G(OUTDATE_WAIT, "no OUTDATE before outdate_after")                                                   \
	G(FENCE_BOOT, "the fence of a boot before the one that the peer was seen in since is void")          \
	G(PROMOTE_PROOF, "promote alone is never a proof")                                                   \
	G(GRANT_HELD, "only a stopped guest is granted")                                                     \
	G(GRANT_QUIESCED, "no disk request is under way at the grant")                                       \
	G(GRANT_ACKED, "only an epoch that the peer holds is granted")                                       \
	G(GRANT_EXACT, "after the grant our memory is a copy only if it is exactly N")                       \
	G(GRANT_MATCH, "a grant counts only for the copy it names")                                          \
	G(REFUSED_FINAL, "a request that was refused is never granted later")                                \
	G(ASKED_STAYS, "who asked for the grant keeps its copy until it is answered")                        \
	G(HELD_STOPPED, "a held guest does not resume after a capture")                                      \
	G(RUN_HOLDS, "after a grant outputs wait for the old owner's word")                                  \
	G(VOID_RELABEL, "who says VOID cannot use a late GRANT of it")                                       \
	G(OWNER_SILENT, "an owner never says NONE or VOID")                                                  \
	G(FOREIGN_SILENT, "no NONE or VOID while Xen has a domain of the VM that is not ours")               \
	G(COLD_PROOF, "a cold boot needs the peer's NONE or its host off")                                   \
	G(COLD_TIE, "of two cold boots one gives way")                                                       \
	G(COLD_AWAITED, "who awaits the copy of a held guest boots none on the peer's NONE")                 \
	G(STAGE_SESSION, "an epoch of another session is dropped")                                           \
	G(STAGE_BASE, "an epoch applies only to the epoch it is relative to")                                \
	G(REBOOT_OUTDATES, "a guest that begins anew is another one: the old copy goes first")               \
	G(FORGET_LAST, "a copy that may be the last one is not forgotten without the operator's word")       \
	G(FORGET_QUIESCED, "a held guest is not forgotten while a disk request is under way")                \
	G(STOP_HANDS_OVER, "stop never ends or resumes a guest whose peer may hold a copy")

enum engine_guard_id {
#define G(name, text) GUARD_##name,
	ENGINE_GUARDS(G)
#undef G
		GUARD_COUNT
};

#ifdef ENGINE_SIM_WEAKEN
extern bool engine_guard_off[GUARD_COUNT];

static inline bool engine_allowed(enum engine_guard_id guard, bool condition)
{
	return condition || engine_guard_off[guard];
}

static inline bool engine_weak(enum engine_guard_id guard)
{
	return engine_guard_off[guard];
}
#else
static inline bool engine_allowed(enum engine_guard_id guard, bool condition)
{
	(void)guard;
	return condition;
}

/* For a guard that is not a condition but an order or an absence. */
static inline bool engine_weak(enum engine_guard_id guard)
{
	(void)guard;
	return false;
}
#endif

#endif /* KEMARI_ENGINE_GUARD_H */
