/* SPDX-License-Identifier: GPL-2.0-only */
/* apply/ram.h: what is mapped shows what is behind a gfn now, and nothing is taken for a hole that is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ram.h"

/* 4 chunks. */
#define PAGES (4U * 4096U)

/* Each map is memory of its own, in which every page begins with its gfn and the number of the map. */
struct world {
	unsigned int maps, mapped; /* calls; pages mapped now */
	uint64_t hole;		   /* gfn without a page */
	bool broken;
	struct ram *ram;
};

static void *map(void *arg, const uint64_t *gfns, unsigned int nr, int *err)
{
	struct world *w = arg;
	uint8_t *mem = w->broken ? NULL : calloc(nr, RAM_PAGE_SIZE);

	if (!mem) {
		errno = ENOMEM;
		return NULL;
	}
	w->maps++;
	w->mapped += nr;
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t *page = (uint64_t *)(mem + (size_t)i * RAM_PAGE_SIZE);

		page[0] = gfns[i];
		page[1] = w->maps;
		err[i] = gfns[i] == w->hole ? -EINVAL : 0;
	}
	return mem;
}

static void unmap(void *arg, void *addr, unsigned int nr)
{
	struct world *w = arg;

	w->mapped -= nr;
	free(addr);
}

static const struct ram_ops ops = { map, unmap };

static int setup(void **state)
{
	const struct gfn_range range = { 0, PAGES };
	struct world *w = calloc(1, sizeof(*w));

	w->hole = ~0ULL;
	*state = w;
	return ram_open(&ops, w, &range, 1, &w->ram) ?: fake_map_all(w->ram);
}

static int teardown(void **state)
{
	struct world *w = *state;

	ram_close(w->ram);
	assert_int_equal(w->mapped, 0);
	free(w);
	return 0;
}

static uint64_t map_of(const struct world *w, uint64_t gfn)
{
	const uint64_t *page = (const uint64_t *)ram_page(w->ram, gfn);

	assert_non_null(page);
	assert_int_equal(page[0], gfn);
	return page[1];
}

static void it_is_mapped_piece_by_piece(void **state)
{
	const struct gfn_range range = { 0, PAGES };
	struct world w = { .hole = ~0ULL };

	assert_int_equal(ram_open(&ops, &w, &range, 1, &w.ram), 0);
	assert_null(ram_page(w.ram, 0));
	assert_int_equal(ram_map_some(w.ram), 1);
	assert_int_equal(w.maps, 1);
	assert_int_equal(map_of(&w, 0), 1);
	assert_null(ram_page(w.ram, 4096));
	w.broken = true;
	assert_int_equal(ram_map_some(w.ram), -ENOMEM);
	w.broken = false;
	assert_int_equal(ram_map_some(w.ram), 1);
	assert_int_equal(ram_map_some(w.ram), 1);
	assert_int_equal(ram_map_some(w.ram), 0);
	assert_int_equal(map_of(&w, PAGES - 1), 4);
	ram_close(w.ram);
	assert_int_equal(w.mapped, 0);
}

static void and_unmapped_so(void **state)
{
	const uint64_t gfns[] = { 1, 4095, 4096, PAGES + 7 };
	struct world *w = *state;
	unsigned int before;

	assert_int_equal(ram_remap_list(w->ram, gfns, 3), 0); /* some have a mapping of their own */
	assert_int_equal(ram_remap(w->ram, gfns[3]), 0);
	for (int more = 3; more >= 0; more--) {
		before = w->mapped;
		assert_int_equal(ram_unmap_some(w->ram), more > 0);
		assert_in_range(before - w->mapped, 4096, 4096 + 2);
	}
	assert_int_equal(w->mapped, 1); /* outside of the ranges: ram_close() */
	assert_int_equal(ram_unmap_some(w->ram), 0);
}

static void a_part_is_mapped_anew_up_to_its_end(void **state)
{
	struct world *w = *state;
	uint64_t end;

	assert_int_equal(ram_remap_part(w->ram, 5000, &end), 0);
	assert_int_equal(end, 8192);
	assert_int_equal(w->maps, 5);
	assert_int_equal(map_of(w, 4096), 5);
	assert_int_equal(map_of(w, 8192), 3);
	assert_int_equal(ram_remap_part(w->ram, PAGES, &end), 0); /* behind the RAM */
	assert_int_equal(end, ~0ULL);
	w->broken = true;
	assert_int_equal(ram_remap_part(w->ram, 0, &end), -ENOMEM);
	w->broken = false;
}

static void a_few_moved_pages_are_mapped_one_by_one(void **state)
{
	const uint64_t gfns[] = { 1, 4095, 4096 };
	struct world *w = *state;

	assert_int_equal(w->maps, 4);
	assert_int_equal(ram_remap_list(w->ram, gfns, 3), 0);
	assert_int_equal(w->maps, 7);
	assert_int_equal(map_of(w, 1), 5);
	assert_int_equal(map_of(w, 2), 1);
	assert_int_equal(map_of(w, 4096), 7);
}

static void many_in_a_chunk_are_mapped_with_it(void **state)
{
	struct world *w = *state;
	uint64_t gfns[4096];

	for (unsigned int i = 0; i < 4096; i++)
		gfns[i] = 2048 + i; /* halves of two chunks */
	assert_int_equal(ram_remap(w->ram, 5000), 0);
	assert_int_equal(ram_remap_list(w->ram, gfns, 4096), 0);
	assert_int_equal(w->maps, 4 + 1 + 2);
	assert_int_equal(w->mapped, PAGES);
	assert_int_equal(map_of(w, 0), 6);
	assert_int_equal(map_of(w, 5000), 7);
	assert_int_equal(map_of(w, 8192), 3);
}

static void a_page_that_went_is_a_hole_and_may_come_back(void **state)
{
	const uint64_t gfn = 77;
	struct world *w = *state;

	w->hole = gfn;
	assert_int_equal(ram_remap_list(w->ram, &gfn, 1), 0);
	assert_null(ram_page(w->ram, gfn));
	w->hole = ~0ULL;
	assert_int_equal(ram_remap_list(w->ram, &gfn, 1), 0);
	assert_int_equal(map_of(w, gfn), 6);
}

static void a_map_that_fails_is_no_hole(void **state)
{
	struct world *w = *state;
	uint64_t gfns[1024];

	for (unsigned int i = 0; i < 1024; i++)
		gfns[i] = i;
	w->broken = true;
	assert_int_equal(ram_remap_list(w->ram, gfns, 1), -ENOMEM);
	assert_int_equal(ram_remap_list(w->ram, gfns, 1024), -ENOMEM);
	assert_int_equal(map_of(w, 1), 1);
	w->broken = false;
}

static void gfns_outside_are_left_out(void **state)
{
	const uint64_t gfns[] = { 3, PAGES, ~0ULL };
	struct world *w = *state;

	assert_int_equal(ram_remap_list(w->ram, gfns, 3), 0);
	assert_int_equal(w->maps, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_mapped_piece_by_piece),
		cmocka_unit_test_setup_teardown(and_unmapped_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_part_is_mapped_anew_up_to_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_few_moved_pages_are_mapped_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(many_in_a_chunk_are_mapped_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_page_that_went_is_a_hole_and_may_come_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_map_that_fails_is_no_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(gfns_outside_are_left_out, setup, teardown),
	};

	return cmocka_run_group_tests_name("ram", tests, NULL, NULL);
}
