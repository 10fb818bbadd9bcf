/* SPDX-License-Identifier: GPL-2.0-only */
#include "bootid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "log.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN 36

int boot_id_read(char out[BOOT_ID_MAX])
{
	int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	memset(out, 0, BOOT_ID_MAX);
	if (fd >= 0) {
		n = read(fd, out, BOOT_ID_LEN);
		close(fd);
	}
	if (n != BOOT_ID_LEN) {
		kem_err("%s: cannot be read", BOOT_ID_FILE);
		return -EIO;
	}
	return 0;
}

uint64_t boot_id_number(void)
{
	char text[BOOT_ID_MAX];

	if (boot_id_read(text))
		return 0;
	return XXH3_64bits(text, BOOT_ID_LEN) ?: 1;
}
