/* SPDX-License-Identifier: GPL-2.0-only */
#include "transport/tcp.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define KEEPALIVE_MS 250
#define SILENCE_MS 2000
#define HANDSHAKE_MS 5000
#define HIGH_WATER (8U << 20)
#define ACCEPT_RETRY_NS 1000000000ULL
#define BACKLOG 16

/* A PSK goes with the suites of its hash, SHA-256; a key exchange on top gives forward secrecy. */
#define PRIORITY_COMMON                                                                                      \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:-"       \
	"CIPHER-ALL:"
#define PRIORITY_AES PRIORITY_COMMON "+AES-128-GCM:+CHACHA20-POLY1305"
#define PRIORITY_SOFTWARE PRIORITY_COMMON "+CHACHA20-POLY1305:+AES-128-GCM"

/* What the client lists first is taken: the cipher that is fast on this CPU. */
static const char *default_priority(void)
{
#if defined(__x86_64__) || defined(__i386__)
	if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul"))
		return PRIORITY_SOFTWARE;
#endif
	return PRIORITY_AES;
}

static int find_psk(gnutls_session_t tls, const char *identity, gnutls_datum_t *key)
{
	const struct transport *t = gnutls_session_get_ptr(tls);

	if (strcmp(identity, TRANSPORT_PSK_IDENTITY))
		return -1;
	key->data = gnutls_malloc(t->key.len);
	if (!key->data)
		return -1;
	memcpy(key->data, t->key.bytes, t->key.len);
	key->size = (unsigned int)t->key.len;
	return 0;
}

static int set_credentials(struct transport *t, char *why)
{
	const char *priority = t->cfg.priority && t->cfg.priority[0] ? t->cfg.priority : default_priority();
	gnutls_datum_t key = { t->key.bytes, (unsigned int)t->key.len };
	const char *at = NULL;
	int ret;

	ret = gnutls_priority_init(&t->priority, priority, &at);
	if (ret) {
		snprintf(why, TRANSPORT_WHY_MAX, "TLS priority \"%.100s\": %s at \"%.40s\"", priority,
			 gnutls_strerror(ret), at ? at : "");
		return -EINVAL;
	}
	ret = gnutls_psk_allocate_server_credentials(&t->server);
	if (ret)
		goto fail;
	gnutls_psk_set_server_credentials_function(t->server, find_psk);
	ret = gnutls_psk_allocate_client_credentials(&t->client);
	if (ret)
		goto fail;
	ret = gnutls_psk_set_client_credentials(t->client, TRANSPORT_PSK_IDENTITY, &key, GNUTLS_PSK_KEY_RAW);
	if (ret)
		goto fail;
	return 0;

fail:
	snprintf(why, TRANSPORT_WHY_MAX, "TLS credentials: %s", gnutls_strerror(ret));
	return -ENOMEM;
}

static void set_defaults(struct transport_cfg *cfg)
{
	cfg->keepalive_ms = cfg->keepalive_ms ?: KEEPALIVE_MS;
	cfg->silence_ms = cfg->silence_ms ?: SILENCE_MS;
	cfg->handshake_ms = cfg->handshake_ms ?: HANDSHAKE_MS;
	cfg->high_water = cfg->high_water ?: HIGH_WATER;
}

