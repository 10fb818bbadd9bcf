/* SPDX-License-Identifier: GPL-2.0-only */
/* The console backend. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>

#include <cmocka.h>
#include <xen/xen.h>

#include <xen/io/console.h>

#include "console/console.h"
#include "console/console_int.h"
#include "fake_host.h"

#define PORT 2

struct env {
	struct fake_host h;
	struct device_cfg cfg;
	struct device *dev;
	uint8_t *mem;
	char log[64];
	int log_fd, tty; /* tty < 0: nobody reads */
};

static struct xencons_interface *page(struct env *e)
{
	return (struct xencons_interface *)fake_page(&e->h.guest, 0);
}

static void create(struct env *e)
{
	struct console_cfg cfg = { .log_path = e->log };

	assert_int_equal(console_create(&e->h.host, &cfg, e->mem, console_mem_size(), &e->dev), 0);
}

static void connect_console(struct env *e)
{
	assert_int_equal(e->dev->ops->connect(e->dev, &e->cfg), 0);
	fake_run(&e->h, 1);
}

static void init(struct env *e)
{
	memset(e, 0, sizeof(*e));
	fake_host_init(&e->h, 4);
	/* The toolstack seeds entry 0 of the grant table. */
	e->h.guest.grant[0].valid = true;
	e->cfg.nr_queues = 1;
	e->cfg.queue[0].nr_ring_pages = 1;
	e->cfg.queue[0].evtchn = PORT;
	e->mem = calloc(1, console_mem_size());
	snprintf(e->log, sizeof(e->log), "/tmp/kemari-console-test.XXXXXX");
	e->log_fd = mkstemp(e->log);
	assert_true(e->log_fd >= 0);
	e->tty = -1;
	create(e);
	connect_console(e);
}

