/* SPDX-License-Identifier: GPL-2.0-only */
/* The helper that holds the connection to Pacemaker's fencer.  It may wait; it decides nothing. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <pacemaker/crm/stonith-ng.h>
#include <xxhash.h>

#include "agent/daemon/fencer_int.h"
#include "agent/daemon/helper.h"
#include "log.h"

#define TURN_MS 1000
#define HISTORY_S 5   /* how long the fencer may take to tell it */
#define FENCE_S 120   /* a device's time */
#define DISPATCH_S 10 /* to take what has come */
/* One that ended just now will do, it may be on its way; no host has booted again in that time, and an older
 * one was no proof. */
#define TOLERANCE_S 5
#define COMMAND_MS 5000
#define DEVICES_NS (60 * 1000000000LL) /* how old they may be */
#define DEVICES_RETRY_NS (2 * 1000000000LL)
#define HOSTS 32
#define CALLS 8		  /* fencings asked for at once */
#define FENCED 16	  /* told at once; the history has what is more */
#define A_HUMAN "a human" /* who executed what was confirmed by hand */

struct asked {
	char host[ROW_HOST]; /* "": free */
	bool on;
	int first; /* the call that the place was taken for: earlier ones were for who had it before */
};

struct talk {
	int fd;	       /* of the daemon */
	stonith_t *st; /* NULL: not connected */
	int st_fd;
	bool want;	 /* the history each second */
	bool read_now;	 /* ... at once */
	int64_t idle_ns; /* CLOCK_BOOTTIME when nothing had come, last */
	bool hopeless;	 /* the daemon is gone */
	/* of the history: the last one of each host */
	unsigned int nr;
	struct {
		char host[ROW_HOST];
		int64_t wall_ns;
		struct asker asker;
	} last[HOSTS];
	struct asked asked[CALLS];
	uint64_t history_sum;	/* of what was told of it */
	unsigned int nr_fenced; /* fencings that the fencer told of, and the daemon does not know of yet */
	struct fencer_packet fenced[FENCED];
	bool devices_now;	 /* they have to be read before anything else is told */
	bool devices_known;	 /* the last time they could be read */
	struct cib_s *cib;	 /* where they are read, NULL: not connected */
	uint64_t devices_sum;	 /* of the configuration that was read, 0: none */
	int64_t devices_next_ns; /* CLOCK_BOOTTIME when they are read again */
	struct fencer_devices_packet devices;
};

/* What libstonithd calls back with is a stonith_t only: the way from there to struct talk. */
static struct talk *talking;

static int64_t boottime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void send_packet(struct talk *t, const struct fencer_packet *p)
{
	/* may wait: the daemon reads */
	if (send(t->fd, p, sizeof(*p), MSG_NOSIGNAL) < 0)
		t->hopeless = true;
}

static void tell(struct talk *t, enum fencer_word word, const char *host)
{
	struct fencer_packet p = { .word = word };

	if (host)
		snprintf(p.host, sizeof(p.host), "%s", host);
	send_packet(t, &p);
}

/* Of a fencing. */
static struct fencer_packet packet_of(enum fencer_word word, const char *host, int64_t at,
				      const struct asker *asker)
{
	struct fencer_packet p = { .word = word, .at = at, .asker = *asker };

	snprintf(p.host, sizeof(p.host), "%s", host);
	return p;
}

/* Tells of them when the configuration is another one than before, and when they cannot be read. */
static void read_devices(struct talk *t)
{
	const uint64_t before = t->devices_sum;

	t->devices_known = fencer_devices(&t->cib, &t->devices.devices, &t->devices_sum);
	t->devices_now = false;
	t->devices_next_ns = boottime() + (t->devices_known ? DEVICES_NS : DEVICES_RETRY_NS);
	if (!t->devices_known) {
		t->devices_sum = 0; /* they are told of when they can be read, whatever they are */
		tell(t, FENCER_UNREAD, NULL);
		return;
	}
	if (t->devices_sum == before)
		return;
	t->devices.word = FENCER_DEVICES;
	if (send(t->fd, &t->devices, sizeof(t->devices), MSG_NOSIGNAL) < 0)
		t->hopeless = true;
}

/* Of what was asked for. */
static void tell_result(struct talk *t, const char *host, bool on, const char *why)
{
	struct fencer_packet p = { .word = why ? FENCER_FAILED : FENCER_DONE, .on = on };

	snprintf(p.host, sizeof(p.host), "%s", host);
	snprintf(p.why, sizeof(p.why), "%s", why ?: "");
	send_packet(t, &p);
}

