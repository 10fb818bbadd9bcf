/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/fencer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/fencer_int.h"
#include "agent/daemon/helper.h"

struct fencer {
	struct helper *helper;
	const struct fencer_ops *ops;
	void *arg;
	bool wanted;
};

_Static_assert(sizeof(struct fencer_devices_packet) <= HELPER_PACKET, "they fit");

static void on_devices(struct fencer *f, const void *bytes)
{
	const struct fencer_devices_packet *p = bytes;

	if (p->word == FENCER_DEVICES)
		f->ops->devices(f->arg, &p->devices);
}

static void on_packet(void *arg, const void *bytes, size_t len)
{
	struct fencer *f = arg;
	struct fencer_packet p;

	if (len == sizeof(struct fencer_devices_packet))
		on_devices(f, bytes);
	if (len != sizeof(p))
		return;
	memcpy(&p, bytes, sizeof(p));
	switch (p.word) {
	case FENCER_CONNECTED:
	case FENCER_LOST:
		f->ops->connected(f->arg, p.word == FENCER_CONNECTED);
		break;
	case FENCER_FENCED:
		f->ops->fenced(f->arg, p.host, p.at, &p.asker);
		break;
	case FENCER_HISTORY:
		f->ops->history(f->arg, p.host, p.at, &p.asker);
		break;
	case FENCER_UNREAD:
		f->ops->unread(f->arg);
		break;
	case FENCER_BY_HAND:
		f->ops->confirmed_by_hand(f->arg, p.host);
		break;
	case FENCER_DONE:
		f->ops->result(f->arg, p.host, p.on, NULL);
		break;
	case FENCER_FAILED:
		f->ops->result(f->arg, p.host, p.on, p.why);
		break;
	default:
		break;
	}
}

static void on_gone(void *arg)
{
	struct fencer *f = arg;

	f->ops->gone(f->arg);
}

static const struct helper_ops helper_ops = { .run = fencer_run, .packet = on_packet, .gone = on_gone };

int fencer_start(const struct fencer_ops *ops, void *arg, struct fencer **out)
{
	struct fencer *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return -ENOMEM;
	f->ops = ops;
	f->arg = arg;
	rc = helper_start("kemari-fencer", &helper_ops, NULL, f, &f->helper);
	if (rc) {
		free(f);
		return rc;
	}
	*out = f;
	return 0;
}

int fencer_listen(struct fencer *f, struct qb_loop *loop)
{
	return helper_listen(f->helper, loop);
}

void fencer_stop(struct fencer *f)
{
	if (!f)
		return;
	helper_stop(f->helper);
	free(f);
}

int fencer_want(struct fencer *f, bool history)
{
	const struct fencer_packet p = { .word = history ? FENCER_WANT : FENCER_WANT_NOT };
	int rc = 0;

	if (history != f->wanted)
		rc = helper_send(f->helper, &p, sizeof(p));
	if (!rc)
		f->wanted = history;
	return rc;
}

static int ask(struct fencer *f, enum fencer_word word, const char *host)
{
	struct fencer_packet p = { .word = word };

	snprintf(p.host, sizeof(p.host), "%s", host);
	return helper_send(f->helper, &p, sizeof(p));
}

int fencer_ask(struct fencer *f, const char *host)
{
	return ask(f, FENCER_ASK, host);
}

int fencer_switch_on(struct fencer *f, const char *host)
{
	return ask(f, FENCER_ON, host);
}
