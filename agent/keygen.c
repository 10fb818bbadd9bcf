/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/keygen.h"

#define KEY_BYTES 32

int keygen(const char *path)
{
	char text[2 * KEY_BYTES + 2];
	uint8_t key[KEY_BYTES];
	ssize_t n;
	int fd, i, rc = 0;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -errno;
	for (i = 0; i < KEY_BYTES; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", key[i]);
	text[sizeof(text) - 2] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	n = write(fd, text, sizeof(text) - 1);
	if (n != (ssize_t)sizeof(text) - 1)
		rc = n < 0 ? -errno : -ENOSPC;
	else if (fsync(fd))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (rc)
		unlink(path); /* half a key is worse than none */
out:
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	return rc;
}
