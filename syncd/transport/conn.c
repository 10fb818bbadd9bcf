/* SPDX-License-Identifier: GPL-2.0-only */
/* One TLS connection: handshake, receiving, timer, end. */
#include "transport/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define NS_PER_MS 1000000ULL

static int32_t ready(int32_t fd, int32_t revents, void *arg);
static void job(void *arg);

static void enter(struct conn *c)
{
	c->inside++;
}

static void conn_free(struct conn *c)
{
	free(c->copies);
	free(c);
}

static void leave(struct conn *c)
{
	if (!--c->inside && c->state == CONN_DEAD)
		conn_free(c);
}

void conn_set_events(struct conn *c, int events)
{
	if (c->events == events)
		return;
	c->events = events;
	qb_loop_poll_mod(c->t->cfg.loop, QB_LOOP_HIGH, c->fd, events, c, ready);
}

/* ---- end of a connection ---- */

static void not_a_stranger(struct conn *c)
{
	if (c->stranger)
		c->t->nr_strangers--;
	c->stranger = false;
}

static void drop_packet(struct conn *c)
{
	if (c->packet)
		gnutls_packet_deinit(c->packet);
	c->packet = NULL;
}

/* Takes it off the loop; the memory stays until the last call from the loop is out of it. */
static void conn_end(struct conn *c)
{
	struct qb_loop *loop = c->t->cfg.loop;

	if (c->state == CONN_UP)
		gnutls_bye(c->tls, GNUTLS_SHUT_WR);
	c->state = CONN_DEAD;
	not_a_stranger(c);
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
	qb_loop_poll_del(loop, c->fd);
	if (c->timer)
		qb_loop_timer_del(loop, c->timer);
	later_cancel(&c->job);
	drop_packet(c);
	gnutls_deinit(c->tls);
	close(c->fd);
	while (c->nr)
		conn_pop(c, false);
}

void conn_fail(struct conn *c, const char *why)
{
	const struct conn_ops *ops = c->ops;
	bool lingering = c->state == CONN_LINGER;
	char text[TRANSPORT_WHY_MAX];

	if (c->state == CONN_DEAD)
		return;
	snprintf(text, sizeof(text), "%s: %.170s", c->peer.text, why);
	enter(c);
	if (c->server && c->state < CONN_UP)
		kem_warn("%s", text);
	conn_end(c);
	if (ops && !lingering)
		ops->down(c, c->arg, text);
	leave(c);
}

void conn_close(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	enter(c);
	conn_end(c);
	leave(c);
}

void conn_close_after_send(struct conn *c)
{
	if (c->state != CONN_UP) {
		conn_close(c);
		return;
	}
	c->state = CONN_LINGER;
	c->since = monotonic_ns();
	drop_packet(c);
	c->paused = false;
	conn_set_events(c, POLLIN);
	conn_job_later(c);
}

/* ---- receiving ---- */

/* Hands c->rest to the owner; true: it took all of it. */
static bool deliver(struct conn *c)
{
	char why[TRANSPORT_WHY_MAX] = "its data was refused";
	ssize_t n = c->ops->received(c, c->arg, c->rest.data, c->rest.size, why);

	if (c->state != CONN_UP)
		return false;
	if (n < 0) {
		conn_fail(c, why);
		return false;
	}
	c->rest.data += n;
	c->rest.size -= (unsigned int)n;
	if (c->rest.size) {
		c->paused = true;
		conn_set_events(c, c->events & ~POLLIN);
		return false;
	}
	drop_packet(c);
	return true;
}

/* For TLS, which asks for five bytes and then for a record: the socket is asked once for both, and for what
 * follows. */
static ssize_t pull(gnutls_transport_ptr_t arg, void *to, size_t len)
{
	struct conn *c = arg;
	ssize_t n;

	if (c->in_at == c->in_len) {
		n = -1;
		errno = EAGAIN;
		if (!c->in_dry)
			n = recv(c->fd, c->in, sizeof(c->in), 0);
		if (n <= 0) {
			gnutls_transport_set_errno(c->tls, errno);
			return n;
		}
		c->in_at = 0;
		c->in_len = (size_t)n;
		c->in_dry = c->in_len < sizeof(c->in);
	}
	if (len > c->in_len - c->in_at)
		len = c->in_len - c->in_at;
	memcpy(to, c->in + c->in_at, len);
	c->in_at += len;
	return (ssize_t)len;
}

/* Nothing waits in TLS: the loop does. */
static int pull_ready(gnutls_transport_ptr_t arg, unsigned int ms)
{
	return 1;
}

/* What lies here the loop does not know of. */
static bool has_input(const struct conn *c)
{
	return c->in_at < c->in_len;
}

static void receive_failed(struct conn *c, ssize_t n)
{
	if (c->state == CONN_LINGER)
		conn_end(c);
	else if (!n || n == GNUTLS_E_PREMATURE_TERMINATION)
		conn_fail(c, n ? "connection lost" : "closed by the peer");
	else
		conn_fail(c, gnutls_strerror((int)n));
}