int transport_open(const struct transport_cfg *cfg, struct transport **out, char *why)
{
	struct transport *t = calloc(1, sizeof(*t));
	int ret;

	if (!t) {
		snprintf(why, TRANSPORT_WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	t->cfg = *cfg;
	set_defaults(&t->cfg);
	t->listen_fd = -1;
	snprintf(t->key_file, sizeof(t->key_file), "%s", cfg->key_file);
	ret = key_read(cfg->key_file, &t->key, why) ?: set_credentials(t, why);
	if (!ret) {
		ret = later_open(cfg->loop, &t->later);
		if (ret)
			snprintf(why, TRANSPORT_WHY_MAX, "no eventfd: %s", strerror(-ret));
	}
	if (ret) {
		transport_close(t);
		return ret;
	}
	*out = t;
	return 0;
}

static void stop_listening(struct transport *t)
{
	if (t->listen_fd < 0)
		return;
	if (t->accept_retry)
		qb_loop_timer_del(t->cfg.loop, t->accept_retry);
	t->accept_retry = 0;
	qb_loop_poll_del(t->cfg.loop, t->listen_fd);
	close(t->listen_fd);
	t->listen_fd = -1;
}

void transport_close(struct transport *t)
{
	if (!t)
		return;
	stop_listening(t);
	while (t->conns)
		conn_close(t->conns);
	later_close(t->later);
	if (t->client)
		gnutls_psk_free_client_credentials(t->client);
	if (t->server)
		gnutls_psk_free_server_credentials(t->server);
	if (t->priority)
		gnutls_priority_deinit(t->priority);
	key_wipe(&t->key);
	free(t);
}

int transport_mac(const struct transport *t, const void *bytes, size_t len, uint8_t mac[TRANSPORT_MAC_BYTES])
{
	static const char label[] = "kemari message 1"; /* the key's other use is TLS-PSK */
	gnutls_hmac_hd_t h;

	if (gnutls_hmac_init(&h, GNUTLS_MAC_SHA256, t->key.bytes, t->key.len))
		return -ENOMEM;
	gnutls_hmac(h, label, sizeof(label));
	gnutls_hmac(h, bytes, len);
	gnutls_hmac_deinit(h, mac);
	return 0;
}

void transport_addr_text(struct transport_addr *a)
{
	char host[INET6_ADDRSTRLEN + 20], port[8];

	if (getnameinfo((struct sockaddr *)&a->sa, a->len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(a->text, sizeof(a->text), "unknown");
	else
		snprintf(a->text, sizeof(a->text), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static int resolve(const char *host, uint16_t port, int flags, struct transport_addr *a, char *why)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags },
			*res;
	char service[8];
	int ret;

	snprintf(service, sizeof(service), "%u", port);
	ret = getaddrinfo(host, service, &hints, &res);
	if (ret) {
		snprintf(why, TRANSPORT_WHY_MAX, "%s: %s", host ? host : "*", gai_strerror(ret));
		return -EINVAL;
	}
	memcpy(&a->sa, res->ai_addr, res->ai_addrlen);
	a->len = res->ai_addrlen;
	freeaddrinfo(res);
	transport_addr_text(a);
	return 0;
}

int transport_resolve(const char *host, uint16_t port, struct transport_addr *a, char *why)
{
	return resolve(host, port, AI_NUMERICSERV, a, why);
}

static int32_t accept_ready(int32_t fd, int32_t revents, void *arg);

static void accept_again(void *arg)
{
	struct transport *t = arg;

	t->accept_retry = 0;
	qb_loop_poll_mod(t->cfg.loop, QB_LOOP_MED, t->listen_fd, POLLIN, t, accept_ready);
}

/* Out of descriptors or memory: the listener would stay readable, so it rests for a second. */
static void accept_rest(struct transport *t, int err)
{
	kem_err("a connection cannot be accepted: %s", strerror(err));
	if (qb_loop_timer_add(t->cfg.loop, QB_LOOP_LOW, ACCEPT_RETRY_NS, t, accept_again, &t->accept_retry) ==
	    0)
		qb_loop_poll_mod(t->cfg.loop, QB_LOOP_MED, t->listen_fd, 0, t, accept_ready);
}

static int32_t accept_ready(int32_t fd, int32_t revents, void *arg)
{
	struct transport *t = arg;
	struct transport_addr peer = { .len = sizeof(peer.sa) };
	char why[TRANSPORT_WHY_MAX];
	struct conn *c;
	int s = accept4(fd, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (s < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			accept_rest(t, errno);
		return 0;
	}
	transport_addr_text(&peer);
	if (t->nr_strangers >= TRANSPORT_MAX_STRANGERS) {
		kem_warn("%s: not accepted, %u others have connected and not yet shown the key", peer.text,
			 t->nr_strangers);
		close(s);
		return 0;
	}
	if (conn_new(t, s, true, &peer, &c, why))
		kem_err("%s: not accepted: %s", peer.text, why);
	return 0;
}

static int open_listener(const struct transport_addr *a)
{
	int off = 0, on = 1, err, fd;

	fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (a->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&a->sa, a->len) || listen(fd, BACKLOG)) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

/* All addresses of both families, or of IPv4 on a host without IPv6. */
static int open_wildcard(uint16_t port, struct transport_addr *a, char *why)
{
	int fd = -EAFNOSUPPORT;

	if (!resolve("::", port, AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, a, why))
		fd = open_listener(a);
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) {
		if (resolve("0.0.0.0", port, AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, a, why))
			return -EINVAL;
		fd = open_listener(a);
	}
	return fd;
}

int transport_listen(struct transport *t, const char *addr, uint16_t port,
		     void (*accepted)(void *arg, struct conn *c), void *arg, char *why)
{
	struct transport_addr a = { 0 };
	int fd, ret;

	if (!addr || !strcmp(addr, "*")) {
		fd = open_wildcard(port, &a, why);
	} else {
		ret = transport_resolve(addr, port, &a, why);
		if (ret)
			return ret;
		fd = open_listener(&a);
	}
	if (fd < 0) {
		snprintf(why, TRANSPORT_WHY_MAX, "cannot listen on %s: %s", a.text, strerror(-fd));
		return fd;
	}
	ret = qb_loop_poll_add(t->cfg.loop, QB_LOOP_MED, fd, POLLIN, t, accept_ready);
	if (ret) {
		snprintf(why, TRANSPORT_WHY_MAX, "cannot watch the listening socket: %s", strerror(-ret));
		close(fd);
		return ret;
	}
	t->listen_fd = fd;
	t->accepted = accepted;
	t->accepted_arg = arg;
	return 0;
}

uint16_t transport_port(const struct transport *t)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(t->listen_fd, (struct sockaddr *)&sa, &len))
		return 0;
	return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
					      : ((struct sockaddr_in *)&sa)->sin_port);
}

int transport_connect(struct transport *t, const struct transport_addr *a, const struct conn_ops *ops,
		      void *arg, struct conn **out, char *why)
{
	int ret, fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || (connect(fd, (const struct sockaddr *)&a->sa, a->len) && errno != EINPROGRESS &&
		       errno != EINTR)) {
		ret = -errno;
		snprintf(why, TRANSPORT_WHY_MAX, "%s: cannot connect: %s", a->text, strerror(-ret));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	ret = conn_new(t, fd, false, a, out, why);
	if (!ret)
		conn_set_ops(*out, ops, arg);
	return ret;
}
