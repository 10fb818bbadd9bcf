/* SPDX-License-Identifier: GPL-2.0-only */
#include "capture/fault.h"

#ifdef KEMARI_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hvop.h"
#include "log.h"

static const char *const fault_name[] = {
	[FAULT_NONE] = "",
	[FAULT_DIRTY_MARK] = "dirty-mark",
	[FAULT_RING_PAGE] = "ring-page",
	[FAULT_GRANT_PAGE] = "grant-page",
	[FAULT_VCPU_INFO] = "vcpu-info",
	[FAULT_TIMER] = "timer",
};

int fault_parse(const char *text, size_t len, enum fault_kind *kind)
{
	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	for (unsigned int i = 0; i < sizeof(fault_name) / sizeof(fault_name[0]); i++)
		if (strlen(fault_name[i]) == len && !memcmp(fault_name[i], text, len)) {
			*kind = (enum fault_kind)i;
			return 0;
		}
	return -EINVAL;
}

/* The bytes of the file; 0: there is none. */
static size_t read_file(const char *run_dir, char *text, size_t max)
{
	char path[4096];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/" FAULT_FILE, run_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, max);
		close(fd);
	}
	return n > 0 ? (size_t)n : 0;
}

void fault_begin(struct fault *f, const char *run_dir, const char *vm)
{
	enum fault_kind before = f->kind;
	char text[64];
	size_t len = read_file(run_dir, text, sizeof(text));

	f->done = false;
	if (fault_parse(text, len, &f->kind)) {
		kem_vm_err(vm, "%s/" FAULT_FILE " names no fault that this build knows: '%.*s'; it ends here",
			   run_dir, (int)len, text);
		exit(EXIT_FAILURE);
	}
	if (f->kind != before)
		kem_vm_warn(vm, "fault injection: %s",
			    f->kind ? fault_name[f->kind] : "off, but what was left out is missing still");
}

bool fault_drops_mark(struct fault *f, uint32_t i, uint32_t nr)
{
	if (f->kind != FAULT_DIRTY_MARK || f->done || i < nr / 2)
		return false;
	f->done = true;
	return true;
}

bool fault_drops_page(const struct fault *f, const struct pins *pins, uint64_t frame)
{
	int i = f->kind ? pins_find(pins, frame) : -1;

	if (i < 0)
		return false;
	switch (f->kind) {
	case FAULT_RING_PAGE:
		return pins->kind[i] == PIN_RING;
	case FAULT_GRANT_PAGE:
		return pins->kind[i] == PIN_GRANT;
	case FAULT_VCPU_INFO:
		return pins->kind[i] == PIN_VCPU_INFO || pins->kind[i] == PIN_SHARED_INFO;
	default:
		return false;
	}
}

void fault_spoil_state(const struct fault *f, const struct xen_kemari_state *s)
{
	struct xen_kemari_vcpu *v = (struct xen_kemari_vcpu *)hvop_state_vcpus(s);

	if (f->kind != FAULT_TIMER)
		return;
	for (uint32_t i = 0; i < s->nr_vcpus; i++) {
		v[i].flags &= ~XEN_KEMARI_VF_singleshot;
		v[i].singleshot_abs = 0;
	}
}

#endif /* KEMARI_FAULTS */
