/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of struct engine, for the engine's own files; others know only its size.  Included by engine.h. */
#ifndef KEMARI_ENGINE_STATE_H
#define KEMARI_ENGINE_STATE_H

#include "engine/pace.h"

struct engine {
	struct engine_cfg cfg;
	struct engine_persist p; /* the record as of now; stored when it changed */
	bool changed;		 /* p differs from what PERSIST stored last */
	bool waiting;		 /* for PERSISTED; `list` is returned then */
	bool foreign;		 /* Xen has a domain of this uuid that is not ours */
	struct engine_actions list;
	uint64_t now;
	uint64_t timer; /* as last given in SET_TIMER */

	/* The link, either direction. */
	uint64_t session; /* 0: down */

	/* The command that waits for its result. */
	struct {
		enum engine_event_type type; /* 0: none */
		uint32_t request;
		uint64_t deadline;
		uint64_t g;    /* cold boot: the generation claimed */
		bool awaiting; /* PROMOTE: the copy of a held guest, so no cold boot by the peer's word */
	} cmd;
	uint64_t resend_at;    /* of the question p.nonce: GRANT, REQUEST, CLAIM, OUTDATE */
	uint64_t give_back_at; /* HELD: an image that could not be started; 0: none */
	uint64_t yield_until;  /* OWNER with p.yields: then it is held */
	bool unborn;	       /* HELD: its RUN failed, nothing of the guest has run here */

	/* Owner. */
	enum engine_protection protection;
	uint64_t lost_at;     /* link lost, or running since, with a peer that may hold a copy */
	uint64_t outdate_at;  /* first OUTDATE */
	bool bulk_done;	      /* SYNCING: the first epoch may be captured */
	uint64_t first;	      /* epochs before are of a copy that the peer dropped; 0: not known */
	bool stopped;	      /* guest is stopped by a capture, for an ack or by throttling */
	bool quiesced;	      /* HELD: and nothing was released since */
	bool requested;	      /* HELD: the peer asked for the grant */
	bool run_due;	      /* RUN as soon as the capture under way ends */
	uint64_t capturing;   /* epoch under capture, 0: none */
	bool stale;	      /* ... begun for a copy that the peer is not at any more: it does not count */
	bool final;	      /* ... with which the guest stays stopped and quiesced */
	uint64_t sending;     /* epoch not yet in the transport's hands, 0: none */
	uint64_t owed_due;    /* because of a write that was answered before its commit, 0: none was */
	uint64_t output_due;  /* capture because of a held output, 0: none waits */
	uint64_t dirty_due;   /* capture because memory changed, 0: it did not */
	uint64_t dirty_pages; /* as last polled */
	bool urgent;	      /* ... at once */
	struct pace pace;
	uint64_t retry_at;

	/* Standby. */
	bool bulk; /* BULK_BEGIN came in this session */

	struct engine_counters counters;
};

#endif /* KEMARI_ENGINE_STATE_H */
