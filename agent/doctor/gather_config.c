/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/doctor/gather.h"
#include "syncd/transport/key.h"
#include "syncd/transport/transport.h"

_Static_assert(FACT_TEXT >= TRANSPORT_WHY_MAX, "key_read() writes that much");

static void gather_key(struct fact_config *c)
{
	struct key key;
	struct stat st;

	c->key_error = key_read(c->cfg.key_file, &key, c->key_why);
	if (!c->key_error)
		key_wipe(&key);
	if (!stat(c->cfg.key_file, &st))
		c->key_root = st.st_uid ? FACT_NO : FACT_YES;
}

void gather_config(const char *conf_file, struct fact_config *c)
{
	int rc;

	snprintf(c->path, sizeof(c->path), "%s", conf_file ? conf_file : KEM_CONFIG_FILE);
	kem_config_defaults(&c->cfg);
	rc = kem_config_load(c->path, &c->cfg, c->error, sizeof(c->error));
	c->missing = rc == -ENOENT && !conf_file;
	c->loads = !rc || c->missing;
	gather_key(c);
}