static bool switches_off(const char *action)
{
	return action && (!strcmp(action, "off") || !strcmp(action, "reboot") || !strcmp(action, "poweroff"));
}

static void on_fenced(stonith_t *st, stonith_event_t *e)
{
	struct talk *t = talking;
	struct asker asker;

	t->read_now = true;
	if (!e || e->result != 0 || !e->target || !switches_off(e->action))
		return;
	if (e->executioner && !strcmp(e->executioner, A_HUMAN)) {
		tell(t, FENCER_BY_HAND, e->target);
		return;
	}
	asker_set(&asker, e->client_origin, e->origin, e->executioner);
	/* the configuration may have been changed since it was read, and that device have done it */
	t->devices_now = true;
	if (t->nr_fenced < FENCED)
		t->fenced[t->nr_fenced++] = packet_of(FENCER_FENCED, e->target, t->idle_ns, &asker);
}

static void on_history(stonith_t *st, stonith_event_t *e)
{
	talking->read_now = true;
}

static void on_result(stonith_t *st, stonith_callback_data_t *d)
{
	struct asked *a = d->userdata;

	/* one of two calls for the same has answered for both */
	if (!a->host[0] || d->call_id < a->first)
		return;
	tell_result(talking, a->host, a->on, d->rc ? strerror(-d->rc) : NULL);
	a->host[0] = '\0';
}

static void note(struct talk *t, const char *host, int64_t wall_ns, const stonith_history_t *h)
{
	unsigned int i;

	for (i = 0; i < t->nr && strcmp(t->last[i].host, host) != 0; i++)
		;
	if (i == HOSTS)
		return;
	if (i == t->nr) {
		snprintf(t->last[i].host, sizeof(t->last[i].host), "%s", host);
		t->nr++;
	} else if (t->last[i].wall_ns > wall_ns) {
		return;
	}
	t->last[i].wall_ns = wall_ns;
	asker_set(&t->last[i].asker, h->client, h->origin, h->delegate);
}

static uint64_t history_sum(const struct talk *t)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		sum = XXH64(t->last[i].host, strlen(t->last[i].host), sum);
		sum = XXH64(&t->last[i].wall_ns, sizeof(t->last[i].wall_ns), sum);
	}
	return sum;
}

/* False: it is not told now. */
static bool read_history(struct talk *t)
{
	stonith_history_t *list = NULL, *h;

	if (t->st->cmds->history(t->st, st_opt_none, NULL, &list, HISTORY_S)) {
		t->read_now = false;
		return false;
	}
	t->nr = 0;
	for (h = list; h; h = h->next)
		if (h->state == st_done && h->target && switches_off(h->action) &&
		    !(h->delegate && !strcmp(h->delegate, A_HUMAN)))
			note(t, h->target, (int64_t)h->completed * 1000000000LL + h->completed_nsec, h);
	stonith_history_free(list);
	return true;
}

static void tell_history(struct talk *t)
{
	struct fencer_packet p;
	unsigned int i;

	t->read_now = false;
	t->history_sum = history_sum(t);
	for (i = 0; i < t->nr; i++) {
		p = packet_of(FENCER_HISTORY, t->last[i].host, t->last[i].wall_ns, &t->last[i].asker);
		send_packet(t, &p);
	}
}

static void tell_fenced(struct talk *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_fenced; i++)
		send_packet(t, &t->fenced[i]);
	t->nr_fenced = 0;
}

static void disconnect(struct talk *t)
{
	if (!t->st)
		return;
	stonith_api_delete(t->st);
	t->st = NULL;
	memset(t->asked, 0, sizeof(t->asked)); /* what came of them is for the history to tell */
	tell(t, FENCER_LOST, NULL);
}

static void connect_fencer(struct talk *t)
{
	stonith_t *st = stonith_api_new();

	if (!st)
		return;
	if (st->cmds->connect(st, "kemari-agent", &t->st_fd)) {
		stonith_api_delete(st);
		return;
	}
	st->cmds->register_notification(st, T_STONITH_NOTIFY_FENCE, on_fenced);
	st->cmds->register_notification(st, T_STONITH_NOTIFY_HISTORY, on_history);
	st->cmds->register_notification(st, T_STONITH_NOTIFY_HISTORY_SYNCED, on_history);
	t->st = st;
	t->read_now = true;
	t->devices_next_ns = 0;
	tell(t, FENCER_CONNECTED, NULL);
}

