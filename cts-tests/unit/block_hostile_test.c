/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's rings are hostile input (G8): what a broken or malicious guest writes gets an error of its own,
 * or stops its own device, and touches nothing else.
 */
#include "block_env.h"

struct bed {
	struct fake_guest fake;
	struct block_env env;
	struct block_front front;
};

static struct bed *bed_new(void)
{
	struct bed *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	fake_guest_init(&t->fake, GUEST_PAGES);
	env_init(&t->env, &t->fake, NULL);
	front_init(&t->front, &t->fake, 1, 1);
	t->env.must_hold = false;
	return t;
}

static struct bed *bed_connected(void)
{
	struct bed *t = bed_new();

	env_connect(&t->env, &t->front);
	return t;
}

static void bed_free(struct bed *t)
{
	env_fini(&t->env, true);
	fake_guest_fini(&t->fake);
	free(t);
}

/* The next good request still works, and the disk is as it was made: empty. */
static void assert_unharmed(struct bed *t)
{
	unsigned int before = t->front.answered;

	front_rw(&t->front, 0, MAX_IDS - 1, BLKIF_OP_READ, 0, 900, 1);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, before + 1);
	assert_int_equal(t->front.id[MAX_IDS - 1].status, BLKIF_RSP_OKAY);
	assert_int_equal(t->env.failed_said, 0);
	assert_true(env_disk_is(&t->env, 0, DISK_SECTORS, 0));
}

static void check_piece(struct fake_guest *f, const struct guest_copy *c, bool from)
{
	assert_true(c->offset + c->len <= GUEST_PAGE_SIZE);
}

/* One request, changed by spoil() before it is published, gets this status.  Nothing of it is written. */
static void spoiled(void (*spoil)(struct bed *t, struct blkif_request *r), uint8_t op, int16_t status)
{
	struct bed *t = bed_connected();
	struct blkif_request *r = front_slot(&t->front, 0);
	unsigned int i;

	memset(r, 0, sizeof(*r));
	r->operation = op;
	r->nr_segments = 2;
	r->id = 77;
	r->sector_number = 8;
	for (i = 0; i < 2; i++)
		r->seg[i] = (struct blkif_request_segment){ t->front.data_ref[64 + i], 0, 7 };
	memset(fake_page(&t->fake, 64), 0xff, 2 * GUEST_PAGE_SIZE);
	spoil(t, r);
	t->fake.on_copy = check_piece;
	front_push(&t->front, 0, 77, r->operation == BLKIF_OP_INDIRECT ? r->nr_segments : r->operation);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);
	assert_int_equal(t->front.id[77].status, status);
	assert_unharmed(t);
	bed_free(t);
}

static void no_segments(struct bed *t, struct blkif_request *r)
{
	r->nr_segments = 0;
}

static void too_many_segments(struct bed *t, struct blkif_request *r)
{
	r->nr_segments = BLKIF_MAX_SEGMENTS_PER_REQUEST + 1;
}

static void first_after_last(struct bed *t, struct blkif_request *r)
{
	r->seg[1].first_sect = 5;
	r->seg[1].last_sect = 4;
}

static void last_beyond_the_page(struct bed *t, struct blkif_request *r)
{
	r->seg[0].last_sect = 8;
}

static void unknown_ref(struct bed *t, struct blkif_request *r)
{
	r->seg[1].gref = 0xfffffff0;
}

static void revoked_ref(struct bed *t, struct blkif_request *r)
{
	fake_revoke(&t->fake, r->seg[0].gref);
}

static void readonly_ref(struct bed *t, struct blkif_request *r)
{
	r->seg[1].gref = fake_grant_mode(&t->fake, 65, true);
}

static void beyond_the_end(struct bed *t, struct blkif_request *r)
{
	r->sector_number = DISK_SECTORS - 15;
}

static void sector_wraps(struct bed *t, struct blkif_request *r)
{
	r->sector_number = UINT64_MAX - 7;
}

static void sector_wraps_in_bytes(struct bed *t, struct blkif_request *r)
{
	r->sector_number = 1ULL << 55;
}

