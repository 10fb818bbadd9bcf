/* SPDX-License-Identifier: GPL-2.0-only */
#include "transport/key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/transport.h"

static int check_mode(int fd, const char *path, char *why)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, TRANSPORT_WHY_MAX, "%s: is no regular file", path);
		return -EINVAL;
	}
	if (st.st_mode & 077) {
		snprintf(why, TRANSPORT_WHY_MAX, "%s: others may read or write it (mode %04o): chmod 600 %s",
			 path, st.st_mode & 07777, path);
		return -EPERM;
	}
	return 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(const char *text, size_t len, struct key *k)
{
	k->len = len / 2;
	if (len % 2 || k->len < KEY_MIN || k->len > KEY_MAX)
		return false;
	for (size_t i = 0; i < k->len; i++) {
		int hi = digit(text[2 * i]), lo = digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		k->bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

int key_read(const char *path, struct key *k, char *why)
{
	char text[2 * KEY_MAX + 16];
	ssize_t n;
	int ret, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		ret = -errno;
		snprintf(why, TRANSPORT_WHY_MAX, "%s: %s%s", path, strerror(-ret),
			 ret == -ENOENT
				 ? ": copy the key from the other host, or make one with `kemari keygen`"
				 : "");
		return ret;
	}
	ret = check_mode(fd, path, why);
	if (ret)
		goto out;
	n = read(fd, text, sizeof(text));
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	if (n < 0 || !parse_hex(text, (size_t)n, k)) {
		snprintf(why, TRANSPORT_WHY_MAX,
			 "%s: must be one line of %d to %d hex digits, as `kemari keygen` writes", path,
			 2 * KEY_MIN, 2 * KEY_MAX);
		key_wipe(k);
		ret = -EINVAL;
	}
	explicit_bzero(text, sizeof(text));
out:
	close(fd);
	return ret;
}

void key_wipe(struct key *k)
{
	explicit_bzero(k, sizeof(*k));
}
