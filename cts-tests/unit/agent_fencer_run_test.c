/* SPDX-License-Identifier: GPL-2.0-only */
/* The helper that talks to Pacemaker's fencer, and one that is made up here: who asked for what, and what
 * comes of what is asked for. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <pacemaker/crm/stonith-ng.h>

#include "agent/daemon/fencer_int.h"

#define MS 1000

/* ---- the fencer ---- */

static struct {
	int fd; /* readable: there is something to dispatch */
	stonith_history_t history[4];
	unsigned int nr_history;
	void (*fenced)(stonith_t *st, stonith_event_t *e);
	stonith_event_t event;
	bool notify, answer, gone;
	unsigned int devices; /* 0: they cannot be read */
	unsigned int reads;   /* of them */
	bool touched;	      /* that there are others is seen */
	int rc;		      /* of the answer */
	int only;	      /* the call that is answered; 0: all */
	int calls, tolerance;
	char host[ROW_HOST], action[16];
	struct {
		void *arg;
		void (*fn)(stonith_t *st, stonith_callback_data_t *d);
	} call[8];
} fake;

static int fake_connect(stonith_t *st, const char *name, int *fd)
{
	if (fake.gone)
		return -ENOTCONN;
	*fd = fake.fd;
	return 0;
}

static int fake_register(stonith_t *st, const char *event, void (*callback)(stonith_t *, stonith_event_t *))
{
	if (!strcmp(event, T_STONITH_NOTIFY_FENCE))
		fake.fenced = callback;
	return 0;
}

static int fake_history(stonith_t *st, int options, const char *node, stonith_history_t **list, int timeout)
{
	unsigned int i;

	*list = fake.nr_history ? fake.history : NULL;
	for (i = 0; i + 1 < fake.nr_history; i++)
		fake.history[i].next = &fake.history[i + 1];
	return 0;
}

static int fake_fence(stonith_t *st, int options, const char *node, const char *action, int timeout,
		      int tolerance)
{
	strncpy(fake.host, node, sizeof(fake.host) - 1);
	strncpy(fake.action, action, sizeof(fake.action) - 1);
	fake.tolerance = tolerance;
	return ++fake.calls;
}

static int fake_callback(stonith_t *st, int id, int timeout, int options, void *arg, const char *name,
			 void (*fn)(stonith_t *st, stonith_callback_data_t *d))
{
	fake.call[id].arg = arg;
	fake.call[id].fn = fn;
	return 0;
}

static stonith_api_operations_t commands = {
	.connect = fake_connect,
	.register_notification = fake_register,
	.history = fake_history,
	.fence = fake_fence,
	.register_callback = fake_callback,
};
static stonith_t api = { .cmds = &commands };

stonith_t *stonith_api_new(void)
{
	return &api;
}

void stonith_api_delete(stonith_t *st)
{
}

void stonith_history_free(stonith_history_t *list)
{
}

bool stonith_dispatch(stonith_t *st)
{
	eventfd_t n;
	int i;

	eventfd_read(fake.fd, &n);
	if (fake.gone)
		return false;
	if (fake.notify)
		fake.fenced(st, &fake.event);
	for (i = 1; fake.answer && i <= fake.calls; i++) {
		stonith_callback_data_t d = { .rc = fake.rc, .call_id = i, .userdata = fake.call[i].arg };

		if (!fake.only || i == fake.only)
			fake.call[i].fn(st, &d);
	}
	fake.notify = fake.answer = false;
	return true;
}

/* ---- the cluster's devices ---- */

bool fencer_devices(struct cib_s **cib, struct devices *d, uint64_t *sum)
{
	const unsigned int nr = __atomic_load_n(&fake.devices, __ATOMIC_SEQ_CST);

	__atomic_add_fetch(&fake.reads, 1, __ATOMIC_SEQ_CST);
	if (!nr)
		return false;
	memset(d, 0, sizeof(*d));
	d->nr = nr;
	*sum = nr;
	return true;
}

bool fencer_devices_touched(void)
{
	return fake.touched;
}

/* ---- the daemon ---- */

static int daemon_fd, helper_fd;
static pthread_t thread;

static void *run(void *arg)
{
	fencer_run(helper_fd, NULL);
	return NULL;
}

