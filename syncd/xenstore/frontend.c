/* SPDX-License-Identifier: GPL-2.0-only */
#include "xenstore/frontend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "xenstore/xsconn.h"

/* What we read so far and where to say what is wrong with it. */
struct reader {
	frontend_lookup_fn get;
	void *arg;
	char *why;
	size_t why_len;
};

#define KEY_MAX 48
#define SHOWN_MAX 40 /* how much of a guest's value goes into a message */

static int refuse(const struct reader *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(const struct reader *r, int err, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	vsnprintf(r->why, r->why_len, fmt, ap);
	va_end(ap);
	/* The values in it are the guest's: nothing that could disturb a terminal or a log line. */
	for (p = r->why; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return err;
}

/* A number min..max; the key must exist unless fallback is given. */
static int get_number(const struct reader *r, const char *key, uint32_t min, uint32_t max,
		      const uint32_t *fallback, uint32_t *val)
{
	const char *text = r->get(r->arg, key);
	uint32_t n;

	if (!text && fallback) {
		*val = *fallback;
		return 0;
	}
	if (!text)
		return refuse(r, -ENOENT, "the frontend did not write %s", key);
	if (xsconn_parse_u32(text, max, &n) || n < min)
		return refuse(r, -EINVAL, "the frontend's %s is \"%.*s\", not a number from %u to %u", key,
			      SHOWN_MAX, text, min, max);
	*val = n;
	return 0;
}

/* Feature keys are 0 or 1; any other number counts as set, as Linux backends read them. */
static int get_feature(const struct reader *r, const char *key, uint32_t bit, uint32_t *features)
{
	static const uint32_t off = 0;
	uint32_t n;
	int err = get_number(r, key, 0, UINT32_MAX, &off, &n);

	if (!err && n)
		*features |= bit;
	return err;
}

/* Keys of queue q: in queue-N/ when there is more than one, flat otherwise. */
static const char *queue_key(char key[KEY_MAX], uint32_t nr_queues, uint32_t q, const char *name)
{
	if (nr_queues == 1)
		snprintf(key, KEY_MAX, "%s", name);
	else
		snprintf(key, KEY_MAX, "queue-%u/%s", q, name);
	return key;
}

static int get_nr_queues(const struct reader *r, const struct frontend_limits *lim, uint32_t *nr)
{
	static const uint32_t one = 1;
	uint32_t max = lim->max_queues < DEVICE_MAX_QUEUES ? lim->max_queues : DEVICE_MAX_QUEUES;

	return get_number(r, "multi-queue-num-queues", 1, max, &one, nr);
}

/* Grant references 0..7 are reserved for the toolstack; the console's and xenstore's are no rings of a
 * device. */
static int get_ref(const struct reader *r, const char *key, uint32_t *ref)
{
	return get_number(r, key, 1, UINT32_MAX, NULL, ref);
}

static int get_port(const struct reader *r, const struct frontend_limits *lim, const char *key,
		    uint32_t *port)
{
	return get_number(r, key, 1, lim->max_evtchn - 1, NULL, port);
}

static int unique(const struct reader *r, const struct device_cfg *cfg)
{
	uint32_t q, p;

	for (q = 0; q < cfg->nr_queues; q++) {
		for (p = 0; p < q; p++) {
			const struct device_queue_cfg *a = &cfg->queue[q], *b = &cfg->queue[p];

			if (a->evtchn == b->evtchn || a->evtchn == b->evtchn_rx ||
			    (a->evtchn_rx && (a->evtchn_rx == b->evtchn || a->evtchn_rx == b->evtchn_rx)))
				return refuse(r, -EINVAL,
					      "the frontend's queues %u and %u share an event channel", p, q);
		}
	}
	return 0;
}

static int parse_protocol(const struct reader *r, uint32_t *features)
{
	const char *text = r->get(r->arg, "protocol");

	if (!text || !strcmp(text, "x86_32-abi")) {
		*features |= VBD_FE_X86_32;
		return 0;
	}
	if (!strcmp(text, "x86_64-abi"))
		return 0;
	return refuse(r, -EINVAL, "the frontend's protocol is \"%.*s\", not x86_64-abi or x86_32-abi",
		      SHOWN_MAX, text);
}

static int parse_vbd_queue(const struct reader *r, const struct frontend_limits *lim,
			   const struct device_cfg *cfg, uint32_t q, uint32_t order, bool order_given,
			   struct device_queue_cfg *out)
{
	char key[KEY_MAX], name[24];
	uint32_t i;
	int err;

	out->nr_ring_pages = 1U << order;
	for (i = 0; i < out->nr_ring_pages; i++) {
		/* One page: "ring-ref"; with ring-page-order, even 0, frontends write "ring-ref0" ... */
		snprintf(name, sizeof(name), "ring-ref%u", i);
		queue_key(key, cfg->nr_queues, q, name);
		if (!order && (!order_given || !r->get(r->arg, key)))
			queue_key(key, cfg->nr_queues, q, "ring-ref");
		err = get_ref(r, key, &out->ring_ref[i]);
		if (err)
			return err;
	}
	return get_port(r, lim, queue_key(key, cfg->nr_queues, q, "event-channel"), &out->evtchn);
}

int frontend_parse_vbd(frontend_lookup_fn get, void *arg, const struct frontend_limits *lim,
		       struct device_cfg *cfg, char *why, size_t why_len)
{
	const struct reader r = { get, arg, why, why_len };
	static const uint32_t zero = 0;
	uint32_t order, q;
	bool order_given;
	int err;

	memset(cfg, 0, sizeof(*cfg));
	err = parse_protocol(&r, &cfg->features);
	if (!err)
		err = get_feature(&r, "feature-persistent", VBD_FE_PERSISTENT, &cfg->features);
	if (!err)
		err = get_nr_queues(&r, lim, &cfg->nr_queues);
	if (!err)
		err = get_number(&r, "ring-page-order", 0, lim->max_page_order, &zero, &order);
	if (err)
		return err;
	order_given = get(arg, "ring-page-order");
	for (q = 0; q < cfg->nr_queues; q++) {
		err = parse_vbd_queue(&r, lim, cfg, q, order, order_given, &cfg->queue[q]);
		if (err)
			return err;
	}
	return unique(&r, cfg);
}

static int parse_vif_queue(const struct reader *r, const struct frontend_limits *lim, uint32_t nr_queues,
			   uint32_t q, bool split, struct device_queue_cfg *out)
{
	char key[KEY_MAX];
	int err;

	out->nr_ring_pages = 2;
	err = get_ref(r, queue_key(key, nr_queues, q, "tx-ring-ref"), &out->ring_ref[0]);
	if (!err)
		err = get_ref(r, queue_key(key, nr_queues, q, "rx-ring-ref"), &out->ring_ref[1]);
	if (err)
		return err;
	if (!split)
		return get_port(r, lim, queue_key(key, nr_queues, q, "event-channel"), &out->evtchn);
	err = get_port(r, lim, queue_key(key, nr_queues, q, "event-channel-tx"), &out->evtchn);
	if (!err)
		err = get_port(r, lim, queue_key(key, nr_queues, q, "event-channel-rx"), &out->evtchn_rx);
	if (!err && out->evtchn == out->evtchn_rx)
		err = refuse(r, -EINVAL, "the frontend's %s equals its event-channel-tx", key);
	return err;
}

int frontend_parse_vif(frontend_lookup_fn get, void *arg, const struct frontend_limits *lim,
		       struct device_cfg *cfg, char *why, size_t why_len)
{
	static const struct {
		const char *key;
		uint32_t bit;
	} features[] = {
		{ "request-rx-copy", VIF_FE_RX_COPY },
		{ "feature-rx-notify", VIF_FE_RX_NOTIFY },
		{ "feature-sg", VIF_FE_SG },
		{ "feature-gso-tcpv4", VIF_FE_GSO_TCPV4 },
		{ "feature-gso-tcpv6", VIF_FE_GSO_TCPV6 },
		{ "feature-no-csum-offload", VIF_FE_NO_CSUM },
		{ "feature-ipv6-csum-offload", VIF_FE_IPV6_CSUM },
	};
	const struct reader r = { get, arg, why, why_len };
	char key[KEY_MAX];
	uint32_t q;
	size_t i;
	bool split;
	int err;

	memset(cfg, 0, sizeof(*cfg));
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		err = get_feature(&r, features[i].key, features[i].bit, &cfg->features);
		if (err)
			return err;
	}
	if (!(cfg->features & VIF_FE_RX_COPY))
		return refuse(&r, -EINVAL,
			      "the frontend did not set request-rx-copy, which every driver since 2009 does");
	err = get_nr_queues(&r, lim, &cfg->nr_queues);
	if (err)
		return err;
	split = get(arg, queue_key(key, cfg->nr_queues, 0, "event-channel-tx"));
	if (split)
		cfg->features |= VIF_FE_SPLIT;
	for (q = 0; q < cfg->nr_queues; q++) {
		err = parse_vif_queue(&r, lim, cfg->nr_queues, q, split, &cfg->queue[q]);
		if (err)
			return err;
	}
	return unique(&r, cfg);
}
