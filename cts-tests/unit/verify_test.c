/* SPDX-License-Identifier: GPL-2.0-only */
/* The verifier: each kind of difference between a guest and its copy is found and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xenctrl.h>

#include <xen/hvm/save.h>

#include "apply/verify.h"
#include "capture/reference.h"
#include "fake_ram.h"
#include "wire/reader.h"

#define GRANT_GFN 200ULL /* outside of the RAM */
#define SHARED_GFN 16ULL
#define VCPU_GFN 20ULL
#define RING_GFN 21ULL
#define EPOCH 7ULL
#define DEADLINE 30000000ULL
/* How far the clocks of two CPUs may be apart. */
#define APART 20000000ULL

/* ---- the hidden state of a guest with two ports and two grant frames ---- */

struct hidden {
	struct xen_kemari_state s;
	struct xen_kemari_vcpu v;
	struct xen_kemari_port port[2];
	uint64_t grant[2];
};
_Static_assert(sizeof(struct hidden) == sizeof(struct xen_kemari_state) + sizeof(struct xen_kemari_vcpu) +
						2 * sizeof(struct xen_kemari_port) + 16,
	       "as the blob");

static const struct hidden guest_hidden = {
	.s = { .magic = XEN_KEMARI_STATE_MAGIC,
	       .version = XEN_KEMARI_STATE_VERSION,
	       .nr_vcpus = 1,
	       .nr_ports = 2,
	       .nr_grant_frames = 2,
	       .grant_version = 1,
	       .shared_info_gfn = SHARED_GFN,
	       .system_time = 1000,
	       .tsc = 3000 },
	.v = { .vcpu_info_gfn = VCPU_GFN,
	       .flags = XEN_KEMARI_VF_online | XEN_KEMARI_VF_singleshot,
	       .upcall_vector = 0xf3,
	       .singleshot_abs = DEADLINE,
	       .runstate_time = { 400, 300, 200, 100 } },
	.port = { { .port = 1, .state = XEN_KEMARI_PORT_interdomain, .remote_port = 9 },
		  { .port = 2, .state = XEN_KEMARI_PORT_virq, .virq = 0 } },
	.grant = { GRANT_GFN, GRANT_GFN + 1 },
};

static struct verify_result res;

/* Compares the copy's hidden state with the guest's; what is said about it. */
static const char *hidden_says(const struct hidden *guest, const struct hidden *copy)
{
	memset(&res, 0, sizeof(res));
	verify_hv_state(&res, &guest->s, &copy->s);
	return res.fields ? res.field[0] : "";
}

static void a_hidden_state_is_equal_to_itself(void **state)
{
	assert_string_equal(hidden_says(&guest_hidden, &guest_hidden), "");
}

static void what_goes_on_in_a_stopped_guest_is_no_difference(void **state)
{
	struct hidden later = guest_hidden;

	later.s.system_time += 50;
	later.s.tsc += 50;
	later.v.runstate_time[2] += 50;
	later.v.flags |= XEN_KEMARI_VF_nmi_pending;
	assert_string_equal(hidden_says(&later, &guest_hidden), "");
	assert_string_equal(hidden_says(&guest_hidden, &later), "hidden state: system_time");
	assert_int_equal(res.fields, 3);
}

static void a_time_that_is_far_ahead_of_the_guest_is_found(void **state)
{
	struct hidden copy = guest_hidden;

	copy.v.runstate_time[2] += 20000000;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: vcpu 0: runstate_time[2]");
}

static void a_timer_that_is_not_armed_in_the_copy_is_found(void **state)
{
	struct hidden copy = guest_hidden;

	copy.v.flags &= ~XEN_KEMARI_VF_singleshot;
	copy.v.singleshot_abs = 0;
	assert_string_equal(hidden_says(&guest_hidden, &copy),
			    "hidden state: vcpu 0: singleshot timer not armed");
	copy = guest_hidden;
	copy.v.singleshot_abs++;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: vcpu 0: singleshot_abs");
}

static void a_timer_may_fire_after_the_capture_but_not_before_its_time(void **state)
{
	struct hidden fired = guest_hidden;

	fired.v.flags &= ~XEN_KEMARI_VF_singleshot;
	fired.v.singleshot_abs = 0;
	fired.s.system_time = DEADLINE;
	assert_string_equal(hidden_says(&fired, &guest_hidden), "");
	fired.s.system_time = DEADLINE - APART;
	assert_string_equal(hidden_says(&fired, &guest_hidden), "");
	fired.s.system_time = DEADLINE - APART - 1;
	assert_string_equal(
		hidden_says(&fired, &guest_hidden),
		"hidden state: vcpu 0: singleshot timer armed, 20000001 ns to go, the guest's is not");
}

