/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the guest's nodes, at once and by what changed, from a small xenstored in a thread. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/io/xs_wire.h>

#include "lib/log.h"
#include "xenstore/tree_int.h"
#include "xenstore/xswire.h"

#define HOME "/local/domain/7/"
#define MAX 3000

struct store {
	pthread_mutex_t lock;
	unsigned int nr, requests;
	char path[MAX][48]; /* relative */
	char val[MAX][16];
};

struct bed {
	struct store st;
	char dir[32], sock[64];
	int listener;
	pthread_t thread;
	struct xswire *w;
};

static int find(const struct store *st, const char *path)
{
	for (unsigned int i = 0; i < st->nr; i++)
		if (!strcmp(st->path[i], path))
			return i;
	return -1;
}

static void put(struct bed *b, const char *path, const char *val)
{
	struct store *st = &b->st;
	int i;

	pthread_mutex_lock(&st->lock);
	i = find(st, path);
	if (i < 0)
		i = st->nr++;
	snprintf(st->path[i], sizeof(st->path[i]), "%s", path);
	snprintf(st->val[i], sizeof(st->val[i]), "%s", val);
	pthread_mutex_unlock(&st->lock);
}

/* With all that is below. */
static void drop(struct bed *b, const char *path)
{
	struct store *st = &b->st;
	size_t len = strlen(path);
	unsigned int i, kept = 0;

	pthread_mutex_lock(&st->lock);
	for (i = 0; i < st->nr; i++) {
		if (!strncmp(st->path[i], path, len) && (!st->path[i][len] || st->path[i][len] == '/'))
			continue;
		memmove(st->path[kept], st->path[i], sizeof(st->path[i]));
		memmove(st->val[kept++], st->val[i], sizeof(st->val[i]));
	}
	st->nr = kept;
	pthread_mutex_unlock(&st->lock);
}

static size_t children(const struct store *st, const char *dir, char *out)
{
	size_t len = strlen(dir), n = 0;

	for (unsigned int i = 0; i < st->nr; i++) {
		const char *name = st->path[i] + (len ? len + 1 : 0);

		if (len && (strncmp(st->path[i], dir, len) || st->path[i][len] != '/'))
			continue;
		if (strchr(name, '/'))
			continue;
		n += sprintf(out + n, "%s", name) + 1;
	}
	return n;
}

static void answer(struct store *st, uint32_t type, const char *path, char *out, uint32_t *len,
		   uint32_t *rtype)
{
	const char *rel = strlen(path) < strlen(HOME) ? "" : path + strlen(HOME);
	int i = find(st, rel);

	*rtype = type;
	st->requests++;
	if (type == XS_CONTROL) {
		*len = sprintf(out, "partial_in: 16, pending events total: 0") + 1;
	} else if (*rel && i < 0) {
		*rtype = XS_ERROR;
		*len = sprintf(out, "ENOENT") + 1;
	} else if (type == XS_DIRECTORY) {
		*len = children(st, rel, out);
	} else if (type == XS_GET_PERMS) {
		*len = sprintf(out, "n7%cr0", 0) + 1;
	} else {
		*len = sprintf(out, "%s", st->val[i]);
	}
}

