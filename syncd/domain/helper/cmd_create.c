/* SPDX-License-Identifier: GPL-2.0-only */
/* create and shell: a paused domain without devices at a given domid. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libxl_utils.h>
#include <xenctrl.h>

#include <xen/hvm/params.h>

#include "domain/helper/helper.h"

/* libxl compares whole seconds with <=, so a domid freed in this second is still refused. */
#define REUSE_WAIT_MS 1100
/* A dying domain lives on while somebody still has its memory mapped (a backend on its way out). */
#define ZOMBIE_WAIT_MS 3000
#define ZOMBIE_POLL_MS 50
/* What a domain needs besides its RAM: page tables, vCPU, libxl's slack. */
#define OVERHEAD_KB 2048
#define SHADOW_KB_PER_VCPU 1024

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* 0 free, 1 a domain, 2 a dying one, negative error. */
static int domid_use(xc_interface *xc, uint32_t domid)
{
	xc_dominfo_t info;
	int n = xc_domain_getinfo(xc, domid, 1, &info);

	if (n < 0)
		return errno == ESRCH ? 0 : -errno;
	if (!n || info.domid != domid)
		return 0;
	return info.dying ? 2 : 1;
}

static int need_free_domid(xc_interface *xc, uint32_t domid)
{
	unsigned int waited = 0;
	int use;

	while ((use = domid_use(xc, domid)) == 2 && waited < ZOMBIE_WAIT_MS) {
		sleep_ms(ZOMBIE_POLL_MS);
		waited += ZOMBIE_POLL_MS;
	}
	if (use < 0)
		return fail(DOMAIN_HELPER_FAILED, "cannot ask Xen for domain %u: %s", domid, strerror(-use));
	if (use == 2)
		return fail(
			DOMAIN_HELPER_DOMID_BUSY,
			"domain %u is dying, but a process still has its memory mapped; stop that process",
			domid);
	if (use)
		return fail(DOMAIN_HELPER_DOMID_BUSY, "domid %u is in use by another domain", domid);
	return 0;
}

/* Another domain of that name (libxl would refuse it with a riddle) or, worse, of that uuid: a second copy of
 * the guest. */
static int need_unique(struct xl *xl, const struct vm_record *r, const char *name)
{
	uint32_t other;
	libxl_dominfo *list;
	int nr, i, rc = 0;

	if (!libxl_name_to_domid(xl->ctx, name, &other))
		return fail(DOMAIN_HELPER_NAME_BUSY, "%s: domain %u on this host has that name already", name,
			    other);
	xl_clear_error(xl);
	list = libxl_list_domain(xl->ctx, &nr);
	if (!list)
		return fail(DOMAIN_HELPER_FAILED, "cannot list the domains: %s", xl_error(xl));
	for (i = 0; !rc && i < nr; i++)
		if (!memcmp(libxl_uuid_bytearray(&list[i].uuid), r->uuid, sizeof(r->uuid)) && !list[i].dying)
			rc = fail(DOMAIN_HELPER_NAME_BUSY,
				  "%s: domain %u on this host has its uuid; destroy it first if it is not "
				  "needed",
				  r->name, list[i].domid);
	libxl_dominfo_list_free(list, nr);
	return rc;
}

static int need_memory(struct xl *xl, const struct vm_record *r)
{
	uint64_t free_kb,
		need = r->memory_kb + OVERHEAD_KB + r->vcpus * SHADOW_KB_PER_VCPU + r->memory_kb / 256;

	if (libxl_get_free_memory(xl->ctx, &free_kb))
		return fail(DOMAIN_HELPER_FAILED, "cannot ask Xen for its free memory: %s", xl_error(xl));
	if (free_kb < need)
		return fail(DOMAIN_HELPER_NO_MEMORY, "%s needs %llu MiB, Xen has %llu MiB free on this host",
			    r->name, (unsigned long long)need >> 10, (unsigned long long)free_kb >> 10);
	return 0;
}

static int shell_config(libxl_domain_config *cfg, const char *name, const char *kernel)
{
	free(cfg->c_info.name);
	free(cfg->b_info.kernel);
	free(cfg->b_info.ramdisk);
	free(cfg->b_info.cmdline);
	cfg->b_info.ramdisk = cfg->b_info.cmdline = NULL;
	cfg->c_info.name = strdup(name);
	cfg->b_info.kernel = strdup(kernel);
	return cfg->c_info.name && cfg->b_info.kernel ? 0 : -ENOMEM;
}

