/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvop.h"
#include "wire/hello.h"
#include "wire/samples.h"

#define SESSION 0x1122334455667788ULL
#define G 0xfedcba9876543210ULL
#define UUID "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a"
#define DOMID 20007

static char why[RECORD_WHY_MAX], fix[RECORD_WHY_MAX];

static const char record[] =
	"{\"format\":1,\"name\":\"vm1\",\"uuid\":\"" UUID "\",\"memory_kb\":131072,\"vcpus\":1,"
	"\"on\":{\"poweroff\":\"destroy\",\"reboot\":\"restart\",\"crash\":\"preserve\","
	"\"watchdog\":\"destroy\",\"soft_reset\":\"restart\"},"
	"\"disks\":[{\"vdev\":\"xvda\",\"target\":\"/dev/vdb\",\"readonly\":false,\"discard\":true},"
	"{\"vdev\":\"xvdb\",\"target\":\"/dev/vdc\",\"readonly\":true,\"discard\":false}],"
	"\"nics\":[],\"config\":{\"c_info\":{\"type\":\"pvh\",\"name\":\"vm1\",\"uuid\":\"" UUID "\"},"
	"\"b_info\":{\"max_vcpus\":1,\"tsc_mode\":\"native\",\"max_memkb\":131072,\"target_memkb\":131072,"
	"\"kernel\":\"/boot/vmlinuz\"}}}";

static struct hello a_hello(void)
{
	struct hello h = {
		.protocol = RECORD_VERSION,
		.state_format = XEN_KEMARI_STATE_VERSION,
		.domid = DOMID,
		.memory_kb = 131072,
		.cpu = { .nr_leaves = 2,
			 .nr_msrs = 1,
			 .leaf = { { 0, CPU_NO_SUBLEAF, 0xd, 1, 2, 3 }, { 7, 0, 2, 0xffffffffU, 4, 5 } },
			 .msr = { { 0x10a, 0x8000000000000001ULL } } },
		.nr_disks = 2,
		.disk = { { "xvda", 1 << 30, 512, { "device", "wwid:naa.1+0" } },
			  { "xvdb", 0, 512, { "device", "" } } },
		.host = "xa",
		.role = "owner",
		.boot = G,
		.g = G,
		.epoch = 5,
	};

	memset(h.uuid, 0x5a, sizeof(h.uuid));
	return h;
}

static struct hello with_record(void)
{
	struct hello h = a_hello();

	h.record = (char *)record;
	h.record_len = strlen(record);
	return h;
}

static void hello_and_welcome_come_through(void **state)
{
	struct hello h = with_record(), got;
	char text[4096];
	long n;

	n = hello_encode(&h, text, sizeof(text));
	assert_true(n > 0);
	assert_int_equal(hello_encode(&h, text, (size_t)n - 1), -ENOBUFS);
	n = hello_encode(&h, text, sizeof(text));
	assert_int_equal(hello_parse(text, (size_t)n, &got, why), 0);
	assert_string_equal(got.record, h.record);
	assert_int_equal(got.g, G);
	assert_int_equal(got.boot, G);
	assert_int_equal(got.epoch, 5);
	assert_memory_equal(&got.cpu, &h.cpu, sizeof(h.cpu));
	assert_memory_equal(&got.disk, &h.disk, sizeof(h.disk));
	assert_string_equal(got.role, "owner");
	assert_int_equal(got.session, 0);
	assert_int_equal(hello_mismatch(&h, &got, why, fix), 0);
	hello_free(&got);

	h.record = NULL;
	h.session = SESSION;
	h.staging_bytes = 64 << 20;
	n = hello_encode(&h, text, sizeof(text));
	assert_int_equal(hello_parse(text, (size_t)n, &got, why), 0);
	assert_int_equal(got.session, SESSION);
	assert_int_equal(got.staging_bytes, 64 << 20);
	assert_null(got.record);
}

#define HEAD "{\"protocol\":4,\"state_format\":2,\"memory_kb\":1,"
#define CPU HEAD "\"cpuid\":[],\"msrs\":[],"