static void each_part_of_the_hidden_state_is_found_and_named(void **state)
{
	struct hidden copy = guest_hidden;

	copy.v.vcpu_info_gfn++;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: vcpu 0: vcpu_info_gfn");
	copy = guest_hidden;
	copy.v.upcall_vector++;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: vcpu 0: upcall_vector");
	copy = guest_hidden;
	copy.v.periodic_period = 10;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: vcpu 0: periodic_period");
	copy = guest_hidden;
	copy.v.flags &= ~XEN_KEMARI_VF_online;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: vcpu 0: online");
	copy = guest_hidden;
	copy.s.shared_info_gfn++;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: shared_info_gfn");
	copy = guest_hidden;
	copy.port[1].state = XEN_KEMARI_PORT_unbound;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: event port 2: state");
	copy = guest_hidden;
	copy.s.nr_ports = 1;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: nr_ports");
	copy = guest_hidden;
	copy.grant[1] = 77;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: gfn of grant frame 1");
}

static void a_hidden_state_of_an_earlier_epoch_is_found(void **state)
{
	struct hidden copy = guest_hidden;

	copy.v.runstate_time[0]--;
	assert_string_equal(hidden_says(&guest_hidden, &copy), "hidden state: vcpu 0: time running");
}

/* ---- HVM context ---- */

struct context {
	struct hvm_save_descriptor cpu_head;
	struct hvm_hw_cpu cpu;
	struct hvm_save_descriptor lapic_head;
	uint8_t lapic[1024];
} __attribute__((packed));

static struct context guest_context = {
	.cpu_head = { HVM_SAVE_CODE(CPU), 0, sizeof(struct hvm_hw_cpu) },
	.lapic_head = { HVM_SAVE_CODE(LAPIC_REGS), 0, 1024 },
};

static const char *context_says(const struct context *copy, size_t len)
{
	memset(&res, 0, sizeof(res));
	verify_hvm_context(&res, (const uint8_t *)&guest_context, sizeof(guest_context),
			   (const uint8_t *)copy, len);
	return res.fields ? res.field[0] : "";
}

static void a_register_or_an_interrupt_that_is_missing_is_found(void **state)
{
	struct context copy = guest_context;

	copy.cpu.tsc = 17;
	assert_string_equal(context_says(&copy, sizeof(copy)), "");
	copy.cpu.rip = 17;
	assert_ptr_equal(strstr(context_says(&copy, sizeof(copy)), "HVM context: CPU registers"),
			 res.field[0]);
	copy = guest_context;
	copy.lapic[0x80] = 1;
	assert_string_equal(context_says(&copy, sizeof(copy)), "HVM context: record 6 of vcpu 0, byte 128");
	copy = guest_context;
	guest_context.lapic[0x210] = 1; /* came after the capture */
	assert_string_equal(context_says(&copy, sizeof(copy)), "");
	guest_context.lapic[0x210] = 0;
	copy.lapic[0x210] = 1;
	assert_string_equal(context_says(&copy, sizeof(copy)), "HVM context: record 6 of vcpu 0, byte 528");
	assert_ptr_equal(strstr(context_says(&copy, sizeof(copy) - 1), "HVM context: "), res.field[0]);
}

/* ---- pages that are written while the guest is stopped ---- */

static void a_word_that_changed_under_the_capture_counts_as_it_was_sent(void **state)
{
	static uint32_t before[1024], now[1024], sent[1024], out[1024];

	now[5] = sent[5] = 1;
	now[6] = 2;
	reference_merge(out, before, now, sent);
	assert_memory_equal(out, sent, sizeof(out));
}

static void a_pinned_page_that_was_not_looked_at_is_found(void **state)
{
	static uint32_t before[1024], now[1024], stale[1024], out[1024];

	before[5] = now[5] = 1;
	reference_merge(out, before, now, stale);
	assert_int_equal(out[5], 1);
}

/* ---- a whole copy ---- */

static struct fake_ram *guest, *shell;
static struct ram *guest_ram, *shell_ram;
static struct image *img;
static void *mem;
static uint8_t grants[2][FAKE_PAGE];
static uint8_t buf[2 << 20];
static char why[RECORD_WHY_MAX];

static void apply_epoch(void)
{
	struct image_apply a;
	struct record_writer w;
	size_t len;

	image_bulk_begin(img);
	fake_epoch_begin(&w, buf, sizeof(buf), EPOCH, 0);
	record_put(&w, RECORD_HV_STATE, &guest_hidden, sizeof(guest_hidden));
	record_put(&w, RECORD_HVM_CONTEXT, &guest_context, sizeof(guest_context));
	record_put(&w, RECORD_HVM_PARAMS, "0123456789abcdef", 16);
	fake_device(&w, "vbd", 51712, "in flight: 3");
	fake_pages(&w, (struct fake_page[]){ { SHARED_GFN, 6 }, { GRANT_GFN, 7 }, { GRANT_GFN + 1, 8 } }, 3);
	len = fake_epoch_end(&w, 0);
	assert_int_equal(image_check(img, buf, len, why), 0);
	assert_int_equal(image_apply_begin(img, &a, buf, len, why), 0);
	assert_int_equal(image_apply_step(img, &a, 0), 1);
}

