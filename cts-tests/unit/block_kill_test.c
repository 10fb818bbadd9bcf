/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon is killed with SIGKILL again and again under a guest that does not stop (G6).  The backend is a
 * child; ring pages, data pages and the in-flight table are shared memory, as the guest's RAM and the memory
 * file are.  The guest is the parent: each of its requests must be answered once, with the right data.
 */
#include "block/internal.h"
#include "block_env.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#define KILLS 40
#define READ_SECTOR 8192ULL /* the upper half of the disk is read, the lower half written */

struct bed {
	struct fake_guest fake;
	struct block_front front;
	struct block_env env; /* of the daemon; in the parent only path and mem */
	char lock[PATH_MAX];
	unsigned int next_id, last_id; /* last_id: share of the ids for the daemons up to now */
};

/* Sector and page of a request; both are used again only long after it was answered. */
static uint64_t sector_of(unsigned int id)
{
	return (id % 900) * 8;
}

static unsigned int page_of(unsigned int id)
{
	return DATA_PAGE0 + id % 900;
}

static bool is_flush(unsigned int id)
{
	return id % 16 == 5;
}

static bool is_read(unsigned int id)
{
	return id % 3 == 0;
}

/* What a page full of id looks like. */
static void pattern(uint8_t *page, unsigned int id)
{
	unsigned int i, word = id * 2654435761U;

	for (i = 0; i < GUEST_PAGE_SIZE; i += sizeof(word))
		memcpy(page + i, &word, sizeof(word));
}

/* Every ms: the event that the guest sent, or one too many; every other time a commit. */
static void daemon_tick(void *data)
{
	struct bed *t = data;
	qb_loop_timer_handle h;

	front_kick(&t->front, 0);
	front_kick(&t->front, 1);
	if (++t->env.epoch % 2)
		t->env.dev->ops->release(t->env.dev, t->env.epoch - 1);
	if (t->env.failed_said)
		_exit(1);
	qb_loop_timer_add(t->env.host.loop, QB_LOOP_LOW, 1000000, t, daemon_tick, &h);
}

/* A daemon from its start to its death.  It waits for the lock of the memory file, as the real one does. */
static _Noreturn void daemon_main(struct bed *t)
{
	t->env.cfg.lock_fd = open(t->lock, O_RDWR | O_CLOEXEC);
	if (t->env.cfg.lock_fd < 0 || flock(t->env.cfg.lock_fd, LOCK_EX))
		_exit(2);
	t->env.host.loop = qb_loop_create();
	if (later_open(t->env.host.loop, &t->env.host.later))
		_exit(3);
	if (block_create(&t->env.host, 51712, &t->env.cfg, t->env.mem, block_mem_size(), &t->env.dev) ||
	    t->env.dev->ops->connect(t->env.dev, &t->front.cfg))
		_exit(4);
	daemon_tick(t);
	qb_loop_run(t->env.host.loop);
	_exit(5);
}

static void send_some(struct bed *t)
{
	unsigned int q = t->next_id % 2;

	while (t->front.queue[q].req_prod - t->front.queue[q].rsp_cons < t->front.queue[q].size &&
	       t->next_id < t->last_id) {
		unsigned int id = t->next_id++;

		if (is_flush(id)) {
			front_flush(&t->front, q, id);
		} else if (is_read(id)) {
			memset(fake_page(&t->fake, page_of(id)), 0, GUEST_PAGE_SIZE);
			front_rw(&t->front, q, id, BLKIF_OP_READ, READ_SECTOR + sector_of(id), page_of(id),
				 1);
		} else {
			pattern(fake_page(&t->fake, page_of(id)), id);
			front_rw(&t->front, q, id, BLKIF_OP_WRITE, sector_of(id), page_of(id), 1);
		}
		q = t->next_id % 2;
	}
}

/* The guest, until it got that many answers more, and then for us. */
static void guest_runs(struct bed *t, pid_t daemon, unsigned int answers, unsigned int us)
{
	unsigned int wanted = t->front.answered + answers, ms, i;

	for (ms = 0; ms < 10000 && t->front.answered < wanted; ms++) {
		send_some(t);
		front_reap(&t->front);
		assert_int_equal(waitpid(daemon, NULL, WNOHANG), 0);
		usleep(1000);
	}
	assert_true(t->front.answered >= wanted);
	for (i = 0; i < us; i += 100) {
		send_some(t);
		front_reap(&t->front);
		usleep(100);
	}
}

