/* SPDX-License-Identifier: GPL-2.0-only */
/* One connection from the inside: conn.c (handshake, receiving, timer, end) and send.c (the send queue). */
#ifndef KEMARI_TRANSPORT_CONN_H
#define KEMARI_TRANSPORT_CONN_H

#include "monotonic.h"
#include "transport/tcp.h"

/* TLS records received or sent before others on the loop get their turn: a megabyte. */
#define CONN_TURN 64U

/* Read from the socket at once: the longest TLS record, and a bit. */
#define CONN_IN_BYTES (17U << 10)

enum conn_state {
	CONN_CONNECTING, /* TCP */
	CONN_HANDSHAKE,	 /* TLS */
	CONN_UP,
	CONN_LINGER, /* conn_close_after_send */
	CONN_DEAD,
};

struct piece {
	const uint8_t *bytes;
	size_t len;
	size_t copied; /* bytes of the copy ring to give back, what a wrap skipped included */
	void (*done)(void *arg, bool sent);
	void *done_arg;
};

struct conn {
	struct transport *t;
	struct conn *next, **pprev;
	const struct conn_ops *ops;
	void *arg;
	gnutls_session_t tls;
	int fd;
	enum conn_state state;
	bool server;
	bool stranger;	     /* counted in t->nr_strangers */
	unsigned int inside; /* calls from the loop under way; freed by the last one */
	int events;
	bool resumed;
	struct later_item job; /* what is left of sending and receiving, and callbacks of it */
	qb_loop_timer_handle timer;
	uint64_t since; /* of the handshake, of lingering */
	uint64_t last_sent, last_received;
	struct conn_stats stats;

	struct piece queue[CONN_MAX_QUEUE];
	unsigned int head, nr;
	size_t head_sent, queued;
	bool was_full;
	uint8_t *copies; /* ring of CONN_COPY_BYTES */
	size_t copy_at, copy_used;

	bool paused;
	gnutls_packet_t packet; /* received and not taken whole */
	gnutls_datum_t rest;
	uint8_t in[CONN_IN_BYTES]; /* from the socket, not seen by TLS yet: in_at..in_len */
	size_t in_at, in_len;
	bool in_dry;		       /* the socket had no more; until the loop says otherwise */
	uint64_t card_rate, seen_rate; /* bytes a second: of the network card, and of TCP; 0: not known */

	struct transport_addr peer;
};

void conn_set_events(struct conn *c, int events);
void conn_job_later(struct conn *c);
/* The connection broke: down() with why. */
void conn_fail(struct conn *c, const char *why);

/* rate.c: as soon as it is up. */
void conn_find_card(struct conn *c);

/* Sends what the queue holds, as far as the socket takes it.  The caller is inside c. */
void conn_flush(struct conn *c);
/* Takes the first piece out. */
void conn_pop(struct conn *c, bool sent);

#endif /* KEMARI_TRANSPORT_CONN_H */