static void open_tty(struct env *e)
{
	e->tty = open(console_tty(e->dev), O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	assert_true(e->tty >= 0);
}

/* The kernel hands bytes over when it comes to it: waits for all of len, 5 s at most. */
static size_t read_tty(struct env *e, char *buf, size_t len)
{
	struct pollfd p = { .fd = e->tty, .events = POLLIN };
	size_t n = 0;

	while (n < len && poll(&p, 1, 5000) == 1) {
		ssize_t got = read(e->tty, buf + n, len - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

/* The same in the other direction: the daemon's end can be read when this returns. */
static void type(struct env *e, const char *text, size_t len)
{
	struct pollfd p = { .fd = console_of(e->dev)->pty.master, .events = POLLIN };

	assert_int_equal(write(e->tty, text, len), len);
	assert_int_equal(poll(&p, 1, 5000), 1);
}

static void fini(struct env *e)
{
	e->dev->ops->destroy(e->dev);
	assert_int_equal(e->h.guest.maps, 0);
	if (e->tty >= 0)
		close(e->tty);
	close(e->log_fd);
	unlink(e->log);
	free(e->mem);
	fake_host_fini(&e->h);
}

/* The daemon dies: memory file and guest stay as they are. */
static void kill_daemon(struct env *e)
{
	uint8_t *mem = malloc(console_mem_size());
	struct xencons_interface was = *page(e);

	memcpy(mem, e->mem, console_mem_size());
	e->dev->ops->destroy(e->dev);
	memcpy(e->mem, mem, console_mem_size());
	*page(e) = was;
	free(mem);
	memset(&e->h.guest.port, 0, sizeof(e->h.guest.port));
}

/* As much of text as the ring takes; returns how much. */
static size_t print(struct env *e, const char *text)
{
	struct xencons_interface *p = page(e);
	size_t n = 0;

	for (; text[n] && p->out_prod - p->out_cons < sizeof(p->out); n++)
		p->out[MASK_XENCONS_IDX(p->out_prod++, p->out)] = text[n];
	fake_kick(&e->h.guest, PORT);
	return n;
}

static void assert_log(struct env *e, const char *text)
{
	char buf[65536];
	ssize_t len = pread(e->log_fd, buf, sizeof(buf) - 1, 0);

	assert_true(len >= 0);
	buf[len] = 0;
	assert_string_equal(buf, text);
}

static void bytes_wait_for_their_epoch(void **state)
{
	struct env e;
	char buf[64] = { 0 };

	init(&e);
	open_tty(&e);
	e.h.epoch = 4;
	print(&e, "one ");
	e.h.epoch = 5;
	print(&e, "two ");
	assert_int_equal(page(&e)->out_cons, 8); /* the guest goes on */
	assert_int_equal(e.h.held, 2);
	assert_int_equal(e.h.urgent, 0);
	e.dev->ops->release(e.dev, 3);
	assert_log(&e, "");
	assert_true(read(e.tty, buf, sizeof(buf)) < 0);
	e.dev->ops->release(e.dev, 4);
	assert_log(&e, "one ");
	e.dev->ops->release(e.dev, 7);
	assert_log(&e, "one two ");
	assert_int_equal(read_tty(&e, buf, 8), 8);
	assert_string_equal(buf, "one two ");
	fini(&e);
}

static void unprotected_bytes_leave_at_once_but_in_order(void **state)
{
	struct env e;

	init(&e);
	print(&e, "held ");
	e.h.hold = false;
	print(&e, "free ");
	assert_log(&e, "");
	e.dev->ops->release(e.dev, 1);
	assert_log(&e, "held free ");
	print(&e, "now");
	assert_log(&e, "held free now");
	fini(&e);
}

static void discard_drops_later_epochs_only(void **state)
{
	struct env e;

	init(&e);
	print(&e, "a");
	e.h.epoch = 2;
	print(&e, "b");
	e.dev->ops->discard(e.dev, 1);
	e.dev->ops->release(e.dev, 9);
	assert_log(&e, "a");
	fini(&e);
}

static void full_hold_queue_makes_the_guest_wait_until_release(void **state)
{
	static char text[2049], all[262144];
	size_t sent = 0, n;
	struct env e;

	memset(text, 'x', sizeof(text) - 1);
	init(&e);
	while ((n = print(&e, text)) > 0)
		sent += n;
	assert_true(sent > CONSOLE_HOLD_BYTES / 2);
	assert_true(e.h.urgent > 0);
	assert_int_equal(e.h.failed, 0);
	e.dev->ops->release(e.dev, 1);
	fake_run(&e.h, 1);
	assert_int_equal(page(&e)->out_cons, page(&e)->out_prod);
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(pread(e.log_fd, all, sizeof(all), 0), sent);
	fini(&e);
}

static void pty_that_nobody_reads_stops_nobody(void **state)
{
	static char text[1001], got[262144];
	size_t len = 0;
	struct env e;
	ssize_t n;

	init(&e);
	e.h.hold = false;
	for (int i = 0; i < 300; i++) {
		memset(text, 'a' + i % 26, sizeof(text) - 1);
		assert_int_equal(print(&e, text), 1000);
		assert_int_equal(page(&e)->out_cons, page(&e)->out_prod);
	}
	print(&e, "the end");
	open_tty(&e); /* somebody comes at last */
	for (int i = 0; i < 5000 && (len < 7 || memcmp(got + len - 7, "the end", 7) != 0); i++) {
		fake_run(&e.h, 1);
		while ((n = read(e.tty, got + len, sizeof(got) - len)) > 0)
			len += (size_t)n;
	}
	assert_true(len >= CONSOLE_PTY_BUFFER && len < 300000);
	assert_memory_equal(got + len - 7, "the end", 7);
	fini(&e);
}

static void input_reaches_the_guest_as_far_as_it_reads(void **state)
{
	static char text[3000], got[3000];
	size_t len = 0;
	struct env e;

	init(&e);
	open_tty(&e);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('A' + i % 50);
	type(&e, text, sizeof(text));
	for (int i = 0; i < 5000 && len < sizeof(got); i++) {
		struct xencons_interface *p = page(&e);

		fake_run(&e.h, 2);
		assert_true(p->in_prod - p->in_cons <= sizeof(p->in));
		while (p->in_cons != p->in_prod)
			got[len++] = p->in[MASK_XENCONS_IDX(p->in_cons++, p->in)];
		fake_kick(&e.h.guest, PORT);
	}
	assert_int_equal(len, sizeof(text));
	assert_memory_equal(got, text, sizeof(text));
	assert_true(e.h.guest.port[PORT].notified > 0);
	fini(&e);
}

static void pty_is_private_and_raw(void **state)
{
	struct termios t;
	struct stat st;
	struct env e;

	init(&e);
	assert_int_equal(stat(console_tty(e.dev), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	open_tty(&e);
	assert_int_equal(tcgetattr(e.tty, &t), 0);
	assert_int_equal(t.c_lflag & (ECHO | ICANON), 0);
	fini(&e);
}

static void restarted_daemon_loses_and_repeats_nothing(void **state)
{
	struct env e;

	init(&e);
	print(&e, "one ");
	print(&e, "two ");
	kill_daemon(&e);
	page(&e)->out_cons = 4; /* it had held "two " and died before saying so */
	create(&e);
	e.dev->ops->release(e.dev, 0);
	connect_console(&e);
	assert_int_equal(page(&e)->out_cons, 8);
	e.dev->ops->release(e.dev, 1);
	assert_log(&e, "one two ");
	print(&e, "three");
	e.dev->ops->release(e.dev, 1);
	assert_log(&e, "one two three");
	fini(&e);
}

static void held_bytes_travel_to_the_standby(void **state)
{
	static uint8_t snap[CONSOLE_SNAPSHOT_MAX];
	struct device_cfg cfg;
	uint32_t ref;
	struct env e;
	long len;

	init(&e);
	print(&e, "seen ");
	e.dev->ops->release(e.dev, 1);
	e.h.epoch = 2;
	print(&e, "held ");
	e.dev->ops->quiesce(e.dev);
	assert_int_equal(e.h.quiesced, 1);
	print(&e, "in the ring");
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	assert_true(len > 0);
	assert_int_equal(e.dev->ops->snapshot(e.dev, snap, (size_t)len - 1), -ENOBUFS);
	assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), -EBUSY);
	assert_int_equal(e.dev->ops->snapshot(e.dev, snap, sizeof(snap)), len);
	kill_daemon(&e);

	memset(e.mem, 0, console_mem_size());
	create(&e);
	assert_false(e.dev->ops->config(e.dev, &cfg));
	for (int i = 0; i < 2; i++) /* each epoch replaces the one before */
		assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), 0);
	assert_true(e.dev->ops->config(e.dev, &cfg));
	assert_memory_equal(&cfg, &e.cfg, sizeof(cfg));
	assert_int_equal(e.dev->ops->ring_refs(e.dev, &ref, 1), 1);
	assert_int_equal(ref, 0);
	assert_int_equal(e.dev->ops->connect(e.dev, &cfg), 0);
	fake_run(&e.h, 1);
	assert_log(&e, "seen ");
	e.dev->ops->release(e.dev, 2);
	assert_log(&e, "seen held in the ring");
	fini(&e);
}

static void damaged_snapshots_change_nothing(void **state)
{
	static uint8_t snap[CONSOLE_SNAPSHOT_MAX], bad[CONSOLE_SNAPSHOT_MAX];
	uint8_t *before = malloc(console_mem_size());
	uint32_t huge = 0xfffffff0U;
	struct env e;
	long len;

	init(&e);
	print(&e, "one");
	e.h.epoch = 2;
	print(&e, "two");
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	e.dev->ops->disconnect(e.dev);
	memcpy(before, e.mem, console_mem_size());
	for (long i = 0; i < len; i++)
		assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)i), -EBADMSG);
	for (long i = 0; i < 16; i++) { /* magic, version, two booleans */
		memcpy(bad, snap, (size_t)len);
		bad[i] ^= 0x40;
		assert_int_equal(e.dev->ops->restore(e.dev, bad, (size_t)len), -EBADMSG);
	}
	memcpy(bad, snap, (size_t)len);
	memcpy(bad + 24, &huge, 4); /* number of pieces */
	assert_int_equal(e.dev->ops->restore(e.dev, bad, (size_t)len), -EBADMSG);
	memcpy(bad, snap, (size_t)len);
	memcpy(bad + 32 + 12, &huge, 4); /* length of the first */
	assert_int_equal(e.dev->ops->restore(e.dev, bad, (size_t)len), -EBADMSG);
	memcpy(bad, snap, (size_t)len);
	memset(bad + len, 0, sizeof(bad) - (size_t)len);
	huge = (uint32_t)((sizeof(bad) - 32) / 16); /* empty pieces: more than the hold queue has room for */
	memset(bad + 32, 0, sizeof(bad) - 32);
	memcpy(bad + 24, &huge, 4);
	assert_int_equal(e.dev->ops->restore(e.dev, bad, 32 + (size_t)huge * 16), -EBADMSG);
	assert_memory_equal(before, e.mem, console_mem_size());
	free(before);
	fini(&e);
}

