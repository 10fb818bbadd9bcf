/* SPDX-License-Identifier: GPL-2.0-only */
/* `kemari resource` against a daemon that answers as told. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/resource.h"
#include "lib/ocf.h"

struct bed {
	struct kem_config cfg;
	char socket[300], file[300];
	const char *answer;
	unsigned int hangups, delay_ms; /* before it */
};

static void *serve(void *arg)
{
	struct bed *bed = arg;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[4096];
	int fd, c;

	usleep(bed->delay_ms * 1000);
	memcpy(addr.sun_path, bed->socket, strlen(bed->socket));
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		abort();
	for (unsigned int i = 0; i <= bed->hangups; i++) {
		c = accept(fd, NULL, NULL);
		if (recv(c, text, sizeof(text), 0) > 0 && i == bed->hangups &&
		    send(c, bed->answer, strlen(bed->answer), 0) < 0)
			abort();
		close(c);
	}
	close(fd);
	return NULL;
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	*state = bed;
	if (!bed)
		return -1;
	kem_config_defaults(&bed->cfg);
	snprintf(bed->cfg.run_dir, sizeof(bed->cfg.run_dir), "/tmp/kemari-resource-XXXXXX");
	if (!mkdtemp(bed->cfg.run_dir))
		return -1;
	snprintf(bed->socket, sizeof(bed->socket), "%.200s/" CONTROL_SOCKET, bed->cfg.run_dir);
	snprintf(bed->file, sizeof(bed->file), "%.200s/vm1.resource", bed->cfg.run_dir);
	close(open(bed->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	unlink(bed->socket);
	unlink(bed->file);
	rmdir(bed->cfg.run_dir);
	free(bed);
	return 0;
}

static int act(struct bed *bed, enum control_op op, const char *answer)
{
	struct control_request req = { .op = op, .vm = "vm1" };
	pthread_t thread;
	int rc;

	bed->answer = answer;
	unlink(bed->socket);
	assert_int_equal(pthread_create(&thread, NULL, serve, bed), 0);
	rc = resource_action(&bed->cfg, &req);
	pthread_join(thread, NULL);
	return rc;
}

static void monitor_says_what_the_daemon_says(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(act(bed, CONTROL_RESOURCE_MONITOR, "{\"ok\":true,\"ocf\":0}"), OCF_SUCCESS);
	assert_int_equal(act(bed, CONTROL_RESOURCE_MONITOR, "{\"ok\":true,\"ocf\":8}"), OCF_RUNNING_PROMOTED);
	assert_int_equal(
		act(bed, CONTROL_RESOURCE_MONITOR, "{\"ok\":true,\"ocf\":191,\"reason\":\"unprotected\"}"),
		OCF_DEGRADED_PROMOTED);
}

static void a_refused_start_concerns_this_host_alone(void **state)
{
	struct bed *bed = *state;
	char text[64];

	snprintf(text, sizeof(text), "{\"error\":\"no disk\",\"code\":%d}", ENOENT);
	assert_int_equal(act(bed, CONTROL_RESOURCE_START, text), OCF_ERR_INSTALLED);
	snprintf(text, sizeof(text), "{\"error\":\"busy\",\"code\":%d}", EBUSY);
	assert_int_equal(act(bed, CONTROL_RESOURCE_START, text), OCF_ERR_GENERIC);
}

static void promote_is_refused_for_good_only_when_another_host_has_the_guest(void **state)
{
	struct bed *bed = *state;
	char text[64];

	snprintf(text, sizeof(text), "{\"error\":\"it runs there\",\"code\":%d}", EREMOTE);
	assert_int_equal(act(bed, CONTROL_RESOURCE_PROMOTE, text), OCF_ERR_INSTALLED);
	snprintf(text, sizeof(text), "{\"error\":\"no proof\",\"code\":%d}", EPERM);
	assert_int_equal(act(bed, CONTROL_RESOURCE_PROMOTE, text), OCF_ERR_GENERIC);
	assert_int_equal(act(bed, CONTROL_RESOURCE_PROMOTE, "{\"ok\":true}"), OCF_SUCCESS);
}

static void what_was_never_started_here_needs_no_daemon(void **state)
{
	struct bed *bed = *state;
	struct control_request monitor = { .op = CONTROL_RESOURCE_MONITOR, .vm = "vm2" };
	struct control_request stop = { .op = CONTROL_RESOURCE_STOP, .vm = "vm2" };

	assert_int_equal(resource_action(&bed->cfg, &monitor), OCF_NOT_RUNNING);
	assert_int_equal(resource_action(&bed->cfg, &stop), OCF_SUCCESS);
}

static void a_daemon_that_is_being_restarted_is_waited_for(void **state)
{
	struct bed *bed = *state;

	bed->delay_ms = 300;
	assert_int_equal(act(bed, CONTROL_RESOURCE_MONITOR, "{\"ok\":true,\"ocf\":8}"), OCF_RUNNING_PROMOTED);
	bed->delay_ms = 0;
	bed->hangups = 2;
	assert_int_equal(act(bed, CONTROL_RESOURCE_DEMOTE, "{\"ok\":true}"), OCF_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(monitor_says_what_the_daemon_says),
		TEST(a_refused_start_concerns_this_host_alone),
		TEST(promote_is_refused_for_good_only_when_another_host_has_the_guest),
		TEST(what_was_never_started_here_needs_no_daemon),
		TEST(a_daemon_that_is_being_restarted_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
