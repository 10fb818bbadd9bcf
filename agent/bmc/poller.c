/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/poller.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "monotonic.h"

#define SECOND 1000000000ULL

struct watch_poller {
	struct watch_source *source;
	const struct watch_table *table;
	pthread_t thread;
	int fd;
	struct watch_look work; /* the thread's own */
	pthread_mutex_t lock;	/* of all below */
	pthread_cond_t changed; /* a look was taken, or stop */
	bool stop;
	bool ready;
	struct watch_look look;
	uint64_t since_ns; /* the look under way began; 0: there is none */
};

/* False: stop. */
static bool sleep_until(struct watch_poller *p, uint64_t ns)
{
	const struct timespec t = { .tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND) };
	bool go;

	pthread_mutex_lock(&p->lock);
	/* also until the last look is taken: none is lost, entries of the log come but once */
	while (!p->stop && (p->ready || monotonic_ns() < ns)) {
		if (p->ready)
			pthread_cond_wait(&p->changed, &p->lock);
		else
			pthread_cond_timedwait(&p->changed, &p->lock, &t);
	}
	go = !p->stop;
	if (go)
		p->since_ns = monotonic_ns();
	pthread_mutex_unlock(&p->lock);
	return go;
}

static void hand_over(struct watch_poller *p)
{
	pthread_mutex_lock(&p->lock);
	p->look = p->work;
	p->ready = true;
	p->since_ns = 0;
	pthread_mutex_unlock(&p->lock);
	eventfd_write(p->fd, 1);
}

static void *run(void *arg)
{
	struct watch_poller *p = arg;
	uint64_t next = monotonic_ns(), sensors_at = next;

	while (sleep_until(p, next)) {
		uint64_t begin = monotonic_ns();
		bool sensors = begin >= sensors_at;

		memset(&p->work, 0, sizeof(p->work));
		p->source->ops->look(p->source, sensors, &p->work);
		/* a slow BMC is asked no more often than it answers */
		next = begin + p->table->interval * SECOND;
		if (p->work.took_ns > p->table->interval * SECOND / 2)
			next = monotonic_ns() + p->work.took_ns;
		/* what failed is not as good as done */
		if (sensors && !p->work.error)
			sensors_at = begin + p->table->sensor_interval * SECOND;
		hand_over(p);
	}
	return NULL;
}

static int start_thread(struct watch_poller *p)
{
	sigset_t all, old;
	int rc;

	/* signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static void dispose(struct watch_poller *p)
{
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

int watch_poller_begin(struct watch_source *source, const struct watch_table *table,
		       struct watch_poller **out, int *fd)
{
	struct watch_poller *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	int rc;

	if (!p)
		return -ENOMEM;
	p->source = source;
	p->table = table;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = p->fd < 0 ? -errno : start_thread(p);
	if (rc) {
		dispose(p);
		return rc;
	}
	*out = p;
	*fd = p->fd;
	return 0;
}

bool watch_poller_take(struct watch_poller *p, struct watch_look *l)
{
	eventfd_t count;
	bool ready;

	eventfd_read(p->fd, &count);
	pthread_mutex_lock(&p->lock);
	ready = p->ready;
	if (ready)
		*l = p->look;
	p->ready = false;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return ready;
}

uint64_t watch_poller_waiting(struct watch_poller *p)
{
	uint64_t since;

	pthread_mutex_lock(&p->lock);
	since = p->since_ns;
	pthread_mutex_unlock(&p->lock);
	return since ? monotonic_ns() - since : 0;
}

bool watch_poller_end(struct watch_poller *p, unsigned int seconds)
{
	struct timespec end;

	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += seconds;
	if (pthread_timedjoin_np(p->thread, NULL, &end))
		return false;
	dispose(p);
	return true;
}
