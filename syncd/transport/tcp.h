/* SPDX-License-Identifier: GPL-2.0-only */
/* What tcp.c (credentials, listening, connecting) and conn.c (one connection) share. */
#ifndef KEMARI_TRANSPORT_TCP_H
#define KEMARI_TRANSPORT_TCP_H

#include <gnutls/gnutls.h>
#include <qb/qbloop.h>

#include "later.h"
#include "transport/key.h"
#include "transport/transport.h"

#define TRANSPORT_PSK_IDENTITY "kemari"
/* Peers that have connected and not yet proven to hold the key. */
#define TRANSPORT_MAX_STRANGERS 16

struct transport {
	struct transport_cfg cfg;
	struct key key;
	gnutls_psk_server_credentials_t server;
	gnutls_psk_client_credentials_t client;
	gnutls_priority_t priority;
	char key_file[256];
	int listen_fd;
	qb_loop_timer_handle accept_retry;
	void (*accepted)(void *arg, struct conn *c);
	void *accepted_arg;
	unsigned int nr_strangers;
	struct later *later;
	struct conn *conns; /* all of them */
};

/*
 * A connection on a socket that is connecting or connected; the socket is its own from here on, also on
 * errors. server: a stranger, handed to t->accepted when it has proven itself.
 */
int conn_new(struct transport *t, int fd, bool server, const struct transport_addr *peer, struct conn **out,
	     char *why);
void transport_addr_text(struct transport_addr *a);

#endif /* KEMARI_TRANSPORT_TCP_H */
