/* SPDX-License-Identifier: GPL-2.0-only */
/* corosync: how soon a dead host is noticed, and what keeps a live one from being taken for dead. */
#include <inttypes.h>
#include <string.h>

#include "agent/doctor/check.h"

/* Of two nodes; more only makes a failover later (corosync.conf(5): above the join time-out, 50 ms). */
#define CONSENSUS_WISH 200U
/* What corosync itself wants of a ring that is no pair. */
#define CONSENSUS_OF_TOKEN(token) ((token) / 10 * 12)
#define TOKEN_LEAST 500U
/* outdate_after_ms is that much more than the ring needs to notice (doc/ownership.md, item 24). */
#define OUTDATE_MARGIN 2000U

static void check_times(const struct fact_ring *r, struct findings *l)
{
	uint32_t token = r->ring.token_ms, consensus = r->ring.consensus_ms;
	bool pair = r->nr_nodes == 2;

	if (!token || !consensus) {
		finding_warning(l, "totem", "corosync does not say its time-outs (runtime.config.totem)");
		finding_fix(l, "set totem.token and totem.consensus in corosync.conf");
		return;
	}
	if (token + consensus > RING_SLOW_MS) {
		finding_warning(l, "totem",
				"a host that dies is noticed after %" PRIu32 " ms only (totem.token %" PRIu32
				" + totem.consensus %" PRIu32 ")",
				token + consensus, token, consensus);
		finding_fix(l, "set totem.token to 1000%s in corosync.conf",
			    pair ? " and totem.consensus to 200" : "");
	} else {
		finding_ok(l, "totem",
			   "a host that dies is noticed after %" PRIu32 " ms (totem.token %" PRIu32
			   " + totem.consensus %" PRIu32 ")",
			   token + consensus, token, consensus);
	}
	if (token < TOKEN_LEAST) {
		finding_warning(l, "totem",
				"totem.token is %" PRIu32 " ms: a dom0 that waits for a CPU so long "
				"is taken for dead",
				token);
		finding_fix(l, "set totem.token to 1000 in corosync.conf");
	}
	if (!pair && consensus < CONSENSUS_OF_TOKEN(token)) {
		finding_problem(l, "consensus",
				"totem.consensus %" PRIu32 " is less than 1.2 x totem.token %" PRIu32
				", which is safe with exactly two nodes, and there are "
				"%u",
				consensus, token, r->nr_nodes);
		finding_fix(l, "remove totem.consensus from corosync.conf");
	} else if (pair && consensus > token && token + consensus <= RING_SLOW_MS) {
		finding_warning(l, "consensus",
				"totem.consensus %" PRIu32 " makes a failover so much later; two "
				"nodes do not need it",
				consensus);
		finding_fix(l, "set totem.consensus to %u in corosync.conf", CONSENSUS_WISH);
	}
}

static void check_outdate(const struct facts *f, struct findings *l)
{
	const struct ring *r = &f->ring.ring;
	uint32_t least = r->token_ms + r->consensus_ms + OUTDATE_MARGIN;

	if (!f->config.loads || !r->token_ms || !r->consensus_ms)
		return;
	if (f->config.cfg.outdate_after_ms < least) {
		finding_problem(l, "outdate",
				"outdate_after_ms is %" PRIu32 ", less than totem.token + "
				"totem.consensus + %u = %" PRIu32 ": a host whose network fails "
				"just before it dies has its good copy dropped",
				f->config.cfg.outdate_after_ms, OUTDATE_MARGIN, least);
		finding_fix(l, "set outdate_after_ms to %" PRIu32 " or more in %s", least, f->config.path);
	} else {
		finding_ok(l, "outdate",
			   "outdate_after_ms (%" PRIu32 ") is longer than corosync needs to notice "
			   "a dead host",
			   f->config.cfg.outdate_after_ms);
	}
}

static const char *interface_of(const struct fact_host *h, const char *address)
{
	for (unsigned int i = 0; i < h->nr_addresses; i++)
		if (!strcmp(h->address[i].address, address))
			return h->address[i].interface;
	return NULL;
}