/* Data of a request that is refused for what it says is not even looked at. */
static void refused_unseen(void (*spoil)(struct bed *t, struct blkif_request *r))
{
	struct bed *t = bed_connected();
	struct blkif_request *r;

	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 8, 64, 2);
	r = (struct blkif_request *)t->front.queue[0].shared->slots;
	spoil(t, r);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->fake.copies_from, 0);
	bed_free(t);
}

static void bad_read_or_write_is_an_error(void **state)
{
	static void (*const spoil[])(struct bed * t, struct blkif_request * r) = {
		no_segments, too_many_segments, first_after_last, last_beyond_the_page,	 unknown_ref,
		revoked_ref, beyond_the_end,	sector_wraps,	  sector_wraps_in_bytes,
	};
	unsigned int i;

	for (i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		spoiled(spoil[i], BLKIF_OP_READ, BLKIF_RSP_ERROR);
		spoiled(spoil[i], BLKIF_OP_WRITE, BLKIF_RSP_ERROR);
	}
	spoiled(readonly_ref, BLKIF_OP_READ, BLKIF_RSP_ERROR);
	refused_unseen(last_beyond_the_page);
	refused_unseen(beyond_the_end);
	refused_unseen(sector_wraps);
}

static void as_it_is(struct bed *t, struct blkif_request *r)
{
}

static void what_is_not_offered_is_not_supported(void **state)
{
	spoiled(as_it_is, BLKIF_OP_WRITE_BARRIER, BLKIF_RSP_EOPNOTSUPP);
	spoiled(as_it_is, BLKIF_OP_RESERVED_1, BLKIF_RSP_EOPNOTSUPP);
	spoiled(as_it_is, 255, BLKIF_RSP_EOPNOTSUPP);
	spoiled(as_it_is, BLKIF_OP_FLUSH_DISKCACHE, BLKIF_RSP_ERROR); /* with data */
}

static struct blkif_request_indirect *indirect(struct blkif_request *r)
{
	return (struct blkif_request_indirect *)r;
}

static void in_write(struct bed *t, struct blkif_request *r, uint16_t nr)
{
	struct blkif_request_segment *seg = (struct blkif_request_segment *)fake_page(&t->fake, 66);
	unsigned int i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < 256; i++)
		seg[i] = (struct blkif_request_segment){ t->front.data_ref[300 + i], 0, 7 };
	indirect(r)->operation = BLKIF_OP_INDIRECT;
	indirect(r)->indirect_op = BLKIF_OP_WRITE;
	indirect(r)->nr_segments = nr;
	indirect(r)->id = 77;
	indirect(r)->indirect_grefs[0] = t->front.data_ref[66];
}

static void indirect_none(struct bed *t, struct blkif_request *r)
{
	in_write(t, r, 0);
}

static void indirect_too_many(struct bed *t, struct blkif_request *r)
{
	in_write(t, r, 257);
}

static void indirect_most(struct bed *t, struct blkif_request *r)
{
	in_write(t, r, 65535);
}

static void indirect_bad_page(struct bed *t, struct blkif_request *r)
{
	in_write(t, r, 256);
	indirect(r)->indirect_grefs[0] = 3;
}

static void indirect_bad_segment(struct bed *t, struct blkif_request *r)
{
	in_write(t, r, 256);
	((struct blkif_request_segment *)fake_page(&t->fake, 66))[255].last_sect = 200;
}

static void indirect_discard(struct bed *t, struct blkif_request *r)
{
	in_write(t, r, 4);
	indirect(r)->indirect_op = BLKIF_OP_DISCARD;
}

static void indirect_indirect(struct bed *t, struct blkif_request *r)
{
	in_write(t, r, 4);
	indirect(r)->indirect_op = BLKIF_OP_INDIRECT;
}

static void bad_indirect_is_an_error(void **state)
{
	static void (*const spoil[])(struct bed * t, struct blkif_request * r) = {
		indirect_none,	      indirect_too_many, indirect_most,	    indirect_bad_page,
		indirect_bad_segment, indirect_discard,	 indirect_indirect,
	};
	unsigned int i;

	for (i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++)
		spoiled(spoil[i], BLKIF_OP_INDIRECT, BLKIF_RSP_ERROR);
}

