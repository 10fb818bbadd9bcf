/* SPDX-License-Identifier: GPL-2.0-only */
/* Two transports on one loop, real TLS over the loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <qb/qbloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keygen.h"
#include "transport/conn.h"

#define MS 1000000ULL
#define BIG (24U << 20)

static char dir[32], key_a[64], key_b[64], why[TRANSPORT_WHY_MAX];

struct side {
	struct conn *c;
	unsigned int ups, downs, idles, drains, done, undone;
	size_t received, accept_at_most; /* 0: all */
	bool mute, close_on_data, echo;
	char down_why[TRANSPORT_WHY_MAX];
	uint8_t *expect; /* what must come in, from offset received on */
};

static struct bed {
	qb_loop_t *loop;
	struct transport *server, *client;
	struct side s, c;
	bool (*until)(void);
	bool timeout;
	qb_loop_timer_handle guard;
} bed;

static void look(void)
{
	if (bed.until && bed.until())
		qb_loop_stop(bed.loop);
}

static void on_up(struct conn *c, void *arg)
{
	((struct side *)arg)->ups++;
	look();
}

static ssize_t on_received(struct conn *c, void *arg, const uint8_t *bytes, size_t len, char *reason)
{
	struct side *s = arg;

	if (s->close_on_data) {
		snprintf(reason, TRANSPORT_WHY_MAX, "not to my taste");
		return -EBADMSG;
	}
	if (s->accept_at_most && len > s->accept_at_most)
		len = s->accept_at_most;
	if (s->expect)
		assert_memory_equal(bytes, s->expect + s->received, len);
	s->received += len;
	if (s->echo)
		conn_send_copy(c, bytes, len);
	look();
	return (ssize_t)len;
}

static void on_idle(struct conn *c, void *arg)
{
	struct side *s = arg;

	s->idles++;
	if (!s->mute)
		conn_send_copy(c, "ping", 4);
	look();
}

static void on_drained(struct conn *c, void *arg)
{
	((struct side *)arg)->drains++;
	look();
}

static void on_down(struct conn *c, void *arg, const char *reason)
{
	struct side *s = arg;

	s->downs++;
	s->c = NULL;
	snprintf(s->down_why, sizeof(s->down_why), "%s", reason);
	look();
}

static const struct conn_ops ops = { on_up, on_received, on_idle, on_drained, on_down };

static void accepted(void *arg, struct conn *c)
{
	bed.s.c = c;
	bed.s.ups++;
	conn_set_ops(c, &ops, &bed.s);
	look();
}

static void guard(void *arg)
{
	bed.timeout = true;
	qb_loop_stop(bed.loop);
}

/* Runs the loop until the condition holds; false after ms. */
static bool run(bool (*until)(void), unsigned int ms)
{
	bed.until = until;
	bed.timeout = false;
	if (until && until())
		return true;
	qb_loop_timer_add(bed.loop, QB_LOOP_LOW, ms * MS, NULL, guard, &bed.guard);
	qb_loop_run(bed.loop);
	if (!bed.timeout)
		qb_loop_timer_del(bed.loop, bed.guard);
	bed.until = NULL;
	return !bed.timeout;
}

static bool both_up(void)
{
	return bed.s.ups && bed.c.ups;
}

static bool both_down(void)
{
	return bed.c.downs && (bed.s.downs || !bed.s.ups);
}

static bool never(void)
{
	return false;
}

static void on_done(void *arg, bool sent)
{
	struct side *s = arg;

	if (sent)
		s->done++;
	else
		s->undone++;
	look();
}

static void make_bed(const char *server_key, const char *client_key, unsigned int silence_ms)
{
	struct transport_cfg cfg = { .loop = bed.loop,
				     .key_file = server_key,
				     .keepalive_ms = 20,
				     .silence_ms = silence_ms,
				     .handshake_ms = 300,
				     .high_water = 4 << 20 };
	struct transport_addr a;

	memset(&bed.s, 0, sizeof(bed.s));
	memset(&bed.c, 0, sizeof(bed.c));
	assert_int_equal(transport_open(&cfg, &bed.server, why), 0);
	cfg.key_file = client_key;
	assert_int_equal(transport_open(&cfg, &bed.client, why), 0);
	assert_int_equal(transport_listen(bed.server, "127.0.0.1", 0, accepted, NULL, why), 0);
	assert_int_equal(transport_resolve("127.0.0.1", transport_port(bed.server), &a, why), 0);
	assert_int_equal(transport_connect(bed.client, &a, &ops, &bed.c, &bed.c.c, why), 0);
	assert_string_equal(conn_peer(bed.c.c), a.text);
}

