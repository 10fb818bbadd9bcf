/* SPDX-License-Identifier: GPL-2.0-only */
#include "capture/dirtylog.h"

#include <errno.h>
#include <string.h>

#include <xenctrl.h>

#include "hvop.h"
#include "log.h"

int dirtylog_on(struct hvop *hv, uint32_t domid, const char *vm)
{
	uint64_t count;
	bool was_on = hvop_dirty_count(hv, domid, &count) != -ENODATA;
	int rc = hvop_log(hv, domid, true);

	if (!rc)
		return was_on;
	kem_vm_err(vm, "cannot switch dirty logging on: %s", strerror(-rc));
	return rc;
}

int dirtylog_protect(struct hvop *hv, uint32_t domid, const char *vm, uint64_t *next)
{
	int rc = hvop_protect(hv, domid, DIRTYLOG_PIECE, next);

	if (rc && rc != -EBUSY)
		kem_vm_err(vm, "cannot protect the guest's pages: %s", strerror(-rc));
	return rc;
}

int dirtylog_protect_all(struct hvop *hv, uint32_t domid, const char *vm)
{
	uint64_t next = 0;
	int rc = 0;

	while (!rc && next != UINT64_MAX)
		rc = dirtylog_protect(hv, domid, vm, &next);
	return rc;
}

void dirtylog_off(struct hvop *hv, struct xc_interface_core *xc, uint32_t domid)
{
	int rc = hvop_log(hv, domid, false);

	if (rc == -ENOENT)
		return; /* it is somebody else's, an xl migrate's, if it is on at all */
	if (!rc && xc_shadow_control(xc, domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0) < 0)
		rc = -errno;
	if (rc)
		kem_warn("dirty logging of domain %u cannot be switched off: %s", domid, strerror(-rc));
}