/* One attempt.  libxl writes its defaults into the configuration, so each one starts from the record. */
static int create_once(struct xl *xl, const struct vm_record *r, const char *name, const char *kernel,
		       uint32_t domid, int *libxl_rc)
{
	libxl_domain_config cfg;
	uint32_t got = INVALID_DOMID;
	int rc = record_config(xl, r, &cfg);

	if (rc)
		return rc;
	cfg.c_info.domid = domid;
	if (kernel && shell_config(&cfg, name, kernel))
		rc = fail(DOMAIN_HELPER_FAILED, "out of memory");
	else
		*libxl_rc = libxl_domain_create_new(xl->ctx, &cfg, &got, NULL, NULL);
	libxl_domain_config_dispose(&cfg);
	return rc;
}

static int create(struct xl *xl, xc_interface *xc, const struct vm_record *r, const char *name,
		  const char *kernel, uint32_t domid)
{
	int try, libxl_rc = 0, rc = 0;

	for (try = 0; try < 2; try++) {
		if (try)
			sleep_ms(REUSE_WAIT_MS);
		xl_clear_error(xl);
		rc = create_once(xl, r, name, kernel, domid, &libxl_rc);
		if (rc || !libxl_rc)
			return rc;
		if (!strstr(xl_error(xl), "recently used"))
			break;
	}
	/* A domain may have come to the domid since we looked. */
	if (domid_use(xc, domid) > 0 || strstr(xl_error(xl), "File exists"))
		return fail(DOMAIN_HELPER_DOMID_BUSY, "domid %u is in use by another domain", domid);
	return fail(DOMAIN_HELPER_FAILED, "%s: libxl cannot create the domain: %s (error %d)", name,
		    xl_error(xl), libxl_rc);
}

static int print_result(xc_interface *xc, uint32_t domid)
{
	static const struct {
		const char *key;
		uint32_t param;
	} params[] = {
		{ "store_gfn", HVM_PARAM_STORE_PFN },
		{ "store_port", HVM_PARAM_STORE_EVTCHN },
		{ "console_gfn", HVM_PARAM_CONSOLE_PFN },
		{ "console_port", HVM_PARAM_CONSOLE_EVTCHN },
	};
	uint64_t val[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (xc_hvm_param_get(xc, domid, params[i].param, &val[i]))
			return fail(DOMAIN_HELPER_FAILED, "domain %u has no %s: %s", domid, params[i].key,
				    strerror(errno));
	printf("{\"domid\":%u", domid);
	for (i = 0; i < 4; i++)
		printf(",\"%s\":%llu", params[i].key, (unsigned long long)val[i]);
	puts("}");
	return 0;
}

static int create_checked(struct xl *xl, xc_interface *xc, const struct vm_record *r, enum create_kind kind,
			  uint32_t domid)
{
	char name[VM_NAME_MAX + 16], kernel[64];
	int stub = -1, rc;

	snprintf(name, sizeof(name), "%s%s", r->name, kind == CREATE_SHELL ? "--standby" : "");
	rc = need_free_domid(xc, domid);
	if (!rc)
		rc = need_unique(xl, r, name);
	if (!rc)
		rc = need_memory(xl, r);
	if (rc)
		return rc;
	if (kind == CREATE_SHELL) {
		stub = stub_kernel(kernel, sizeof(kernel));
		if (stub < 0)
			return fail(DOMAIN_HELPER_FAILED, "cannot make the standby's kernel: %s",
				    strerror(-stub));
	}
	rc = create(xl, xc, r, name, kind == CREATE_SHELL ? kernel : NULL, domid);
	if (stub >= 0)
		close(stub);
	return rc ? rc : print_result(xc, domid);
}

int cmd_create(const struct options *o, enum create_kind kind)
{
	struct vm_record r;
	xc_interface *xc;
	struct xl xl;
	int rc;

	/* libxl's own wait of a minute after a domid was used; xenstore and backends are ours. */
	setenv("LIBXL_DOMID_REUSE_TIMEOUT", "0", 1);
	rc = read_record(o, &r);
	if (rc)
		return rc;
	rc = xl_open(&xl, o->verbose);
	if (rc)
		goto out_record;
	xc = xc_interface_open(NULL, NULL, 0);
	if (xc) {
		rc = create_checked(&xl, xc, &r, kind, o->domid);
		xc_interface_close(xc);
	} else {
		rc = fail(DOMAIN_HELPER_FAILED, "cannot talk to Xen: %s", strerror(errno));
	}
	xl_close(&xl);
out_record:
	vm_record_free(&r);
	return rc;
}
