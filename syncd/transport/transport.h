/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Authenticated, encrypted byte streams between the daemons of two hosts, on the main loop.  transport_open()
 * makes the TCP one: TLS 1.3 with an external PSK (identity "kemari"), the cluster's key.  Nothing here
 * blocks; names are resolved only by transport_resolve(), which does and is for protect time.
 *
 * `why` buffers hold TRANSPORT_WHY_MAX bytes.
 */
#ifndef KEMARI_TRANSPORT_H
#define KEMARI_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define TRANSPORT_WHY_MAX 256
/* Pieces that may wait in a connection's send queue. */
#define CONN_MAX_QUEUE 64
/* Room for conn_send_copy() pieces that wait: a HELLO (VM_RECORD_MAX and escapes) and many small ones. */
#define CONN_COPY_BYTES (256U << 10)

struct qb_loop;
struct transport;
struct conn;

struct transport_cfg {
	struct qb_loop *loop;
	const char *key_file;	   /* hex of 32..64 bytes, mode 0600 */
	const char *priority;	   /* GnuTLS priority string, NULL or "": the built-in one */
	unsigned int keepalive_ms; /* a look so often, idle() if nothing was sent for half of it; 0: 250 */
	unsigned int silence_ms;   /* down after that long without receiving; 0: 2000 */
	unsigned int handshake_ms; /* 0: 5000 */
	size_t high_water;	   /* conn_full() from this many queued bytes on; 0: 8 MiB */
};

struct transport_addr {
	struct sockaddr_storage sa;
	socklen_t len;
	char text[80]; /* numeric, for messages */
};

struct conn_stats {
	uint64_t bytes_sent, bytes_received; /* payload, without TLS */
};

struct conn_ops {
	/* The handshake of a transport_connect() is done; not called for accepted ones. */
	void (*up)(struct conn *c, void *arg);
	/*
	 * Bytes came.  Returns how many were taken; fewer than len pauses receiving until conn_resume().  A
	 * negative value closes the connection: down() follows with `why`, which received may have written
	 * (TRANSPORT_WHY_MAX bytes).
	 */
	ssize_t (*received)(struct conn *c, void *arg, const uint8_t *bytes, size_t len, char *why);
	/* Nothing was sent for a while (cfg.keepalive_ms): send something.  May be NULL. */
	void (*idle)(struct conn *c, void *arg);
	/* conn_full() was true and the queue has fallen to half of high_water.  May be NULL. */
	void (*drained)(struct conn *c, void *arg);
	/* The connection is gone; all sends not done got their done(false) before.  Not called after
	 * conn_close(). c is invalid after the return. */
	void (*down)(struct conn *c, void *arg, const char *why);
};

/* Reads and checks the key file.  *t lives until transport_close(), which closes all its connections without
 * down(). */
int transport_open(const struct transport_cfg *cfg, struct transport **t, char *why);
void transport_close(struct transport *t);

/* host: a number or a name of /etc/hosts or DNS; blocks for a name. */
int transport_resolve(const char *host, uint16_t port, struct transport_addr *a, char *why);

/*
 * Listens on addr (NULL or "*": all) and port (0: any, see transport_port).  accepted() gets each
 * connection whose peer has proven to hold the key, and must give it operations with conn_set_ops() or close
 * it.
 */
int transport_listen(struct transport *t, const char *addr, uint16_t port,
		     void (*accepted)(void *arg, struct conn *c), void *arg, char *why);
uint16_t transport_port(const struct transport *t);

#define TRANSPORT_MAC_BYTES 32
/* HMAC-SHA256 of bytes under the cluster's key, for what does not go over a connection of ours. */
int transport_mac(const struct transport *t, const void *bytes, size_t len, uint8_t mac[TRANSPORT_MAC_BYTES]);

/* Starts connecting; up() or down() follows, never from within the call. */
int transport_connect(struct transport *t, const struct transport_addr *a, const struct conn_ops *ops,
		      void *arg, struct conn **c, char *why);

void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *arg);
const char *conn_peer(const struct conn *c); /* address, for messages */

/*
 * Queues bytes that stay the caller's, untouched, until done(done_arg, sent) was called, exactly once: sent =
 * true when the last byte went to the socket, false when the connection ended first.  Never called from
 * within conn_send().  0, -EAGAIN: the queue has no free place, -ENOTCONN: not up.
 */
int conn_send(struct conn *c, const void *bytes, size_t len, void (*done)(void *arg, bool sent),
	      void *done_arg);
/* As conn_send; 1: all of it went to the socket at once, and done() is not called. */
int conn_push(struct conn *c, const void *bytes, size_t len, void (*done)(void *arg, bool sent),
	      void *done_arg);
/* As conn_send of a copy; -EAGAIN also when the copies that wait leave too little room. */
int conn_send_copy(struct conn *c, const void *bytes, size_t len);
size_t conn_queued(const struct conn *c); /* bytes */
bool conn_full(const struct conn *c);

/* Takes up receiving again after received() took less than it was given; what was left comes again, from the
 * loop. */
void conn_resume(struct conn *c);

struct conn_stats conn_stats(const struct conn *c);
/* Bytes a second that the link carries, as its network card or TCP says; 0: not known yet.  A system call. */
uint64_t conn_link_rate(struct conn *c);
/* Since the peer was heard last. */
uint64_t conn_quiet_ns(const struct conn *c);

/* Ends it: pending done(false) are called, down() is not.  Allowed in every callback.  Bytes still queued are
 * lost. */
void conn_close(struct conn *c);
/* As conn_close, once what is queued has gone out, for at most silence_ms; received() is not called any more.
 */
void conn_close_after_send(struct conn *c);

#endif /* KEMARI_TRANSPORT_H */