static int setup(void **state)
{
	int fd[2];

	memset(&fake, 0, sizeof(fake));
	fake.devices = 1;
	fake.fd = eventfd(0, EFD_CLOEXEC);
	if (fake.fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
		return -1;
	daemon_fd = fd[0];
	helper_fd = fd[1];
	return 0;
}

static int teardown(void **state)
{
	close(daemon_fd);
	pthread_join(thread, NULL);
	close(helper_fd);
	close(fake.fd);
	return 0;
}

static void begin(void)
{
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static struct fencer_packet hear(enum fencer_word word)
{
	struct fencer_packet p;

	do
		assert_int_equal(recv(daemon_fd, &p, sizeof(p), 0), sizeof(p));
	while (p.word != word);
	return p;
}

static void say(enum fencer_word word, const char *host)
{
	struct fencer_packet p = { .word = word };

	strncpy(p.host, host, sizeof(p.host) - 1);
	assert_int_equal(send(daemon_fd, &p, sizeof(p), 0), sizeof(p));
}

static void wake(void)
{
	eventfd_write(fake.fd, 1);
}

static void calls_are(int n)
{
	int i;

	for (i = 0; i < 500 && __atomic_load_n(&fake.calls, __ATOMIC_SEQ_CST) < n; i++)
		usleep(10 * MS);
	assert_int_equal(fake.calls, n);
}

static stonith_history_t done(const char *host, const char *action, const char *client, const char *doer,
			      time_t at)
{
	return (stonith_history_t){ .target = (char *)host,
				    .action = (char *)action,
				    .origin = (char *)"xa",
				    .delegate = (char *)doer,
				    .client = (char *)client,
				    .state = st_done,
				    .completed = at };
}

static void the_history_tells_who_asked_last(void **state)
{
	struct fencer_packet p;

	fake.history[fake.nr_history++] = done("xb", "off", "stonith_admin.77", "xa", 100);
	fake.history[fake.nr_history++] = done("xb", "reboot", "pacemaker-controld.66", "xc", 200);
	/* neither proves anything, whoever asked */
	fake.history[fake.nr_history++] = done("xb", "on", "kemari-agent.5", "xa", 300);
	fake.history[fake.nr_history++] = done("xb", "off", "stonith_admin.9", "a human", 400);
	begin();
	p = hear(FENCER_HISTORY);
	assert_string_equal(p.host, "xb");
	assert_int_equal(p.at, 200000000000LL);
	assert_int_equal(p.asker.kind, ASKER_PACEMAKER);
	assert_string_equal(p.asker.node, "xa");
	assert_string_equal(p.asker.doer, "xc");
}

static void the_devices_come_before_what_is_judged_by_them(void **state)
{
	struct fencer_devices_packet d;

	fake.history[fake.nr_history++] = done("xb", "off", "stonith_admin.77", "xa", 100);
	fake.devices = 3;
	begin();
	hear(FENCER_CONNECTED);
	assert_int_equal(recv(daemon_fd, &d, sizeof(d), 0), sizeof(d));
	assert_int_equal(d.word, FENCER_DEVICES);
	assert_int_equal(d.devices.nr, 3);
	hear(FENCER_HISTORY);
}

/* Of what comes next. */
static enum fencer_word word_of_next(struct fencer_devices_packet *d)
{
	assert_true(recv(daemon_fd, d, sizeof(*d), 0) > 0);
	return d->word;
}

static void devices_are(unsigned int nr)
{
	__atomic_store_n(&fake.devices, nr, __ATOMIC_SEQ_CST);
}

static void notify_of_xb(void)
{
	fake.event = (stonith_event_t){ .target = (char *)"xb",
					.action = (char *)"off",
					.executioner = (char *)"xa" };
	fake.notify = true;
	wake();
}

/* They were changed just before, and nothing has shown it yet. */
static void a_fencing_is_told_of_after_the_devices_that_there_are_now(void **state)
{
	struct fencer_devices_packet d;

	begin();
	hear(FENCER_CONNECTED);
	assert_int_equal(word_of_next(&d), FENCER_DEVICES);
	devices_are(2);
	notify_of_xb();
	assert_int_equal(word_of_next(&d), FENCER_DEVICES);
	assert_int_equal(d.devices.nr, 2);
	assert_int_equal(word_of_next(&d), FENCER_FENCED);
}

/* By libcib, in the middle of a failover: once is enough for the notification and the history. */
static void a_fencing_has_the_devices_read_once(void **state)
{
	struct fencer_devices_packet d;
	unsigned int before;

	begin();
	hear(FENCER_CONNECTED);
	assert_int_equal(word_of_next(&d), FENCER_DEVICES);
	before = __atomic_load_n(&fake.reads, __ATOMIC_SEQ_CST);
	fake.history[fake.nr_history++] = done("xb", "off", "stonith_admin.77", "xa", 100);
	notify_of_xb();
	assert_int_equal(word_of_next(&d), FENCER_FENCED);
	assert_int_equal(word_of_next(&d), FENCER_HISTORY);
	assert_int_equal(__atomic_load_n(&fake.reads, __ATOMIC_SEQ_CST), before + 1);
}

static void what_is_new_in_the_history_is_told_of_after_the_devices_that_there_are_now(void **state)
{
	struct fencer_devices_packet d;

	fake.history[0] = done("xb", "off", "stonith_admin.77", "xa", 100);
	fake.history[1] = done("xc", "off", "stonith_admin.77", "xa", 200);
	fake.nr_history = 1;
	begin();
	hear(FENCER_CONNECTED);
	assert_int_equal(word_of_next(&d), FENCER_DEVICES);
	assert_int_equal(word_of_next(&d), FENCER_HISTORY);
	devices_are(2);
	fake.nr_history = 2;
	say(FENCER_WANT, "");
	assert_int_equal(word_of_next(&d), FENCER_DEVICES);
	assert_int_equal(d.devices.nr, 2);
	assert_int_equal(word_of_next(&d), FENCER_HISTORY);
}

static void no_fencing_is_told_of_while_the_devices_cannot_be_read(void **state)
{
	struct fencer_devices_packet d;

	begin();
	hear(FENCER_CONNECTED);
	assert_int_equal(word_of_next(&d), FENCER_DEVICES);
	devices_are(0);
	fake.history[fake.nr_history++] = done("xb", "off", "stonith_admin.77", "xa", 100);
	notify_of_xb();
	/* again and again, and nothing else */
	assert_int_equal(word_of_next(&d), FENCER_UNREAD);
	assert_int_equal(word_of_next(&d), FENCER_UNREAD);
	/* then what they are, though it is what they were */
	devices_are(1);
	do
		word_of_next(&d);
	while (d.word == FENCER_UNREAD);
	assert_int_equal(d.word, FENCER_DEVICES);
	assert_int_equal(word_of_next(&d), FENCER_FENCED);
	assert_int_equal(word_of_next(&d), FENCER_HISTORY);
}

static void a_notification_tells_who_asked(void **state)
{
	struct fencer_packet p;

	begin();
	hear(FENCER_CONNECTED);
	fake.event = (stonith_event_t){ .target = (char *)"xb",
					.action = (char *)"off",
					.origin = (char *)"xc",
					.executioner = (char *)"xa",
					.client_origin = (char *)"stonith_admin.1234" };
	fake.notify = true;
	wake();
	p = hear(FENCER_FENCED);
	assert_string_equal(p.host, "xb");
	assert_int_equal(p.asker.kind, ASKER_OPERATOR);
	assert_string_equal(p.asker.program, "stonith_admin");
	assert_string_equal(p.asker.node, "xc");
	assert_string_equal(p.asker.doer, "xa");
}

static void what_is_asked_for_is_answered_with_what_came_of_it(void **state)
{
	struct fencer_packet p;

	begin();
	hear(FENCER_CONNECTED);
	say(FENCER_ON, "xb");
	calls_are(1);
	assert_string_equal(fake.host, "xb");
	assert_string_equal(fake.action, "on");
	/* a host that has come back and died again since is another matter */
	assert_in_range(fake.tolerance, 0, 5);
	fake.rc = -EHOSTUNREACH;
	fake.answer = true;
	wake();
	p = hear(FENCER_FAILED);
	assert_true(p.on);
	assert_string_equal(p.why, "No route to host");
}

/* The first answer was given up: one call's worth of room is taken, and one answer told. */
static void asked_twice_answered_once(void **state)
{
	struct fencer_packet p;
	int i;

	begin();
	hear(FENCER_CONNECTED);
	for (i = 1; i < 8; i++) {
		say(FENCER_ON, "xb");
		calls_are(i);
	}
	fake.answer = true;
	wake();
	assert_string_equal(hear(FENCER_DONE).host, "xb");
	say(FENCER_ASK + 100, ""); /* nothing that it knows */
	fake.gone = true;
	wake();
	assert_int_equal(recv(daemon_fd, &p, sizeof(p), 0), sizeof(p));
	while (p.word == FENCER_HISTORY)
		assert_int_equal(recv(daemon_fd, &p, sizeof(p), 0), sizeof(p));
	assert_int_equal(p.word, FENCER_LOST);
	/* and what is asked for now is refused at once */
	say(FENCER_ON, "xb");
	assert_string_equal(hear(FENCER_FAILED).why, "Pacemaker's fencer is not there");
}

static void answer(int call, int rc)
{
	fake.only = call;
	fake.rc = rc;
	fake.answer = true;
	wake();
}

static void the_second_answer_is_not_for_who_is_asked_for_since(void **state)
{
	struct fencer_packet p;

	begin();
	hear(FENCER_CONNECTED);
	say(FENCER_ON, "xb");
	calls_are(1);
	say(FENCER_ON, "xb");
	calls_are(2);
	answer(1, 0);
	assert_string_equal(hear(FENCER_DONE).host, "xb");
	say(FENCER_ON, "xc");
	calls_are(3);
	/* the place that was taken for xb is taken for xc now */
	answer(2, 0);
	usleep(50 * MS);
	answer(3, -EHOSTUNREACH);
	do
		assert_int_equal(recv(daemon_fd, &p, sizeof(p), 0), sizeof(p));
	while (p.word == FENCER_HISTORY);
	assert_int_equal(p.word, FENCER_FAILED);
	assert_string_equal(p.host, "xc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_history_tells_who_asked_last, setup, teardown),
		cmocka_unit_test_setup_teardown(the_devices_come_before_what_is_judged_by_them, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_fencing_is_told_of_after_the_devices_that_there_are_now,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_fencing_has_the_devices_read_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_new_in_the_history_is_told_of_after_the_devices_that_there_are_now, setup,
			teardown),
		cmocka_unit_test_setup_teardown(no_fencing_is_told_of_while_the_devices_cannot_be_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_notification_tells_who_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_asked_for_is_answered_with_what_came_of_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(asked_twice_answered_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_second_answer_is_not_for_who_is_asked_for_since, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("agent_fencer_run", tests, NULL, NULL);
}