static int setup(void **state)
{
	bed.loop = qb_loop_create();
	return 0;
}

static int teardown(void **state)
{
	transport_close(bed.client);
	transport_close(bed.server);
	bed.client = bed.server = NULL;
	qb_loop_destroy(bed.loop);
	return 0;
}

static bool echo_back(void)
{
	return bed.c.received >= 5;
}

static void bytes_go_both_ways(void **state)
{
	make_bed(key_a, key_a, 2000);
	assert_int_equal(conn_send_copy(bed.c.c, "early", 5), -ENOTCONN);
	assert_true(run(both_up, 5000));
	bed.s.echo = true;
	bed.c.expect = (uint8_t *)"hello";
	bed.c.mute = bed.s.mute = true;
	assert_int_equal(conn_send_copy(bed.c.c, "hello", 5), 0);
	assert_true(run(echo_back, 5000));
	assert_int_equal(conn_stats(bed.c.c).bytes_sent, 5);
	assert_int_equal(conn_stats(bed.c.c).bytes_received, 5);
}

static void a_wrong_key_is_told_on_both_sides(void **state)
{
	make_bed(key_a, key_b, 2000);
	assert_true(run(both_down, 5000));
	assert_int_equal(bed.s.ups, 0);
	assert_int_equal(bed.c.ups, 0);
	assert_non_null(strstr(bed.c.down_why, "does not have the same key"));
}

static uint8_t *big;

static bool all_received(void)
{
	return bed.s.received == BIG + 4096 && bed.c.done == 2;
}

static void a_large_buffer_is_sent_where_it_lies(void **state)
{
	make_bed(key_a, key_a, 5000);
	assert_true(run(both_up, 5000));
	bed.s.mute = bed.c.mute = true;
	bed.s.expect = big;
	assert_int_equal(conn_send(bed.c.c, big, BIG, on_done, &bed.c), 0);
	assert_int_equal(conn_send(bed.c.c, big + BIG, 4096, on_done, &bed.c), 0);
	assert_int_equal(bed.c.done, 0); /* never from within the call */
	assert_true(conn_full(bed.c.c));
	assert_in_range(conn_queued(bed.c.c), BIG / 2, BIG + 4096);
	assert_true(run(all_received, 20000));
	assert_int_equal(bed.c.drains, 1);
	assert_int_equal(conn_queued(bed.c.c), 0);
	assert_int_equal(bed.c.undone, 0);
}

static bool both_pieces_received(void)
{
	return bed.s.received == 4096 + 10;
}

/* What waits for nothing is on its way before the loop has a turn: the peer hears it though this side sleeps.
 */
static void a_small_piece_goes_at_once(void **state)
{
	make_bed(key_a, key_a, 5000);
	assert_true(run(both_up, 5000));
	bed.s.mute = bed.c.mute = true;
	assert_int_equal(conn_send(bed.c.c, big, 4096, on_done, &bed.c), 0);
	assert_int_equal(conn_queued(bed.c.c), 0);
	assert_int_equal(bed.c.done, 0); /* this comes from the loop */
	assert_int_equal(conn_send_copy(bed.c.c, big, 10), 0);
	assert_int_equal(conn_queued(bed.c.c), 10); /* behind it */
	assert_true(run(both_pieces_received, 5000));
	assert_int_equal(bed.c.done, 1);
}

static bool ten_received(void)
{
	return bed.s.received == 10;
}

/* Which GnuTLS takes for "nothing more now": both have come in one piece, and the loop knows of neither. */
static void what_comes_with_a_new_key_is_not_left_lying(void **state)
{
	make_bed(key_a, key_a, 5000);
	assert_true(run(both_up, 5000));
	bed.s.mute = bed.c.mute = true;
	assert_int_equal(gnutls_session_key_update(bed.c.c->tls, 0), 0);
	assert_int_equal(conn_send_copy(bed.c.c, big, 10), 0);
	assert_true(run(ten_received, 1000));
}

static void resume_soon(void *arg)
{
	conn_resume(bed.s.c);
	if (bed.s.received < 1 << 20)
		qb_loop_timer_add(bed.loop, QB_LOOP_LOW, MS / 10, NULL, resume_soon, NULL);
}

static bool one_megabyte(void)
{
	return bed.s.received >= 1 << 20;
}

static bool big_received(void)
{
	return bed.s.received == BIG && bed.c.done;
}

