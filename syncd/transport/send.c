/* SPDX-License-Identifier: GPL-2.0-only */
/* The send queue of a connection: pieces of the caller's memory, and copies in a ring of its own. */
#include "transport/conn.h"

#include <errno.h>
#include <string.h>

/* Payload of one TLS record. */
#define TLS_PIECE 16384U
/* TLS records that go within the call that queues them: an epoch of a guest that waits for an answer. */
#define AT_ONCE 4U

void conn_pop(struct conn *c, bool sent)
{
	struct piece p = c->queue[c->head];

	c->head = (c->head + 1) % CONN_MAX_QUEUE;
	c->nr--;
	c->queued -= p.len - c->head_sent;
	c->head_sent = 0;
	c->copy_used -= p.copied;
	if (p.done)
		p.done(p.done_arg, sent);
}

static void tell_drained(struct conn *c)
{
	if (!c->was_full || c->queued > c->t->cfg.high_water / 2)
		return;
	c->was_full = false;
	if (c->ops && c->ops->drained)
		c->ops->drained(c, c->arg);
}

/* The queue of a lingering connection is out: the peer is told, and its end of stream waited for. */
static void linger_sent(struct conn *c)
{
	gnutls_bye(c->tls, GNUTLS_SHUT_WR);
	shutdown(c->fd, SHUT_WR);
}

/* One TLS record of the first piece; as gnutls_record_send().  0: all of the piece is out. */
static ssize_t send_some(struct conn *c)
{
	const struct piece *p = &c->queue[c->head];
	size_t len = p->len - c->head_sent;
	ssize_t n;

	if (!len)
		return 0;
	n = gnutls_record_send(c->tls, p->bytes + c->head_sent, len < TLS_PIECE ? len : TLS_PIECE);
	if (n < 0)
		return n;
	c->last_sent = monotonic_ns();
	c->stats.bytes_sent += (uint64_t)n;
	c->head_sent += (size_t)n;
	c->queued -= (size_t)n;
	return n;
}

void conn_flush(struct conn *c)
{
	for (unsigned int turn = 0; c->nr; turn++) {
		ssize_t n;

		if (turn == CONN_TURN) {
			conn_job_later(c);
			return;
		}
		n = send_some(c);
		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
			conn_set_events(c, c->events | POLLOUT);
			return;
		}
		if (n < 0) {
			conn_fail(c, gnutls_strerror((int)n));
			return;
		}
		if (c->head_sent == c->queue[c->head].len)
			conn_pop(c, true);
		if (c->state != CONN_UP && c->state != CONN_LINGER)
			return;
		tell_drained(c);
		if (c->state != CONN_UP && c->state != CONN_LINGER)
			return;
	}
	conn_set_events(c, c->events & ~POLLOUT);
	if (c->state == CONN_LINGER)
		linger_sent(c);
}

/*
 * What was just queued goes at once if nothing waits before it.  Errors, and telling those who want to know
 * that it went, are left to the loop, which is not inside of the caller.
 */
static bool send_at_once(struct conn *c)
{
	for (unsigned int n = 0; n < AT_ONCE; n++)
		if (send_some(c) <= 0)
			break;
	return c->head_sent == c->queue[c->head].len;
}

static int enqueue(struct conn *c, const struct piece *p)
{
	if (c->state != CONN_UP)
		return -ENOTCONN;
	if (c->nr == CONN_MAX_QUEUE)
		return -EAGAIN;
	c->queue[(c->head + c->nr) % CONN_MAX_QUEUE] = *p;
	c->nr++;
	c->queued += p->len;
	if (conn_full(c))
		c->was_full = true;
	return 0;
}

/* Of the piece that was queued last.  1: it is out and gone. */
static int start_sending(struct conn *c, bool told)
{
	struct piece *p = &c->queue[c->head];

	if (c->nr == 1 && send_at_once(c) && (told || !p->done)) {
		p->done = NULL;
		conn_pop(c, true);
		return 1;
	}
	conn_job_later(c);
	return 0;
}

/* Bytes of the caller's. */
static int send_piece(struct conn *c, const void *bytes, size_t len, void (*done)(void *arg, bool sent),
		      void *done_arg, bool told)
{
	const struct piece p = { .bytes = bytes, .len = len, .done = done, .done_arg = done_arg };
	int ret = len ? enqueue(c, &p) : -EINVAL;

	return ret ? ret : start_sending(c, told);
}

int conn_send(struct conn *c, const void *bytes, size_t len, void (*done)(void *arg, bool sent),
	      void *done_arg)
{
	int ret = send_piece(c, bytes, len, done, done_arg, false);

	return ret < 0 ? ret : 0;
}

int conn_push(struct conn *c, const void *bytes, size_t len, void (*done)(void *arg, bool sent),
	      void *done_arg)
{
	return send_piece(c, bytes, len, done, done_arg, true);
}

int conn_send_copy(struct conn *c, const void *bytes, size_t len)
{
	size_t at = c->copy_used ? c->copy_at : 0, skip = 0;
	struct piece p = { .len = len };
	int ret;

	if (!len || len > CONN_COPY_BYTES)
		return -EINVAL;
	if (CONN_COPY_BYTES - at < len) { /* a piece is never torn */
		skip = CONN_COPY_BYTES - at;
		at = 0;
	}
	if (CONN_COPY_BYTES - c->copy_used < skip + len)
		return -EAGAIN;
	p.bytes = c->copies + at;
	p.copied = skip + len;
	ret = enqueue(c, &p);
	if (ret)
		return ret;
	memcpy(c->copies + at, bytes, len);
	c->copy_at = at + len;
	c->copy_used += skip + len;
	start_sending(c, false);
	return 0;
}

size_t conn_queued(const struct conn *c)
{
	return c->queued;
}

bool conn_full(const struct conn *c)
{
	return c->queued >= c->t->cfg.high_water;
}
