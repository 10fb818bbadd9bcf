/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/proof_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uuid/uuid.h>

#include "log.h"

#define PATH_LEN 512
#define TITLE "kemari-agent 1"
#define NONE "-"

static const char *or_none(const char *word)
{
	return word[0] ? word : NONE;
}

/* A host that is still a member is not proven off yet: only what was is kept. */
static void write_all(FILE *f, uint64_t boot, const struct proof *p, const struct proof_vms *vms)
{
	unsigned int i;

	fprintf(f, TITLE " %016" PRIx64 " %016" PRIx64 "\n", boot, p->devices_sum);
	for (i = 0; i < p->nr; i++) {
		const struct proof_host *h = &p->h[i];
		char uuid[UUID_STR_LEN], bmc[UUID_STR_LEN];

		uuid_unparse_lower(h->uuid, uuid);
		uuid_unparse_lower(h->bmc, bmc);
		fprintf(f,
			"host %s %016" PRIx64 " %" PRId64 " %" PRId64 " %d %" PRId64 " %d %d %d %" PRId64
			" %s %d %s %s %s %d %" PRId64 " %s %s %016" PRIx64 " %d\n",
			h->host, h->boot, h->after_ns, h->clock_offset, h->fenced && !h->member, h->fenced_ns,
			(int)h->asker.kind, h->settled, h->fault, h->last_ns, uuid, h->by_word,
			or_none(h->asker.program), or_none(h->asker.node), or_none(h->asker.doer),
			h->up_known, h->booted_ns, or_none(h->hold), bmc, h->risen, h->voided);
	}
	for (i = 0; i < vms->nr; i++)
		fprintf(f, "vm %s\n", vms->vm[i]);
	fputs("end\n", f);
}

int proof_save(const char *path, uint64_t boot, const struct proof *p, const struct proof_vms *vms)
{
	char tmp[PATH_LEN];
	FILE *f;
	int rc = 0;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return -ENAMETOOLONG;
	f = fopen(tmp, "we");
	if (!f) {
		rc = -errno;
		kem_err("%s cannot be written: %s", tmp, strerror(-rc));
		return rc;
	}
	write_all(f, boot, p, vms);
	if (ferror(f))
		rc = -EIO;
	if (fclose(f) && !rc)
		rc = -errno;
	if (!rc && rename(tmp, path))
		rc = -errno;
	if (rc)
		kem_err("%s cannot be written: %s", path, strerror(-rc));
	return rc;
}

static void take_none(char *word)
{
	if (!strcmp(word, NONE))
		word[0] = '\0';
}

static bool take_host(const char *line, struct proof *p)
{
	struct proof_host h = { 0 };
	char uuid[UUID_STR_LEN] = "", bmc[UUID_STR_LEN] = "";
	int fenced, kind = 0, settled = 0, fault = 0, by_word = 0, up_known = 0, voided = 0, n;

	/* 71, 31: ROW_HOST, ASKER_PROGRAM and PROOF_HOLD less the NUL */
	n = sscanf(line,
		   "host %71s %16" SCNx64 " %" SCNd64 " %" SCNd64 " %d %" SCNd64 " %d %d %d %" SCNd64
		   " %36s %d %31s %71s %71s %d %" SCNd64 " %31s %36s %16" SCNx64 " %d",
		   h.host, &h.boot, &h.after_ns, &h.clock_offset, &fenced, &h.fenced_ns, &kind, &settled,
		   &fault, &h.last_ns, uuid, &by_word, h.asker.program, h.asker.node, h.asker.doer, &up_known,
		   &h.booted_ns, h.hold, bmc, &h.risen, &voided);
	/* one that runs in place of an older one finds six, nine, eleven, twelve, eighteen or nineteen */
	if (n != 6 && n != 9 && n != 11 && n != 12 && n < 18)
		return false;
	if ((n >= 11 && uuid_parse(uuid, h.uuid)) || (n >= 19 && uuid_parse(bmc, h.bmc)))
		return false;
	h.saved_ns = h.last_ns;
	h.fenced = fenced == 1;
	h.asker.kind = kind > 0 && kind < ASKER_NR_KINDS ? (enum asker_kind)kind : ASKER_UNKNOWN;
	take_none(h.asker.program);
	take_none(h.asker.node);
	take_none(h.asker.doer);
	take_none(h.hold);
	h.up_known = up_known == 1;
	h.settled = settled == 1;
	h.fault = fault == 1;
	h.by_word = by_word == 1;
	h.voided = voided == 1;
	if (!h.boot || p->nr == PROOF_HOSTS || proof_find(p, h.host))
		return false;
	p->h[p->nr++] = h;
	return true;
}

static bool take_vm(const char *line, struct proof_vms *vms)
{
	char vm[ROW_VM];

	/* 63: ROW_VM less the NUL */
	if (sscanf(line, "vm %63s", vm) != 1 || !row_vm_name_ok(vm) || vms->nr == ROW_MAX)
		return false;
	memcpy(vms->vm[vms->nr++], vm, sizeof(vm));
	return true;
}

/* 0, -ESTALE: of another boot, -EBADMSG. */
static int read_all(FILE *f, uint64_t boot, struct proof *p, struct proof_vms *vms)
{
	char line[640];
	uint64_t of;

	/* an older one does not tell the devices' sum */
	if (!fgets(line, sizeof(line), f) ||
	    sscanf(line, TITLE " %16" SCNx64 " %16" SCNx64, &of, &p->devices_sum) < 1)
		return -EBADMSG;
	if (of != boot)
		return -ESTALE;
	while (fgets(line, sizeof(line), f)) {
		if (!strcmp(line, "end\n"))
			return 0;
		if (!take_host(line, p) && !take_vm(line, vms))
			return -EBADMSG;
	}
	return -EBADMSG;
}

void proof_load(const char *path, uint64_t boot, struct proof *p, struct proof_vms *vms)
{
	FILE *f = fopen(path, "re");
	int rc;

	memset(p, 0, sizeof(*p));
	memset(vms, 0, sizeof(*vms));
	if (!f) {
		if (errno != ENOENT)
			kem_err("%s cannot be read: %s", path, strerror(errno));
		return;
	}
	rc = read_all(f, boot, p, vms);
	fclose(f);
	if (!rc)
		return;
	if (rc == -EBADMSG)
		kem_err("%s makes no sense and is not used", path);
	memset(p, 0, sizeof(*p));
	memset(vms, 0, sizeof(*vms));
}