static int setup(void **state)
{
	const struct image_cfg cfg = { .max_special = 8, .blob_bytes = 16384 };
	size_t size = image_mem_size(&cfg, fake_ranges, 2);

	guest = fake_ram_new(&guest_ram);
	shell = fake_ram_new(&shell_ram);
	mem = calloc(1, size);
	if (image_open(mem, size, &cfg, shell_ram, &img))
		return -1;
	memset(guest->page[SHARED_GFN], 6, FAKE_PAGE);
	memset(grants[0], 7, FAKE_PAGE);
	memset(grants[1], 8, FAKE_PAGE);
	apply_epoch();
	memset(&res, 0, sizeof(res));
	return 0;
}

static int teardown(void **state)
{
	image_close(img);
	ram_close(guest_ram);
	ram_close(shell_ram);
	free(guest);
	free(shell);
	free(mem);
	return 0;
}

static const void *guest_page(void *arg, uint64_t gfn)
{
	return gfn == GRANT_GFN || gfn == GRANT_GFN + 1 ? grants[gfn - GRANT_GFN] : ram_page(guest_ram, gfn);
}

static const char *guest_name(void *arg, uint64_t gfn)
{
	return gfn == GRANT_GFN || gfn == GRANT_GFN + 1 ? "grant table"
	       : gfn == SHARED_GFN			? "shared_info"
	       : gfn == VCPU_GFN			? "vcpu_info"
	       : gfn == RING_GFN			? "device ring"
							: "RAM";
}

static void put_device(struct record_writer *w, uint32_t id, const char *text)
{
	size_t room;
	void *to = verify_reserve_state(w, RECORD_DEVICE, "vbd", id, &room);

	memcpy(to, text, strlen(text));
	verify_commit_state(w, strlen(text));
}

/* All of a round: what the primary says that the guest is, compared; the sentence that it gets back. */
static const char *round_says(const struct hidden *hidden, uint32_t vbd, const char *device)
{
	static uint8_t records[1 << 16];
	static char text[256];
	struct record_writer w;
	bool last = false;
	struct record r;
	size_t off = 0;
	json_t *o;
	char *report;

	record_writer_init(&w, records, sizeof(records));
	assert_int_equal(verify_put_state(&w, RECORD_HV_STATE, hidden, sizeof(*hidden)), 0);
	verify_put_state(&w, RECORD_HVM_CONTEXT, &guest_context, sizeof(guest_context));
	verify_put_state(&w, RECORD_HVM_PARAMS, "0123456789abcdef", 16);
	put_device(&w, vbd, device);
	assert_int_equal(verify_write(&w, guest_ram, guest_hidden.grant, 2, guest_page, NULL), 0);
	while (record_walk(records, w.len, &off, &r)) {
		assert_false(last);
		if (r.type == RECORD_VERIFY_STATE)
			assert_int_equal(verify_compare_state(img, r.payload, r.len, &res, why), 0);
		else
			assert_int_equal(verify_compare(img, r.payload, r.len, &res, &last, why), 0);
	}
	assert_true(last);
	assert_int_equal(res.compared, 82);
	assert_int_equal(res.parts, 4);
	o = verify_report(img, &res);
	report = json_dumps(o, 0);
	json_decref(o);
	text[0] = '\0';
	if (!verify_read_report(report, strlen(report), guest_name, NULL, text, sizeof(text)))
		strcpy(text, "equal");
	free(report);
	return text;
}

static void an_equal_copy_is_equal(void **state)
{
	assert_string_equal(round_says(&guest_hidden, 51712, "in flight: 3"), "equal");
}

static void each_kind_of_page_is_found_and_named(void **state)
{
	static const struct {
		uint64_t gfn;
		const char *says;
	} row[] = {
		{ 63, "epoch 7; 1 pages differ: RAM page at gfn 0x3f" },
		{ RING_GFN, "epoch 7; 1 pages differ: device ring page at gfn 0x15" },
		{ GRANT_GFN, "epoch 7; 1 pages differ: grant table page at gfn 0xc8" },
		{ SHARED_GFN, "epoch 7; 1 pages differ: shared_info page at gfn 0x10" },
		{ VCPU_GFN, "epoch 7; 1 pages differ: vcpu_info page at gfn 0x14" },
	};

	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		uint8_t *p = (uint8_t *)guest_page(NULL, row[i].gfn);

		memset(&res, 0, sizeof(res));
		p[17] ^= 1;
		assert_string_equal(round_says(&guest_hidden, 51712, "in flight: 3"), row[i].says);
		p[17] ^= 1;
	}
}