static void bad_discard_touches_nothing(void **state)
{
	struct bed *t = bed_connected();
	uint8_t data[512];

	memset(data, 0xcc, sizeof(data));
	env_poke_disk(&t->env, DISK_SECTORS - 1, data, sizeof(data));
	front_discard(&t->front, 0, 1, DISK_SECTORS - 1, 2, 0);
	front_discard(&t->front, 0, 2, 0, 0, 0);
	front_discard(&t->front, 0, 3, 1, UINT64_MAX, 0);
	front_discard(&t->front, 0, 4, UINT64_MAX, 2, 0);
	front_discard(&t->front, 0, 5, DISK_SECTORS - 1, 1, BLKIF_DISCARD_SECURE);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 5);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->front.id[3].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->front.id[4].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->front.id[5].status, BLKIF_RSP_EOPNOTSUPP);
	assert_true(env_disk_is(&t->env, DISK_SECTORS - 1, 1, 0xcc));
	bed_free(t);
}

static void readonly_disk_is_only_read(void **state)
{
	struct bed *t = bed_new();

	t->env.cfg.readonly = true;
	t->env.dev->ops->destroy(t->env.dev);
	env_create(&t->env);
	env_connect(&t->env, &t->front);
	memset(fake_page(&t->fake, 64), 0xff, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 64, 1);
	front_discard(&t->front, 0, 2, 0, 8, 0);
	front_rw(&t->front, 0, 3, BLKIF_OP_READ, 0, 64, 1);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 3);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(t->front.id[3].status, BLKIF_RSP_OKAY);
	assert_int_equal(t->fake.copies_from, 0);
	assert_unharmed(t);
	bed_free(t);
}

/* A device with such a ring says so once and stops; another device of the host goes on. */
static void broken_ring(uint32_t req_prod, unsigned int consumed)
{
	struct bed *t = bed_connected(), *other = bed_connected();
	unsigned int i;

	for (i = 0; i < consumed; i++)
		front_rw(&t->front, 0, i, BLKIF_OP_READ, 0, 64, 1);
	front_kick(&t->front, 0);
	t->front.queue[0].shared->req_prod = req_prod;
	front_kick(&t->front, 0);
	env_wait((struct env_wait){ .env = &t->env, .front = &t->front, .answered = consumed, .failed = 1 });
	front_kick(&t->front, 0);
	t->env.dev->ops->quiesce(t->env.dev);
	env_wait((struct env_wait){ .env = &t->env, .quiesced = 1 });
	t->env.dev->ops->thaw(t->env.dev);
	env_wait((struct env_wait){ .env = &t->env });
	assert_int_equal(t->env.failed_said, 1);
	assert_non_null(strstr(t->env.why, "ring"));
	assert_int_equal(t->front.answered, consumed); /* what was in flight before is answered */
	assert_unharmed(other);
	bed_free(other);
	bed_free(t);
}

static void impossible_indexes_stop_only_this_device(void **state)
{
	broken_ring(33, 0);
	broken_ring(UINT32_MAX, 0);
	broken_ring(0x80000000, 0);
	broken_ring(3 + 33, 3);
	broken_ring(2, 3);
}

/* The descriptor page changes after it was read: what was checked is what is used. */
static void change_descriptors(struct fake_guest *f, const struct guest_copy *c, bool from)
{
	struct bed *t = f->on_copy_arg;

	if (f->copies_from == 1) /* the page has been read: this is the first piece of data */
		memset(fake_page(f, 66), 0xff, GUEST_PAGE_SIZE);
	assert_true(from);
	if (f->copies_from >= 1)
		assert_int_equal(c->ref, t->front.data_ref[300 + f->copies_from - 1]);
}

static void descriptors_are_read_once(void **state)
{
	struct bed *t = bed_connected();

	memset(fake_page(&t->fake, 300), 0x13, 16 * GUEST_PAGE_SIZE);
	front_indirect(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 66, 300, 16);
	t->fake.on_copy = change_descriptors;
	t->fake.on_copy_arg = t;
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	assert_int_equal(t->fake.copies_from, 17);
	assert_true(env_disk_is(&t->env, 0, 16 * 8, 0x13));
	bed_free(t);
}