static void a_bad_hello_names_its_key(void **state)
{
	static const struct {
		const char *text, *key;
	} bad[] = {
		{ "{", "JSON" },
		{ "[1]", "not an object" },
		{ "{}", "protocol" },
		{ "{\"protocol\":4}", "state_format" },
		{ "{\"protocol\":-1}", "protocol" },
		{ HEAD "\"cpuid\":7}", "cpuid" },
		{ HEAD "\"cpuid\":[1,2,3,4,5]}", "cpuid" },
		{ HEAD "\"cpuid\":[1,2,3,4,5,4294967296]}", "cpuid" },
		{ HEAD "\"cpuid\":[1,2,3,4,5,-1]}", "cpuid" },
		{ HEAD "\"cpuid\":[],\"msrs\":[1]}", "msrs" },
		{ CPU "\"disks\":[7]}", "vdev" },
		{ CPU "\"disks\":[{\"vdev\":\"xvda\",\"bytes\":-1}]}", "bytes" },
		{ CPU "\"disks\":[{\"vdev\":\"xvda\",\"bytes\":1,\"sector_size\":512,\"kind\":\"a\\nb\"}]}",
		  "kind" },
		{ CPU "\"disks\":[],\"uuid\":\"x\"}", "uuid" },
		{ CPU "\"disks\":[],\"uuid\":\"" UUID "\",\"role\":\"king\"}", "role" },
	};
	struct hello h;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(hello_parse(bad[i].text, strlen(bad[i].text), &h, why), -EBADMSG);
		if (!strstr(why, bad[i].key))
			fail_msg("\"%s\" does not name %s", why, bad[i].key);
	}
}

static void more_leaves_than_there_can_be_are_refused(void **state)
{
	static char text[32 + 12 * 6 * (CPU_MAX_LEAVES + 1)];
	struct hello h;
	size_t n = (size_t)sprintf(text, HEAD "\"cpuid\":[0");

	for (unsigned int i = 1; i < 6 * (CPU_MAX_LEAVES + 1); i++)
		n += (size_t)sprintf(text + n, ",1");
	sprintf(text + n, "],\"msrs\":[]}");
	assert_int_equal(hello_parse(text, strlen(text), &h, why), -EBADMSG);
	assert_non_null(strstr(why, "cpuid"));
}

static void every_mismatch_is_told_with_both_values(void **state)
{
	struct hello mine = a_hello(), theirs;

#define MISMATCH(change, a, b)                                                                               \
	do {                                                                                                 \
		theirs = mine;                                                                               \
		change;                                                                                      \
		fix[0] = '\0';                                                                               \
		assert_int_equal(hello_mismatch(&mine, &theirs, why, fix), -EPROTO);                         \
		assert_non_null(strstr(why, a));                                                             \
		assert_non_null(strstr(why, b));                                                             \
		assert_true(fix[0]);                                                                         \
	} while (0)
	MISMATCH(theirs.protocol = 9, "protocol 4", "9");
	MISMATCH(theirs.state_format = 77, "state format", "77");
	MISMATCH(theirs.uuid[0] = 0, "5a5a5a5a-", "005a5a5a-");
	MISMATCH(theirs.domid = 20008, "20007", "20008");
	MISMATCH(theirs.memory_kb = 4096, "131072", "4096");
	MISMATCH(theirs.cpu.leaf[1].ebx = 0x7f, "leaf 0x7 subleaf 0 ebx is 0xffffffff", "0x0000007f");
	MISMATCH(theirs.cpu.msr[0].value = 1, "MSR 0x10a is 0x8000000000000001", "0x1 on");
	MISMATCH(theirs.nr_disks = 1, "2 disks", "1");
	MISMATCH(theirs.disk[0].bytes = 512, "xvda has 1073741824", "512");
	MISMATCH(theirs.disk[0].sector_size = 4096, "sectors of 512", "4096");
	MISMATCH(strcpy(theirs.disk[0].share.id, "wwid:naa.2+0"), "naa.1", "naa.2");
	MISMATCH(strcpy(theirs.disk[0].share.kind, "file"), "xvda is a plain file", "on the peer");
	MISMATCH(strcpy(theirs.disk[0].share.kind, "drbd"), "DRBD", "on the peer");
	MISMATCH(strcpy(theirs.disk[0].share.kind, "new"), "unknown kind", "on the peer");
	strcpy(mine.disk[0].share.kind, "loop");
	MISMATCH((void)0, "loop device", "here");
}

static void what_one_side_does_not_know_is_not_compared(void **state)
{
	struct hello mine = a_hello(), theirs = mine;

	theirs.disk[1].bytes = 99; /* 0 here */
	theirs.cpu.nr_leaves = 0;
	theirs.disk[0].share.id[0] = '\0';
	assert_int_equal(hello_mismatch(&mine, &theirs, why, fix), 0);
	strcpy(theirs.disk[0].share.id, "dm:mpath-naa.1+0"); /* another scheme's name of the same disk */
	assert_int_equal(hello_mismatch(&mine, &theirs, why, fix), 0);
}

static void a_hello_of_another_protocol_is_understood_that_far(void **state)
{
	struct hello mine = a_hello(), theirs;
	const char *text = "{\"protocol\":5,\"new\":true}";
	char name[VM_NAME_MAX];

	assert_int_equal(hello_parse(text, strlen(text), &theirs, why), 0);
	assert_int_equal(hello_mismatch(&mine, &theirs, why, fix), -EPROTO);
	assert_non_null(strstr(why, "protocol 4, the peer 5"));
	assert_int_equal(hello_admit(&theirs, name, why, fix), -EPROTO);
	assert_non_null(strstr(why, "protocol 4, the peer 5"));
}