static void receive(struct conn *c)
{
	for (unsigned int turn = 0; turn < CONN_TURN; turn++) {
		ssize_t n = gnutls_record_recv_packet(c->tls, &c->packet);

		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
			break; /* also behind a record of TLS's own, with others here */
		if (n <= 0) {
			drop_packet(c);
			receive_failed(c, n);
			return;
		}
		c->last_received = monotonic_ns();
		c->stats.bytes_received += (uint64_t)n;
		gnutls_packet_get(c->packet, &c->rest, NULL);
		if (c->state == CONN_LINGER)
			drop_packet(c);
		else if (!deliver(c))
			return;
	}
	if (has_input(c))
		conn_job_later(c);
}

static void receive_anew(struct conn *c)
{
	c->in_dry = false;
	receive(c);
}

void conn_resume(struct conn *c)
{
	if (!c->paused || c->state != CONN_UP)
		return;
	c->resumed = true;
	conn_job_later(c);
}

static void take_up_receiving(struct conn *c)
{
	c->resumed = false;
	if (!c->paused)
		return;
	c->paused = false;
	c->last_received = monotonic_ns(); /* it was us who did not listen */
	if (!deliver(c))
		return;
	conn_set_events(c, c->events | POLLIN);
	if (has_input(c))
		conn_job_later(c);
}

static void job(void *arg)
{
	struct conn *c = arg;

	enter(c);
	if (c->state == CONN_UP && c->resumed)
		take_up_receiving(c);
	else if ((c->state == CONN_UP || c->state == CONN_LINGER) && !c->paused && has_input(c))
		receive(c);
	if (c->state == CONN_UP || c->state == CONN_LINGER)
		conn_flush(c);
	leave(c);
}

void conn_job_later(struct conn *c)
{
	later_add(c->t->later, &c->job);
}

/* ---- handshake ---- */

/* What GnuTLS makes of a binder that does not verify, on the server's and on the client's side. */
static bool keys_differ(const struct conn *c, int err)
{
	gnutls_alert_description_t alert;

	if (err != GNUTLS_E_FATAL_ALERT_RECEIVED)
		return err == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;
	alert = gnutls_alert_get(c->tls);
	return alert == GNUTLS_A_ILLEGAL_PARAMETER || alert == GNUTLS_A_DECRYPT_ERROR ||
	       alert == GNUTLS_A_UNKNOWN_PSK_IDENTITY;
}

static void handshake_failed(struct conn *c, int err)
{
	char why[TRANSPORT_WHY_MAX];

	gnutls_alert_send_appropriate(c->tls, err); /* so that both sides know why */
	if (keys_differ(c, err))
		snprintf(why, sizeof(why),
			 "the peer does not have the same key: copy %.80s from one host to the other",
			 c->t->key_file);
	else if (err == GNUTLS_E_FATAL_ALERT_RECEIVED)
		snprintf(why, sizeof(why), "the peer refuses the TLS handshake: %.100s",
			 gnutls_alert_get_name(gnutls_alert_get(c->tls)));
	else
		snprintf(why, sizeof(why), "TLS handshake: %.120s", gnutls_strerror(err));
	conn_fail(c, why);
}

static void handshake_done(struct conn *c)
{
	c->state = CONN_UP;
	c->last_sent = c->last_received = monotonic_ns();
	conn_set_events(c, POLLIN);
	conn_find_card(c);
	if (has_input(c))
		conn_job_later(c);
	if (c->server) {
		not_a_stranger(c);
		c->t->accepted(c->t->accepted_arg, c);
		if (!c->ops)
			conn_end(c);
	} else if (c->ops->up) {
		c->ops->up(c, c->arg);
	}
}

static void handshake(struct conn *c)
{
	int ret;

	c->in_dry = false;
	do {
		ret = gnutls_handshake(c->tls);
	} while (ret < 0 && ret != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(ret));
	if (ret == GNUTLS_E_AGAIN)
		conn_set_events(c, gnutls_record_get_direction(c->tls) ? POLLOUT : POLLIN);
	else if (ret < 0)
		handshake_failed(c, ret);
	else
		handshake_done(c);
}

static void connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	char why[TRANSPORT_WHY_MAX];
	int err = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err) {
		snprintf(why, sizeof(why), "cannot connect: %.120s", strerror(err));
		conn_fail(c, why);
		return;
	}
	c->state = CONN_HANDSHAKE;
	handshake(c);
}

static int32_t ready(int32_t fd, int32_t revents, void *arg)
{
	struct conn *c = arg;

	enter(c);
	if (c->state == CONN_CONNECTING)
		connected(c);
	else if (c->state == CONN_HANDSHAKE)
		handshake(c);
	if (c->state == CONN_UP || c->state == CONN_LINGER) {
		/* A broken socket is found by reading, unless reading is paused. */
		if (!c->paused && (revents & (POLLIN | POLLERR | POLLHUP)))
			receive_anew(c);
		else if (revents & (POLLERR | POLLHUP))
			conn_fail(c, "connection lost");
	}
	if ((c->state == CONN_UP || c->state == CONN_LINGER) && (revents & POLLOUT))
		conn_flush(c);
	leave(c);
	return 0;
}