/* Whether that address of this host is on the network that this host is mirrored over. */
static bool replicates(const struct facts *f, const char *address)
{
	const char *own = kem_config_address(&f->config.cfg, f->config.cfg.host_name);
	const char *a = interface_of(&f->host, address), *b = interface_of(&f->host, own);

	return !strcmp(address, own) || (a && b && !strcmp(a, b));
}

static void check_links(const struct facts *f, struct findings *l)
{
	const struct fact_ring *r = &f->ring;
	unsigned int links = 0, own = 0, on_link = 0;

	for (unsigned int i = 0; i < r->nr_nodes; i++) {
		if (!i || r->node[i].nr_links < links)
			links = r->node[i].nr_links;
		if (r->node[i].nodeid == r->own)
			own = i + 1;
	}
	if (links < 2) {
		finding_warning(l, "links",
				"corosync has one link: when that network fails, a host is fenced "
				"though both are well");
		finding_fix(
			l,
			"add a second one (ring1_addr of each node in corosync.conf), over the replication "
			"network");
	} else {
		finding_ok(l, "links", "corosync has %u links", links);
	}
	if (!own || !f->config.loads || f->config.cfg.nr_hosts != 2)
		return;
	for (unsigned int k = 0; k < r->node[own - 1].nr_links; k++)
		on_link += replicates(f, r->node[own - 1].address[k]);
	if (on_link) {
		finding_ok(l, "links", "one of corosync's links is on the replication network");
	} else {
		finding_warning(l, "links",
				"none of corosync's links is on the replication network (%s): that "
				"one may fail without the cluster's notice",
				kem_config_address(&f->config.cfg, f->config.cfg.host_name));
		finding_fix(l, "give each node its address of the host lines as ring1_addr in corosync.conf");
	}
}

static void check_crypto(const struct fact_ring *r, struct findings *l)
{
	bool cipher = r->cipher[0] && strcmp(r->cipher, "none");
	bool hash = r->hash[0] && strcmp(r->hash, "none");

	if (cipher && hash) {
		finding_ok(l, "crypto", "corosync's messages are encrypted (%s, %s)", r->cipher, r->hash);
		return;
	}
	finding_warning(l, "crypto",
			"corosync's messages are not %s: anybody in its network can speak for a "
			"host",
			hash ? "encrypted" : "authenticated");
	finding_fix(
		l, "totem.crypto_cipher: aes256 and totem.crypto_hash: sha256 in corosync.conf, and a key of "
		   "corosync-keygen on each node");
}

static void check_votes(const struct fact_ring *r, struct findings *l)
{
	if (r->nr_nodes != 2 || r->device)
		return;
	if (!r->two_node) {
		finding_problem(l, "quorum",
				"quorum.two_node is not set: the host that remains has no quorum, and "
				"nothing fails over");
		finding_fix(l, "two_node: 1 in the section quorum of corosync.conf");
	} else if (!r->wait_for_all) {
		finding_problem(l, "quorum",
				"quorum.wait_for_all is off: a host that boots alone fences the other "
				"one, which may be running guests");
		finding_fix(l, "remove wait_for_all: 0 from corosync.conf; two_node: 1 sets it");
	} else {
		finding_ok(l, "quorum", "two_node and wait_for_all are set");
	}
}

void check_ring(const struct facts *f, struct findings *l)
{
	const struct fact_ring *r = &f->ring;

	if (!r->source.seen) {
		finding_warning(l, "corosync",
				"corosync was not looked at (time-outs, links, crypto, quorum, names): "
				"%s",
				r->source.why);
		finding_fix(l, f->host.root ? "see that corosync runs and answers (corosync-cfgtool -s), "
					      "then kemari doctor again"
					    : "run kemari doctor as root; if it is the same then: systemctl "
					      "start corosync");
		return;
	}
	check_times(r, l);
	check_outdate(f, l);
	check_links(f, l);
	check_crypto(r, l);
	check_votes(r, l);
}