static void *serve(void *arg)
{
	static char out[64 * MAX];
	struct bed *b = arg;
	int fd = accept(b->listener, NULL, NULL);
	struct xsd_sockmsg req;
	char body[4097];

	while (recv(fd, &req, sizeof(req), MSG_WAITALL) == sizeof(req) && req.len < sizeof(body) &&
	       recv(fd, body, req.len, MSG_WAITALL) == (ssize_t)req.len) {
		struct xsd_sockmsg rep = { .req_id = req.req_id };

		body[req.len] = '\0';
		pthread_mutex_lock(&b->st.lock);
		answer(&b->st, req.type, body, out, &rep.len, &rep.type);
		pthread_mutex_unlock(&b->st.lock);
		if (send(fd, &rep, sizeof(rep), MSG_NOSIGNAL) < 0 || send(fd, out, rep.len, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	pthread_mutex_init(&b->st.lock, NULL);
	strcpy(b->dir, "/tmp/treeread-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->sock, sizeof(b->sock), "%s/socket", b->dir);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", b->sock);
	b->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(b->listener, 1), 0);
	assert_int_equal(pthread_create(&b->thread, NULL, serve, b), 0);
	assert_int_equal(xswire_open(b->sock, &b->w), 0);
	put(b, "name", "vm1");
	put(b, "console", "");
	put(b, "console/tty", "/dev/pts/1");
	put(b, "control", "");
	put(b, "control/shutdown", "");
	put(b, "device", "");
	put(b, "device/vif", "");
	put(b, "device/vif/0", "");
	put(b, "device/vif/0/state", "4");
	put(b, "device/vif/0/mac", "x");
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	xswire_close(b->w);
	pthread_join(b->thread, NULL);
	close(b->listener);
	unlink(b->sock);
	rmdir(b->dir);
	free(b);
	return 0;
}

static void all_is_read_but_what_is_the_hosts_own(void **state)
{
	struct bed *b = *state;
	struct tree t;

	assert_int_equal(tree_read_nodes(b->w, 7, &t), 0);
	assert_int_equal(t.nr_nodes, 7);
	assert_string_equal(t.node[0].path, "control");
	assert_string_equal(t.node[6].path, "device/vif/0/state");
	assert_memory_equal(t.node[6].value, "4", 1);
	assert_int_equal(t.node[6].nr_perms, 2);
	assert_int_equal(t.node[6].perm[0].domid, 7);
	assert_int_equal(t.node[6].perm[1].flags, 1);
	tree_free(&t);
}

/* Applies the events to t and compares with what a full read gives. */
static void update(struct bed *b, struct tree *t, const char *const *events, unsigned int nr)
{
	static uint8_t got[TREE_MAX_BYTES], want[TREE_MAX_BYTES];
	char *path[TREE_MAX_UPDATE];
	struct tree full;
	unsigned int i;
	long len;

	for (i = 0; i < nr; i++)
		path[i] = strdup(events[i]);
	assert_int_equal(tree_update(b->w, t, path, nr), 0);
	for (i = 0; i < nr; i++)
		free(path[i]);
	assert_int_equal(tree_read_nodes(b->w, 7, &full), 0);
	len = tree_encode(&full, want, sizeof(want));
	assert_int_equal(tree_encode(t, got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
	tree_free(&full);
}

static void events_give_the_same_as_reading_all(void **state)
{
	static const char *const value[] = { "control/shutdown" };
	static const char *const deep[] = { "data/a/b", "data/a/c" };
	static const char *const gone[] = { "device/vif/0" };
	/* Removed and made anew with less below it; a child's event beside its directory's. */
	static const char *const anew[] = { "data/a/c", "data", "data/x/y", "data/x" };
	static const char *const nothing[] = { "never/was/there" };
	struct bed *b = *state;
	struct tree t;

	assert_int_equal(tree_read_nodes(b->w, 7, &t), 0);
	put(b, "control/shutdown", "poweroff");
	update(b, &t, value, 1);
	/* xenstored tells of data/a/b only, the directories above come by themselves. */
	put(b, "data", "");
	put(b, "data/a", "");
	put(b, "data/a/b", "1");
	put(b, "data/a/c", "2");
	update(b, &t, deep, 2);
	drop(b, "device/vif/0");
	update(b, &t, gone, 1);
	drop(b, "data");
	put(b, "data", "new");
	put(b, "data/x", "");
	put(b, "data/x/y", "3");
	update(b, &t, anew, 4);
	update(b, &t, nothing, 1);
	tree_free(&t);
}

static void an_update_asks_only_for_what_changed(void **state)
{
	static const char *const value[] = { "control/shutdown" };
	struct bed *b = *state;
	char *path[] = { strdup(value[0]) };
	unsigned int before;
	struct tree t;

	assert_int_equal(tree_read_nodes(b->w, 7, &t), 0);
	before = b->st.requests;
	assert_int_equal(tree_update(b->w, &t, path, 1), 0);
	assert_int_equal(b->st.requests - before, 3);
	free(path[0]);
	tree_free(&t);
}

static void a_guest_with_too_many_nodes_is_an_error(void **state)
{
	struct bed *b = *state;
	char path[48];
	struct tree t;

	for (unsigned int i = 0; i <= TREE_MAX_NODES; i++) {
		snprintf(path, sizeof(path), "control/n%u", i);
		strcpy(b->st.path[b->st.nr], path);
		b->st.val[b->st.nr++][0] = '\0';
	}
	assert_int_equal(tree_read_nodes(b->w, 7, &t), -E2BIG);
	assert_int_equal(t.nr_nodes, 0);
}

static int quiet(void **state)
{
	kem_log_init("tree_read_test", false, false);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_read_but_what_is_the_hosts_own, setup, teardown),
		cmocka_unit_test_setup_teardown(events_give_the_same_as_reading_all, setup, teardown),
		cmocka_unit_test_setup_teardown(an_update_asks_only_for_what_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_guest_with_too_many_nodes_is_an_error, setup, teardown),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
