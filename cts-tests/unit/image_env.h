/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests of an image: one over fake RAM, made before each test and gone after it. */
#ifndef KEMARI_TEST_IMAGE_ENV_H
#define KEMARI_TEST_IMAGE_ENV_H

#include <stdlib.h>

#include "fake_ram.h"

static struct fake_ram *fake;
static struct ram *ram;
static struct image *img;
static void *mem;
static size_t mem_size;
static char why[RECORD_WHY_MAX];
static const struct image_cfg cfg = { .max_special = 8, .blob_bytes = 8192 };

static int setup(void **state)
{
	fake = fake_ram_new(&ram);
	mem_size = image_mem_size(&cfg, fake_ranges, 2);
	mem = calloc(1, mem_size);
	return image_open(mem, mem_size, &cfg, ram, &img);
}

static int teardown(void **state)
{
	image_close(img);
	ram_close(ram);
	free(fake);
	free(mem);
	return 0;
}

#endif /* KEMARI_TEST_IMAGE_ENV_H */