static void pages_of_several_kinds_are_all_named(void **state)
{
	guest->page[1][0] = guest->page[2][0] = guest->page[RING_GFN][0] = 1;
	assert_string_equal(round_says(&guest_hidden, 51712, "in flight: 3"),
			    "epoch 7; 3 pages differ: RAM page at gfn 0x1, device ring page at gfn 0x15");
}

static void a_page_that_the_copy_still_has_is_found(void **state)
{
	ram_hide(guest_ram, 40);
	assert_string_equal(round_says(&guest_hidden, 51712, "in flight: 3"),
			    "epoch 7; 1 pages differ: RAM page at gfn 0x28");
}

static void a_timer_that_was_left_out_fails_the_round(void **state)
{
	struct hidden later = guest_hidden;

	later.v.singleshot_abs++;
	assert_string_equal(round_says(&later, 51712, "in flight: 3"),
			    "epoch 7; 1 parts of the state differ: hidden state: vcpu 0: singleshot_abs");
}

static void a_device_state_that_differs_is_found(void **state)
{
	assert_string_equal(round_says(&guest_hidden, 51712, "in flight: 4"),
			    "epoch 7; 1 parts of the state differ: device state: vbd 51712: byte 11 of 12");
}

static void a_device_that_the_copy_lacks_is_found(void **state)
{
	assert_string_equal(
		round_says(&guest_hidden, 51728, "in flight: 3"),
		"epoch 7; 1 parts of the state differ: device state: vbd 51728: the standby has none");
}

static void a_record_that_is_none_is_refused(void **state)
{
	uint8_t payload[64] = { RECORD_HV_STATE };

	assert_int_equal(verify_compare_state(img, payload, 23, &res, why), -EBADMSG);
	assert_int_equal(verify_compare_state(img, payload, 24, &res, why), -EBADMSG);
	assert_int_equal(verify_compare_state(img, payload, 64, &res, why), -EBADMSG);
	payload[0] = RECORD_PAGES;
	assert_int_equal(verify_compare_state(img, payload, 64, &res, why), -EBADMSG);
	payload[0] = RECORD_DEVICE;
	payload[23] = 'x';
	assert_int_equal(verify_compare_state(img, payload, 64, &res, why), -EBADMSG);
	image_forget(img);
	payload[23] = 0;
	assert_int_equal(verify_compare_state(img, payload, 64, &res, why), -EBADMSG);
	assert_int_equal(res.fields, 0);
}

static void a_report_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[1]",
		"{\"epoch\":1,\"mismatches\":0}",
		"{\"epoch\":1,\"mismatches\":-1,\"different\":0}",
		"{\"epoch\":1,\"mismatches\":\"0\",\"different\":0}",
	};
	const char *odd = "{\"epoch\":1,\"mismatches\":2,\"different\":1,\"gfns\":[\"x\",{}],"
			  "\"fields\":[\"a\\nb\"]}";
	char text[64] = "";

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			verify_read_report(bad[i], strlen(bad[i]), guest_name, NULL, text, sizeof(text)),
			-EBADMSG);
	assert_int_equal(verify_read_report(odd, strlen(odd), guest_name, NULL, text, sizeof(text)), 1);
	assert_string_equal(text, "epoch 1; 1 parts of the state differ; 2 pages differ: RAM page ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hidden_state_is_equal_to_itself),
		cmocka_unit_test(what_goes_on_in_a_stopped_guest_is_no_difference),
		cmocka_unit_test(a_time_that_is_far_ahead_of_the_guest_is_found),
		cmocka_unit_test(a_timer_that_is_not_armed_in_the_copy_is_found),
		cmocka_unit_test(a_timer_may_fire_after_the_capture_but_not_before_its_time),
		cmocka_unit_test(each_part_of_the_hidden_state_is_found_and_named),
		cmocka_unit_test(a_hidden_state_of_an_earlier_epoch_is_found),
		cmocka_unit_test(a_register_or_an_interrupt_that_is_missing_is_found),
		cmocka_unit_test(a_word_that_changed_under_the_capture_counts_as_it_was_sent),
		cmocka_unit_test(a_pinned_page_that_was_not_looked_at_is_found),
		TEST(an_equal_copy_is_equal),
		TEST(each_kind_of_page_is_found_and_named),
		TEST(pages_of_several_kinds_are_all_named),
		TEST(a_page_that_the_copy_still_has_is_found),
		TEST(a_timer_that_was_left_out_fails_the_round),
		TEST(a_device_state_that_differs_is_found),
		TEST(a_device_that_the_copy_lacks_is_found),
		TEST(a_record_that_is_none_is_refused),
		TEST(a_report_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