/* A read's segments are those of its start, whatever the guest does to slot and descriptors meanwhile. */
static void read_lands_where_it_was_sent(void **state)
{
	struct bed *t = bed_connected();
	uint8_t data[GUEST_PAGE_SIZE];

	memset(data, 0x42, sizeof(data));
	env_poke_disk(&t->env, 0, data, sizeof(data));
	front_indirect(&t->front, 0, 1, BLKIF_OP_READ, 0, 66, 300, 1);
	front_kick(&t->front, 0);
	((struct blkif_request_segment *)fake_page(&t->fake, 66))[0].gref = t->front.data_ref[400];
	memset(t->front.queue[0].shared->slots, 0xff, sizeof(struct blkif_request));
	env_run(&t->env, &t->front, 1);
	assert_memory_equal(fake_page(&t->fake, 300), data, sizeof(data));
	assert_int_equal(fake_page(&t->fake, 400)[0], 0);
	bed_free(t);
}

/* A held request is the one that was consumed. */
static void slot_is_read_once(void **state)
{
	struct bed *t = bed_connected();
	struct blkif_request *r = front_slot(&t->front, 0);

	t->env.must_hold = true;
	memset(fake_page(&t->fake, 64), 0x31, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 16, 64, 1);
	front_kick(&t->front, 0);
	r->sector_number = 0;
	r->id = 2;
	r->operation = BLKIF_OP_READ;
	t->env.dev->ops->release(t->env.dev, 1);
	env_run(&t->env, &t->front, 1);
	assert_true(t->front.id[1].answered);
	assert_true(env_disk_is(&t->env, 16, 8, 0x31));
	assert_true(env_disk_is(&t->env, 0, 8, 0));
	bed_free(t);
}

static void unusable_frontends_are_refused(void **state)
{
	struct bed *t = bed_new();
	const struct device_ops *ops = t->env.dev->ops;
	struct device_cfg cfg = t->front.cfg;

	assert_int_equal(block_frontend_features("x86_64-abi"), BLOCK_FEATURE_ABI_X86_64);
	cfg.features = block_frontend_features(NULL);
	assert_int_equal(ops->connect(t->env.dev, &cfg), -EPROTONOSUPPORT);
	cfg.features = block_frontend_features("x86_32-abi");
	assert_int_equal(ops->connect(t->env.dev, &cfg), -EPROTONOSUPPORT);
	cfg = t->front.cfg;
	cfg.nr_queues = 0;
	assert_int_equal(ops->connect(t->env.dev, &cfg), -EINVAL);
	cfg.nr_queues = BLOCK_MAX_QUEUES + 1;
	assert_int_equal(ops->connect(t->env.dev, &cfg), -EINVAL);
	cfg = t->front.cfg;
	cfg.queue[0].nr_ring_pages = 3;
	assert_int_equal(ops->connect(t->env.dev, &cfg), -EINVAL);
	cfg = t->front.cfg;
	cfg.queue[0].ring_ref[0] = 5;
	assert_int_equal(ops->connect(t->env.dev, &cfg), -EINVAL);
	cfg = t->front.cfg;
	cfg.queue[0].evtchn = FAKE_MAX_PORTS;
	assert_int_equal(ops->connect(t->env.dev, &cfg), -EINVAL);
	assert_int_equal(t->fake.maps, 0);
	bed_free(t);
}

/* xorshift64*, so that a failing seed can be run again. */
static uint32_t rnd(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (*s * 0x2545f4914f6cdd1dULL) >> 32;
}

static struct blkif_request_segment garbage_segment(struct bed *t, uint64_t *s, unsigned int badness)
{
	struct blkif_request_segment seg = { .last_sect = 7 };

	seg.gref = t->front.data_ref[72 + rnd(s) % 900];
	seg.first_sect = rnd(s) % 8;
	if (rnd(s) % badness == 0)
		seg.gref = rnd(s);
	if (rnd(s) % badness == 0)
		seg.first_sect = rnd(s);
	if (rnd(s) % badness == 0)
		seg.last_sect = rnd(s);
	return seg;
}