/* No more requests; the last answers, and a little longer for one too many. */
static void guest_ends(struct bed *t, pid_t daemon)
{
	unsigned int ms;

	for (ms = 0; ms < 10000 && t->front.answered < t->front.sent; ms++) {
		front_reap(&t->front);
		assert_int_equal(waitpid(daemon, NULL, WNOHANG), 0);
		usleep(1000);
	}
	usleep(20000);
	front_reap(&t->front);
	assert_int_equal(t->front.answered, t->front.sent);
}

static bool owes(const struct bed *t)
{
	const struct block_mem *m = t->env.mem;

	for (unsigned int i = BLOCK_MAX_REQUESTS; i < BLOCK_MAX_ENTRIES; i++)
		if (READ_ONCE(m->entry[i].state) != ENTRY_FREE)
			return true;
	return false;
}

static void disk_gets_all(struct bed *t)
{
	for (unsigned int ms = 0; ms < 10000 && owes(t); ms++)
		usleep(1000);
	assert_false(owes(t));
}

static void check_data(struct bed *t, unsigned int id)
{
	uint8_t want[GUEST_PAGE_SIZE], disk[GUEST_PAGE_SIZE];

	assert_int_equal(t->front.id[id].status, BLKIF_RSP_OKAY);
	if (is_flush(id))
		return;
	if (is_read(id)) {
		pattern(want, sector_of(id));
		assert_memory_equal(fake_page(&t->fake, page_of(id)), want, sizeof(want));
	} else {
		pattern(want, id);
		env_peek_disk(&t->env, sector_of(id), disk, sizeof(disk));
		assert_memory_equal(disk, want, sizeof(want));
	}
}

static void bed_init(struct bed *t)
{
	uint8_t page[GUEST_PAGE_SIZE];
	unsigned int id;

	memset(t, 0, sizeof(*t));
	env_make_disk(&t->env);
	snprintf(t->lock, sizeof(t->lock), "%.*s.lock", (int)sizeof(t->lock) - 8, t->env.path);
	close(open(t->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	for (id = 0; id < 900; id++) {
		pattern(page, sector_of(id));
		env_poke_disk(&t->env, READ_SECTOR + sector_of(id), page, sizeof(page));
	}
	fake_guest_init(&t->fake, GUEST_PAGES);
	front_init(&t->front, &t->fake, 2, 1);
	t->env.host.ops = &env_host_ops;
	t->env.host.vm = "vm1";
	t->env.host.guest = &t->fake.guest;
	t->env.epoch = 1;
	t->env.must_hold = true;
	t->env.cfg.target = t->env.path;
	t->env.mem = mmap(NULL, block_mem_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(t->env.mem != MAP_FAILED);
}

static void bed_fini(struct bed *t)
{
	munmap(t->env.mem, block_mem_size());
	fake_guest_fini(&t->fake);
	unlink(t->env.path);
	unlink(t->lock);
}

static pid_t daemon_start(struct bed *t)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		daemon_main(t);
	return pid;
}

static void daemon_kill(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void lose_and_repeat_nothing(bool early)
{
	static struct bed t;
	unsigned int n, id, us = 0;
	pid_t daemon;

	bed_init(&t);
	t.env.cfg.answer_early = t.env.cfg.owe_flushes = early;
	for (n = 0; n < KILLS; n++) {
		daemon = daemon_start(&t);
		t.last_id += MAX_IDS / KILLS;
		us = (us * 7 + 1234) % 5000;
		guest_runs(&t, daemon, n % 5 * 10, us); /* every fifth dies while it starts */
		daemon_kill(daemon);
	}
	daemon = daemon_start(&t);
	guest_ends(&t, daemon);
	disk_gets_all(&t);
	daemon_kill(daemon);

	for (id = t.next_id > 900 ? t.next_id - 900 : 0; id < t.next_id; id++)
		check_data(&t, id);
	print_message("%u requests, %u deaths\n", t.front.sent, n);
	bed_fini(&t);
}

static void killed_daemons_lose_and_repeat_nothing(void **state)
{
	lose_and_repeat_nothing(false);
}

static void nor_what_they_owe_to_the_disk(void **state)
{
	lose_and_repeat_nothing(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_daemons_lose_and_repeat_nothing),
		cmocka_unit_test(nor_what_they_owe_to_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