/* ---- timer ---- */

static int start_timer(struct conn *c);

/* A daemon that wakes late first reads what has come meanwhile: only then is silence the peer's. */
static void check_silence(struct conn *c, uint64_t now)
{
	char why[TRANSPORT_WHY_MAX];

	if (c->paused || now - c->last_received < c->t->cfg.silence_ms * NS_PER_MS)
		return;
	receive_anew(c);
	if (c->state != CONN_UP || c->paused || now - c->last_received < c->t->cfg.silence_ms * NS_PER_MS ||
	    c->last_received > now)
		return;
	snprintf(why, sizeof(why), "nothing heard for %u ms", c->t->cfg.silence_ms);
	conn_fail(c, why);
}

static void tick(void *arg)
{
	struct conn *c = arg;
	const struct transport_cfg *cfg = &c->t->cfg;
	uint64_t now = monotonic_ns();

	c->timer = 0;
	enter(c);
	if (c->state < CONN_UP && now - c->since >= cfg->handshake_ms * NS_PER_MS) {
		conn_fail(c, c->state == CONN_CONNECTING ? "does not answer"
							 : "TLS handshake: no answer in time");
	} else if (c->state == CONN_LINGER && now - c->since >= cfg->silence_ms * NS_PER_MS) {
		conn_end(c);
	} else if (c->state == CONN_UP) {
		check_silence(c, now);
		if (c->state == CONN_UP && !c->nr && c->ops->idle &&
		    now - c->last_sent >= cfg->keepalive_ms * NS_PER_MS / 2)
			c->ops->idle(c, c->arg);
	}
	if (c->state != CONN_DEAD && start_timer(c))
		conn_fail(c, "no timer");
	leave(c);
}

static int start_timer(struct conn *c)
{
	uint64_t period = c->t->cfg.keepalive_ms * NS_PER_MS;

	return qb_loop_timer_add(c->t->cfg.loop, QB_LOOP_MED, period, c, tick, &c->timer);
}

/* ---- life ---- */

static int start_tls(struct conn *c)
{
	int ret = gnutls_init(&c->tls, (c->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
					       GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);

	if (ret)
		return ret;
	gnutls_session_set_ptr(c->tls, c->t);
	ret = gnutls_priority_set(c->tls, c->t->priority);
	if (!ret)
		ret = gnutls_credentials_set(c->tls, GNUTLS_CRD_PSK,
					     c->server ? (void *)c->t->server : (void *)c->t->client);
	gnutls_transport_set_ptr2(c->tls, c, (gnutls_transport_ptr_t)(intptr_t)c->fd);
	gnutls_transport_set_pull_function(c->tls, pull);
	gnutls_transport_set_pull_timeout_function(c->tls, pull_ready);
	gnutls_handshake_set_timeout(c->tls, GNUTLS_INDEFINITE_TIMEOUT); /* tick() has its own */
	return ret;
}

static void set_socket(const struct conn *c)
{
	unsigned int timeout = c->t->cfg.silence_ms;
	int on = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* Also ends a connection whose peer is gone while receiving is paused. */
	setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

int conn_new(struct transport *t, int fd, bool server, const struct transport_addr *peer, struct conn **out,
	     char *why)
{
	struct conn *c = calloc(1, sizeof(*c));
	int ret = -ENOMEM;

	snprintf(why, TRANSPORT_WHY_MAX, "out of memory");
	if (!c)
		goto out_close;
	c->t = t;
	c->fd = fd;
	c->server = server;
	c->peer = *peer;
	c->state = server ? CONN_HANDSHAKE : CONN_CONNECTING;
	c->job.fn = job;
	c->job.arg = c;
	c->since = monotonic_ns();
	c->events = server ? POLLIN : POLLOUT;
	c->copies = malloc(CONN_COPY_BYTES);
	if (!c->copies || start_tls(c))
		goto out_free;
	set_socket(c);
	ret = qb_loop_poll_add(t->cfg.loop, QB_LOOP_HIGH, fd, c->events, c, ready);
	if (ret)
		goto out_free;
	ret = start_timer(c);
	if (ret)
		goto out_poll;
	c->stranger = server;
	t->nr_strangers += server;
	c->next = t->conns;
	c->pprev = &t->conns;
	if (c->next)
		c->next->pprev = &c->next;
	t->conns = c;
	*out = c;
	return 0;

out_poll:
	qb_loop_poll_del(t->cfg.loop, fd);
out_free:
	if (c->tls)
		gnutls_deinit(c->tls);
	conn_free(c);
out_close:
	close(fd);
	return ret;
}

void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *arg)
{
	c->ops = ops;
	c->arg = arg;
}

const char *conn_peer(const struct conn *c)
{
	return c->peer.text;
}

uint64_t conn_quiet_ns(const struct conn *c)
{
	uint64_t now = monotonic_ns();

	return now > c->last_received ? now - c->last_received : 0;
}

struct conn_stats conn_stats(const struct conn *c)
{
	return c->stats;
}