/* Refused before anything is made for it. */
static void a_hello_that_cannot_be_admitted_says_why(void **state)
{
	struct hello h = with_record();
	char name[VM_NAME_MAX];

	assert_int_equal(hello_admit(&h, name, why, fix), 0);
	assert_string_equal(name, "vm1");
#define REFUSED(change, word)                                                                                \
	do {                                                                                                 \
		h = with_record();                                                                           \
		change;                                                                                      \
		fix[0] = '\0';                                                                               \
		assert_int_equal(hello_admit(&h, name, why, fix), -EPROTO);                                  \
		assert_non_null(strstr(why, word));                                                          \
		assert_true(fix[0]);                                                                         \
	} while (0)
	REFUSED(h.state_format++, "state format");
	REFUSED(h.record = NULL, "without VM record");
	REFUSED(h.domid = 0, "or domain");
	REFUSED(h.record_len -= 3, "record is refused");
	REFUSED(h.uuid[3] = 0, "the uuid");
	REFUSED(h.memory_kb = 4096, "the memory");
	REFUSED(h.nr_disks = 1, "number of disks");
}

static void refuse_and_progress_come_through(void **state)
{
	struct refuse r = { "no room", "free some", true }, rgot;
	struct progress p = { "bulk", 7, 1ULL << 40 }, pgot;
	char text[1024];
	long n = refuse_encode(&r, text, sizeof(text));

	assert_int_equal(refuse_parse(text, (size_t)n, &rgot, why), 0);
	assert_string_equal(rgot.reason, r.reason);
	assert_string_equal(rgot.fix, r.fix);
	assert_true(rgot.retry);
	r.retry = false;
	n = refuse_encode(&r, text, sizeof(text));
	assert_int_equal(refuse_parse(text, (size_t)n, &rgot, why), 0);
	assert_false(rgot.retry);
	assert_int_equal(refuse_parse("{\"reason\":\"a\\nb\",\"fix\":\"\"}", 28, &rgot, why), -EBADMSG);
	assert_int_equal(refuse_parse("{\"reason\":\"a\",\"fix\":\"\"}", 23, &rgot, why), -EBADMSG);
	n = progress_encode(&p, text, sizeof(text));
	assert_int_equal(progress_parse(text, (size_t)n, &pgot, why), 0);
	assert_memory_equal(&pgot.done, &p.done, 16);
	assert_string_equal(pgot.step, "bulk");
}

static void samples_come_through_and_bad_ones_do_not(void **state)
{
	struct samples s = { .disk = 1, .nr = 2, .v = { 0, 8192 } }, got;
	uint8_t b[SAMPLES_MAX_BYTES + 8];
	size_t n = samples_encode(&s, b);

	assert_int_equal(samples_decode(b, n, &got, why), 0);
	assert_int_equal(got.disk, 1);
	assert_int_equal(got.v[1], 8192);
	assert_int_equal(samples_check_offsets(&got, 12288, why), 0);
	assert_int_equal(samples_check_offsets(&got, 12287, why), -EBADMSG);
	assert_int_equal(samples_check_offsets(&got, 100, why), -EBADMSG);
	got.v[0] = 512;
	assert_int_equal(samples_check_offsets(&got, 12288, why), -EBADMSG);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(samples_decode(b, cut, &got, why), -EBADMSG);
	assert_int_equal(samples_decode(b, n + 8, &got, why), -EBADMSG);
	b[8] = SHARE_SAMPLES + 1;
	assert_int_equal(samples_decode(b, sizeof(b), &got, why), -EBADMSG);
	s = (struct samples){ .disk = 0, .error = EIO };
	n = samples_encode(&s, b);
	assert_int_equal(samples_decode(b, n, &got, why), 0);
	assert_int_equal(got.error, EIO);
	assert_int_equal(samples_check_offsets(&got, 12288, why), -EBADMSG);
	s.error = 0;
	n = samples_encode(&s, b);
	assert_int_equal(samples_decode(b, n, &got, why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_and_welcome_come_through),
		cmocka_unit_test(a_bad_hello_names_its_key),
		cmocka_unit_test(more_leaves_than_there_can_be_are_refused),
		cmocka_unit_test(every_mismatch_is_told_with_both_values),
		cmocka_unit_test(what_one_side_does_not_know_is_not_compared),
		cmocka_unit_test(a_hello_of_another_protocol_is_understood_that_far),
		cmocka_unit_test(a_hello_that_cannot_be_admitted_says_why),
		cmocka_unit_test(refuse_and_progress_come_through),
		cmocka_unit_test(samples_come_through_and_bad_ones_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