static void a_receiver_that_takes_little_holds_the_sender(void **state)
{
	make_bed(key_a, key_a, 5000);
	assert_true(run(both_up, 5000));
	bed.s.mute = bed.c.mute = true;
	bed.s.expect = big;
	bed.s.accept_at_most = 1000;
	assert_int_equal(conn_send(bed.c.c, big, BIG, on_done, &bed.c), 0);
	assert_false(run(never, 200));
	assert_int_equal(bed.s.received, 1000); /* paused at the first piece */
	assert_int_equal(bed.c.done, 0);
	assert_true(conn_queued(bed.c.c) > BIG / 8);
	bed.s.accept_at_most = 15000; /* every TLS record is taken in two parts */
	resume_soon(NULL);
	assert_true(run(one_megabyte, 10000));
	bed.s.accept_at_most = 0;
	conn_resume(bed.s.c);
	assert_true(run(big_received, 10000));
}

static bool client_down(void)
{
	return bed.c.downs;
}

static void a_silent_peer_is_noticed(void **state)
{
	make_bed(key_a, key_a, 150);
	assert_true(run(both_up, 5000));
	bed.s.mute = true; /* the server sends nothing, the client pings */
	assert_true(run(client_down, 5000));
	assert_non_null(strstr(bed.c.down_why, "nothing heard for 150 ms"));
	assert_in_range(bed.c.idles, 1, 8); /* on a busy machine this process may not run for all of them */
}

static void pings_keep_an_idle_connection(void **state)
{
	/* several times what a busy machine may keep this process from running */
	make_bed(key_a, key_a, 1000);
	assert_true(run(both_up, 5000));
	assert_false(run(client_down, 3000));
	assert_int_equal(bed.s.downs, 0);
}

static void a_daemon_that_slept_reads_before_it_judges(void **state)
{
	make_bed(key_a, key_a, 150);
	assert_true(run(both_up, 5000));
	conn_send(bed.s.c, big, 5, on_done, &bed.s);
	conn_send(bed.c.c, big, 5, on_done, &bed.c);
	usleep(300000); /* both lie there */
	assert_false(run(client_down, 100));
	assert_int_equal(bed.s.downs, 0);
}

static void data_that_is_refused_ends_the_connection(void **state)
{
	make_bed(key_a, key_a, 2000);
	assert_true(run(both_up, 5000));
	bed.s.close_on_data = true;
	conn_send_copy(bed.c.c, "x", 1);
	assert_true(run(client_down, 5000));
	assert_int_equal(bed.s.downs, 1);
	assert_non_null(strstr(bed.s.down_why, "not to my taste"));
	assert_non_null(strstr(bed.c.down_why, "closed by the peer"));
}

static void pending_sends_end_with_the_connection(void **state)
{
	make_bed(key_a, key_a, 2000);
	assert_true(run(both_up, 5000));
	bed.s.accept_at_most = 1;
	conn_send(bed.c.c, big, BIG, on_done, &bed.c);
	conn_send(bed.c.c, big, 100, on_done, &bed.c);
	run(never, 50);
	conn_close(bed.c.c);
	assert_int_equal(bed.c.undone, 2);
	assert_int_equal(bed.c.downs, 0);
	conn_resume(bed.s.c);
}

static void the_queue_has_an_end(void **state)
{
	unsigned int n = 0;

	make_bed(key_a, key_a, 2000);
	assert_true(run(both_up, 5000));
	while (!conn_send(bed.c.c, big, 1, on_done, &bed.c))
		n++;
	assert_int_equal(n, CONN_MAX_QUEUE);
	assert_int_equal(conn_send(bed.c.c, big, 1, on_done, &bed.c), -EAGAIN);
}

static bool copies_received(void)
{
	return bed.s.received == 40 * 60000;
}

/* Pieces of an odd size go round the copy ring many times. */
static void copies_wrap_without_damage(void **state)
{
	size_t sent = 0;

	make_bed(key_a, key_a, 2000);
	assert_true(run(both_up, 5000));
	bed.s.mute = bed.c.mute = true;
	bed.s.expect = big;
	while (sent < 40 * 60000) {
		int ret = conn_send_copy(bed.c.c, big + sent, 60000);

		if (!ret)
			sent += 60000;
		else
			assert_int_equal(ret, -EAGAIN);
		if (ret)
			run(never, 1);
	}
	assert_true(run(copies_received, 5000));
}

static bool refusal_read(void)
{
	return bed.c.received == 100000 && bed.c.downs;
}