static void impossible_indexes_stop_the_console_alone(void **state)
{
	for (int in = 0; in < 2; in++) {
		struct env e;

		init(&e);
		open_tty(&e);
		if (in)
			page(&e)->in_prod = page(&e)->in_cons + 1025;
		else
			page(&e)->out_prod = page(&e)->out_cons + 2049;
		type(&e, "x", 1);
		fake_kick(&e.h.guest, PORT);
		fake_run(&e.h, 2);
		fake_kick(&e.h.guest, PORT);
		assert_int_equal(e.h.failed, 1);
		fini(&e);
	}
}

/* The guest writes what it wants into the page at any time. */
static void random_pages_break_nothing(void **state)
{
	unsigned int broken = 0;

	for (unsigned int seed = 0; seed < 100; seed++) {
		struct env e;

		srand(seed);
		init(&e);
		for (unsigned int step = 0; step < 50; step++) {
			struct xencons_interface *p = page(&e);

			p->out[rand() % 2048] = (char)rand();
			p->out_prod += (uint32_t)rand() % (rand() % 100 ? 500 : 5000);
			if (rand() % 100 == 0)
				p->out_cons = (uint32_t)rand();
			e.h.epoch++;
			fake_kick(&e.h.guest, PORT);
			if (rand() % 3 == 0)
				e.dev->ops->release(e.dev, e.h.epoch - (uint64_t)(rand() % 3));
			assert_true(hold_valid(&((struct console_mem *)e.mem)->hold, CONSOLE_HOLD_BYTES));
		}
		broken += e.h.failed;
		fini(&e);
	}
	assert_in_range(broken, 5, 95);
}

