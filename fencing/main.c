/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fence_kemari: the fence agent. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fencing/fence.h"
#include "fencing/ipmi.h"
#include "fencing/options.h"
#include "monotonic.h"

#ifndef KEMARI_VERSION
#define KEMARI_VERSION "unknown"
#endif

#define SECOND 1000000000ULL
/* What fence agents say for "status: off" (FenceAgentAPI.md). */
#define EXIT_OFF 2

static uint64_t clock_now(void *arg)
{
	return monotonic_ns();
}

static void clock_sleep(void *arg, uint64_t ns)
{
	const struct timespec t = { .tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND) };

	nanosleep(&t, NULL);
}

static void tell_person(const char *what)
{
	fprintf(stderr, "fence_kemari: %s\n", what);
}

static void tell_nobody(const char *what)
{
}

static int read_power(const struct fence *f, enum bmc_power *power)
{
	int rc = f->bmc->ops->power(f->bmc, power);

	if (rc)
		tell_person(f->bmc->why);
	return rc;
}

static int status(const struct fence *f)
{
	static const char *const names[] = { [BMC_OFF] = "OFF", [BMC_ON] = "ON", [BMC_BETWEEN] = "BETWEEN" };
	enum bmc_power power;

	if (read_power(f, &power))
		return EXIT_FAILURE;
	printf("Status: %s\n", names[power]);
	return power == BMC_ON ? 0 : power == BMC_OFF ? EXIT_OFF : EXIT_FAILURE;
}

static int act(const struct fence *f, const struct fence_options *o)
{
	int rc = o->has_uuid ? fence_identify(f, o->uuid) : 0;
	enum bmc_power power;

	if (rc)
		return EXIT_FAILURE;
	switch (o->action) {
	case FENCE_OFF:
		rc = fence_off(f);
		break;
	case FENCE_ON:
		rc = fence_on(f);
		break;
	case FENCE_REBOOT:
		rc = fence_reboot(f);
		break;
	case FENCE_DIAG:
		rc = fence_diag(f);
		break;
	case FENCE_STATUS:
		return status(f);
	default: /* monitor: it answers */
		rc = read_power(f, &power);
	}
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Who shoots first is kemari-agent's to say; without its word the delay is for every host. */
static bool waits(const struct fence_options *o)
{
	return !o->first_file[0] || access(o->first_file, F_OK);
}

static int with_bmc(const struct fence_options *o)
{
	struct fence f = {
		.clock = { clock_now, clock_sleep, NULL },
		.timeout_ns = o->power_timeout * SECOND,
		.delay_ns = waits(o) ? o->delay * SECOND : 0,
		/* what went wrong is told anyway: it ends up in the cluster's log */
		.tell = o->verbose || o->action != FENCE_STATUS ? tell_person : tell_nobody,
	};
	char why[BMC_WHY];
	int rc = o->protocol == FENCE_REDFISH ? redfish_open(o, &f.bmc, why) : ipmi_open(o, &f.bmc, why);

	if (rc) {
		tell_person(why[0] ? why : strerror(-rc));
		return EXIT_FAILURE;
	}
	rc = act(&f, o);
	f.bmc->ops->close(f.bmc);
	return rc;
}

/* What no BMC is needed for. */
static int validate(const struct fence_options *o)
{
	char why[BMC_WHY];
	unsigned int flags;

	if (!ipmi_workarounds(o->workarounds, &flags, why))
		return EXIT_SUCCESS;
	tell_person(why);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct fence_options o;
	char why[FENCE_WHY];
	int rc = fence_options_parse(argc, argv, stdin, &o, why);

	if (rc) {
		tell_person(why);
		return EXIT_FAILURE;
	}
	switch (o.action) {
	case FENCE_METADATA:
		fence_metadata(stdout);
		return 0;
	case FENCE_HELP:
		fence_usage(stdout);
		return 0;
	case FENCE_VERSION:
		puts("fence_kemari " KEMARI_VERSION);
		return 0;
	case FENCE_LIST: /* one host, and Pacemaker knows its name by pcmk_host_list */
		return 0;
	case FENCE_VALIDATE:
		return validate(&o);
	default:
		rc = with_bmc(&o);
	}
	explicit_bzero(o.password, sizeof(o.password));
	return rc;
}