static void the_last_words_arrive(void **state)
{
	make_bed(key_a, key_a, 2000);
	assert_true(run(both_up, 5000));
	bed.c.expect = big;
	conn_send(bed.c.c, big, BIG, on_done, &bed.c); /* unread data that would reset the connection */
	conn_send_copy(bed.s.c, big, 100000);
	conn_close_after_send(bed.s.c);
	assert_true(run(refusal_read, 5000));
	assert_int_equal(bed.s.downs, 0);
}

static void whoever_speaks_no_tls_is_dropped(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char b[64];
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM, 0), quiet = socket(AF_INET, SOCK_STREAM, 0);

	make_bed(key_a, key_a, 2000);
	sa.sin_port = htons(transport_port(bed.server));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(connect(quiet, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
	assert_true(run(both_up, 5000)); /* others are served meanwhile */
	assert_int_equal(bed.s.ups, 1);
	assert_false(run(never, 500));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(quiet, F_SETFL, O_NONBLOCK);
	while ((n = read(fd, b, sizeof(b))) > 0)
		;
	assert_true(!n || errno != EAGAIN);
	assert_int_equal(read(quiet, b, sizeof(b)), 0); /* did not say hello in time */
	close(fd);
	close(quiet);
}

static void nobody_there_is_told(void **state)
{
	struct transport_addr a;

	make_bed(key_a, key_a, 2000);
	assert_true(run(both_up, 5000));
	conn_close(bed.c.c);
	assert_int_equal(transport_resolve("127.0.0.1", 1, &a, why), 0);
	if (!transport_connect(bed.client, &a, &ops, &bed.c, &bed.c.c, why)) {
		assert_true(run(client_down, 5000));
		assert_non_null(strstr(bed.c.down_why, "Connection refused"));
	}
}

static void put_key(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static void key_files_are_checked(void **state)
{
	struct transport_cfg cfg = { .loop = bed.loop };
	struct transport *t;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/k", dir);
	cfg.key_file = path;
	assert_int_equal(transport_open(&cfg, &t, why), -ENOENT);
	assert_non_null(strstr(why, "kemari keygen"));
	put_key(path, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0640);
	assert_int_equal(transport_open(&cfg, &t, why), -EPERM);
	assert_non_null(strstr(why, "chmod 600"));
	put_key(path, "00112233445566778899aabbccddeeff00112233445566778899aabbccddee\n",
		0600); /* 31 bytes */
	assert_int_equal(transport_open(&cfg, &t, why), -EINVAL);
	put_key(path, "0011223344556677z899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
	assert_int_equal(transport_open(&cfg, &t, why), -EINVAL);
	put_key(path, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
	cfg.priority = "NORMAL:+NONSENSE";
	assert_int_equal(transport_open(&cfg, &t, why), -EINVAL);
	assert_non_null(strstr(why, "NONSENSE"));
	cfg.priority = "";
	assert_int_equal(transport_open(&cfg, &t, why), 0);
	transport_close(t);
	assert_int_equal(keygen(path), -EEXIST);
	unlink(path);
	assert_int_equal(keygen(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(transport_open(&cfg, &t, why), 0);
	transport_close(t);
	unlink(path);
}

static int group_setup(void **state)
{
	strcpy(dir, "/tmp/transport-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(key_a, sizeof(key_a), "%s/a", dir);
	snprintf(key_b, sizeof(key_b), "%s/b", dir);
	big = malloc(BIG + 4096);
	for (size_t i = 0; i < BIG + 4096; i += 4)
		memcpy(big + i, &(uint32_t){ (uint32_t)(i * 2654435761U) }, 4);
	return keygen(key_a) ?: keygen(key_b);
}

static int group_teardown(void **state)
{
	free(big);
	unlink(key_a);
	unlink(key_b);
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_go_both_ways),
		TEST(a_wrong_key_is_told_on_both_sides),
		TEST(a_large_buffer_is_sent_where_it_lies),
		TEST(a_small_piece_goes_at_once),
		TEST(what_comes_with_a_new_key_is_not_left_lying),
		TEST(a_receiver_that_takes_little_holds_the_sender),
		TEST(a_silent_peer_is_noticed),
		TEST(pings_keep_an_idle_connection),
		TEST(a_daemon_that_slept_reads_before_it_judges),
		TEST(data_that_is_refused_ends_the_connection),
		TEST(pending_sends_end_with_the_connection),
		TEST(the_queue_has_an_end),
		TEST(copies_wrap_without_damage),
		TEST(the_last_words_arrive),
		TEST(whoever_speaks_no_tls_is_dropped),
		TEST(nobody_there_is_told),
		TEST(key_files_are_checked),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