/* The cluster's own choice; Pacemaker's default is to reboot. */
static const char *stonith_action(void)
{
	static const char *const argv[] = { "crm_attribute",  "-t", "crm_config", "-n",
					    "stonith-action", "-G", "-q",	  "-d",
					    "reboot",	      NULL };
	char out[32];

	/* whoever cannot tell gets the one that leaves no doubt */
	return !helper_command(argv, COMMAND_MS, out, sizeof(out)) && !strncmp(out, "reboot", 6) ? "reboot"
												 : "off";
}

/* A free place, or that of a call for the same whose answer was given up; below 0: there is none. */
static int place_for(const struct talk *t, const char *host, bool on)
{
	int i, place = -1;

	for (i = 0; i < CALLS; i++) {
		if (t->asked[i].on == on && !strcmp(t->asked[i].host, host))
			return i;
		if (place < 0 && !t->asked[i].host[0])
			place = i;
	}
	return place;
}

static void ask(struct talk *t, const char *host, bool on)
{
	int i, call = -EBUSY;

	i = place_for(t, host, on);
	if (t->st && i >= 0)
		call = t->st->cmds->fence(t->st, st_opt_none, host, on ? "on" : stonith_action(), FENCE_S,
					  TOLERANCE_S);
	if (call <= 0) {
		tell_result(t, host, on,
			    t->st ? strerror(call ? -call : EIO) : "Pacemaker's fencer is not there");
		return;
	}
	if (!t->asked[i].host[0])
		t->asked[i].first = call;
	snprintf(t->asked[i].host, sizeof(t->asked[i].host), "%s", host);
	t->asked[i].on = on;
	/* no time limit: libstonithd's needs GLib's main loop, and the fencer has its own */
	t->st->cmds->register_callback(t->st, call, 0, st_opt_none, &t->asked[i], "kemari-agent", on_result);
}

static void take_order(struct talk *t)
{
	struct fencer_packet p;
	ssize_t n = recv(t->fd, &p, sizeof(p), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		t->hopeless = true;
	if (n != (ssize_t)sizeof(p))
		return;
	if (p.word == FENCER_ASK || p.word == FENCER_ON)
		ask(t, p.host, p.word == FENCER_ON);
	else
		t->want = p.word == FENCER_WANT;
}

/*
 * stonith_dispatch() (Pacemaker 2.1) never returns once the fencer is gone, as its loop takes
 * crm_ipc_ready()'s error for readiness.  It is not called for a connection that has hung up; should that
 * happen within, this process ends, and the daemon starts anew with it.
 */
static bool dispatch(struct talk *t, short revents)
{
	bool connected;

	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		return false;
	alarm(DISPATCH_S);
	connected = stonith_dispatch(t->st);
	alarm(0);
	return connected;
}

/* Returns whether the fencer had nothing to tell. */
static bool turn(struct talk *t)
{
	struct pollfd p[2] = { { .fd = t->fd, .events = POLLIN }, { .fd = t->st_fd, .events = POLLIN } };
	int n = poll(p, t->st ? 2 : 1, TURN_MS);

	if (n < 0)
		return false;
	if (t->st && p[1].revents && !dispatch(t, p[1].revents))
		disconnect(t);
	if (p[0].revents)
		take_order(t);
	return !p[1].revents;
}

/* Each second, and when something has come. */
static void look(struct talk *t)
{
	bool due, history;

	if (!t->st)
		connect_fencer(t);
	if (!t->st)
		return;
	due = fencer_devices_touched() || t->devices_now || boottime() >= t->devices_next_ns;
	if (!t->devices_known && !due)
		return;
	history = (t->read_now || t->want) && read_history(t);
	/* what is new was done by the devices that there are now: they are read after it was heard of */
	if (due || (history && history_sum(t) != t->history_sum))
		read_devices(t);
	/* what is told is judged by them: it waits until they are known */
	if (!t->devices_known)
		return;
	tell_fenced(t);
	if (history)
		tell_history(t);
}

int fencer_run(int fd, const void *conf)
{
	static struct talk t;
	struct timespec now, last = { 0 };

	/* Pacemaker's libraries log by libqb, too: what of it matters is told to the daemon */
	qb_log_filter_ctl(QB_LOG_SYSLOG, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*", LOG_TRACE);
	qb_log_filter_ctl(QB_LOG_STDERR, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*", LOG_TRACE);
	memset(&t, 0, sizeof(t));
	t.fd = fd;
	talking = &t;
	connect_fencer(&t);
	while (!t.hopeless) {
		const int64_t before = boottime();

		if (turn(&t))
			t.idle_ns = before;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!t.read_now && now.tv_sec == last.tv_sec)
			continue;
		last = now;
		look(&t);
	}
	talking = NULL;
	return 0;
}