static void cfg_and_memory_are_checked(void **state)
{
	struct console_cfg cfg = { .log_path = "/nonexistent/log" };
	struct device_cfg bad;
	struct device *dev;
	uint8_t *fresh = calloc(1, console_mem_size());
	struct env e;

	init(&e);
	assert_int_equal(e.dev->ops->connect(e.dev, &e.cfg), -EBUSY);
	e.dev->ops->disconnect(e.dev);
	bad = e.cfg;
	bad.nr_queues = 2;
	assert_int_equal(e.dev->ops->connect(e.dev, &bad), -EINVAL);
	bad = e.cfg;
	bad.queue[0].ring_ref[0] = 99;
	assert_true(e.dev->ops->connect(e.dev, &bad) < 0);
	bad = e.cfg;
	bad.queue[0].evtchn = FAKE_MAX_PORTS + 1;
	assert_true(e.dev->ops->connect(e.dev, &bad) < 0);
	assert_int_equal(e.h.guest.maps, 0);
	connect_console(&e);
	assert_int_equal(console_create(&e.h.host, &cfg, fresh, console_mem_size(), &dev), -ENOENT);
	((struct console_mem *)e.mem)->hold.tail += 8;
	assert_int_equal(console_create(&e.h.host, &cfg, e.mem, console_mem_size(), &dev), -EBADMSG);
	((struct console_mem *)e.mem)->hold.tail -= 8;
	free(fresh);
	fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_wait_for_their_epoch),
		cmocka_unit_test(unprotected_bytes_leave_at_once_but_in_order),
		cmocka_unit_test(discard_drops_later_epochs_only),
		cmocka_unit_test(full_hold_queue_makes_the_guest_wait_until_release),
		cmocka_unit_test(pty_that_nobody_reads_stops_nobody),
		cmocka_unit_test(input_reaches_the_guest_as_far_as_it_reads),
		cmocka_unit_test(pty_is_private_and_raw),
		cmocka_unit_test(restarted_daemon_loses_and_repeats_nothing),
		cmocka_unit_test(held_bytes_travel_to_the_standby),
		cmocka_unit_test(damaged_snapshots_change_nothing),
		cmocka_unit_test(impossible_indexes_stop_the_console_alone),
		cmocka_unit_test(random_pages_break_nothing),
		cmocka_unit_test(cfg_and_memory_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