/* Something near a request: good ones, ones with a wrong field, noise. */
static void garbage_slot(struct bed *t, uint64_t *s)
{
	struct blkif_request *r = front_slot(&t->front, 0);
	uint8_t *p = (uint8_t *)r;
	unsigned int i;

	for (i = 0; i < sizeof(*r); i++)
		p[i] = rnd(s);
	r->operation = rnd(s) % 8;
	if (rnd(s) % 4)
		r->sector_number = rnd(s) % (DISK_SECTORS + 64);
	if (r->operation == BLKIF_OP_INDIRECT) {
		indirect(r)->indirect_op = rnd(s) % 3;
		indirect(r)->nr_segments = rnd(s) % 300;
		indirect(r)->indirect_grefs[0] = t->front.data_ref[64 + rnd(s) % 9];
		return;
	}
	r->nr_segments = rnd(s) % 13;
	if (r->operation <= BLKIF_OP_WRITE)
		for (i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
			r->seg[i] = garbage_segment(t, s, 60);
}

static void garbage_descriptors(struct bed *t, uint64_t *s)
{
	unsigned int page, i;

	for (page = 64; page < 72; page++) {
		struct blkif_request_segment *seg = (struct blkif_request_segment *)fake_page(&t->fake, page);

		for (i = 0; i < 512; i++)
			seg[i] = garbage_segment(t, s, 1000);
	}
}

static void garbage_is_all_answered(struct bed *t)
{
	uint64_t s = 0x6b656d617269;
	unsigned int round, i, id = 0, good = 0;

	for (round = 0; round < 60; round++) {
		garbage_descriptors(t, &s);
		t->env.must_hold = rnd(&s) % 2;
		for (i = 0; i < 32; i++, id++) {
			struct blkif_request *r = front_slot(&t->front, 0);

			garbage_slot(t, &s);
			r->id = id;
			front_push(&t->front, 0, id,
				   r->operation == BLKIF_OP_INDIRECT ? r->nr_segments : r->operation);
			if (rnd(&s) % 8 == 0)
				front_kick(&t->front, 0);
		}
		front_kick(&t->front, 0);
		t->env.dev->ops->release(t->env.dev, t->env.epoch++);
		env_run(&t->env, &t->front, id);
	}
	for (i = 0; i < id; i++)
		good += t->front.id[i].status == BLKIF_RSP_OKAY;
	assert_true(good > id / 20 && good < id); /* it gets beyond the first check */
	assert_int_equal(t->env.failed_said, 0);
	bed_free(t);
}

/* Every request of a well-formed ring full of garbage is answered, and none twice. */
static void garbage_requests_are_all_answered(void **state)
{
	garbage_is_all_answered(bed_connected());
}

static void also_early(void **state)
{
	struct bed *t = bed_new();

	t->env.dev->ops->destroy(t->env.dev);
	t->env.cfg.answer_early = true;
	env_create(&t->env);
	env_connect(&t->env, &t->front);
	garbage_is_all_answered(t);
}

/* The whole ring page is noise, the indexes too: no crash, no request beyond a ring's worth, one failure. */
static void garbage_ring_pages_do_no_harm(void **state)
{
	uint64_t s = 0x72696e67;
	unsigned int round, i;

	for (round = 0; round < 20; round++) {
		struct bed *t = bed_connected();
		uint32_t *w = (uint32_t *)fake_page(&t->fake, RING_PAGE0);

		for (i = 0; i < 60; i++) {
			unsigned int k;

			for (k = 16; k < GUEST_PAGE_SIZE / 4; k++)
				w[k] = rnd(&s) >> (k % 3 ? 0 : 28);
			w[0] += rnd(&s) % 20; /* req_prod */
			if (rnd(&s) % 16 == 0)
				w[i % 4] = rnd(&s);
			front_kick(&t->front, 0);
			if (i % 16 == 0)
				env_wait((struct env_wait){ .env = &t->env });
		}
		assert_true(t->env.failed_said <= 1);
		bed_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_read_or_write_is_an_error),
		cmocka_unit_test(what_is_not_offered_is_not_supported),
		cmocka_unit_test(bad_indirect_is_an_error),
		cmocka_unit_test(bad_discard_touches_nothing),
		cmocka_unit_test(readonly_disk_is_only_read),
		cmocka_unit_test(impossible_indexes_stop_only_this_device),
		cmocka_unit_test(descriptors_are_read_once),
		cmocka_unit_test(read_lands_where_it_was_sent),
		cmocka_unit_test(slot_is_read_once),
		cmocka_unit_test(unusable_frontends_are_refused),
		cmocka_unit_test(garbage_requests_are_all_answered),
		cmocka_unit_test(also_early),
		cmocka_unit_test(garbage_ring_pages_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
