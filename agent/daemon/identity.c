/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/identity.h"

#include <fcntl.h>
#include <unistd.h>

#include <uuid/uuid.h>

#define SYSTEM_UUID "/sys/class/dmi/id/product_uuid"

void identity_read(uint8_t uuid[16])
{
	char text[UUID_STR_LEN] = "";
	const int fd = open(SYSTEM_UUID, O_RDONLY | O_CLOEXEC);

	uuid_clear(uuid);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) == sizeof(text) - 1 && uuid_parse(text, uuid))
		uuid_clear(uuid);
	close(fd);
}
