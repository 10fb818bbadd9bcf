/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPMI 2.0 over the network (RMCP+), by libfreeipmi. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <freeipmi/freeipmi.h>

#include "fencing/ipmi.h"
#include "fencing/ipmi_acpi.h"
#include "fencing/options.h"
#include "monotonic.h"

#define RESEND_MS 1000U
#define SECOND 1000000000ULL

struct ipmi {
	struct bmc bmc;
	const struct fence_options *o;
	ipmi_ctx_t ctx;
	unsigned int workarounds;
	bool open;
	uint64_t used_ns; /* the session, last */
	bool no_acpi;	  /* the BMC does not know that command */
};

static struct ipmi *ipmi_of(struct bmc *b)
{
	return (struct ipmi *)b; /* its first member */
}

static int errno_of(int ipmi_error)
{
	switch (ipmi_error) {
	case IPMI_ERR_PERMISSION:
	case IPMI_ERR_USERNAME_INVALID:
	case IPMI_ERR_PASSWORD_INVALID:
	case IPMI_ERR_K_G_INVALID:
	case IPMI_ERR_PRIVILEGE_LEVEL_INSUFFICIENT:
	case IPMI_ERR_PRIVILEGE_LEVEL_CANNOT_BE_OBTAINED:
	case IPMI_ERR_AUTHENTICATION_TYPE_UNAVAILABLE:
	case IPMI_ERR_CIPHER_SUITE_ID_UNAVAILABLE:
	case IPMI_ERR_IPMI_2_0_UNAVAILABLE:
		return -EACCES;
	case IPMI_ERR_PASSWORD_VERIFICATION_TIMEOUT:
	case IPMI_ERR_CONNECTION_TIMEOUT:
	case IPMI_ERR_SESSION_TIMEOUT:
	case IPMI_ERR_MESSAGE_TIMEOUT:
		return -ETIMEDOUT;
	case IPMI_ERR_HOSTNAME_INVALID:
	case IPMI_ERR_SYSTEM_ERROR: /* this host's: no way there */
		return -EHOSTUNREACH;
	case IPMI_ERR_BMC_BUSY:
	case IPMI_ERR_DRIVER_BUSY:
		return -EBUSY;
	case IPMI_ERR_COMMAND_INVALID_OR_UNSUPPORTED:
	case IPMI_ERR_COMMAND_INVALID_FOR_SELECTED_INTERFACE:
		return -EOPNOTSUPP;
	case IPMI_ERR_BAD_COMPLETION_CODE:
		return -EBADRQC;
	case IPMI_ERR_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* What FreeIPMI's own tools would do about it. */
static const char *fix_for(int ipmi_error)
{
	switch (ipmi_error) {
	case IPMI_ERR_PRIVILEGE_LEVEL_CANNOT_BE_OBTAINED:
		return "; try privlvl=operator, or workarounds=opensesspriv";
	case IPMI_ERR_CIPHER_SUITE_ID_UNAVAILABLE:
		return "; try another cipher";
	case IPMI_ERR_PASSWORD_VERIFICATION_TIMEOUT:
		return "; the password may be wrong, or a workaround for this BMC is needed";
	case IPMI_ERR_BMC_BUSY:
		return "; or all its sessions are taken";
	default:
		return "";
	}
}

static void hang_up(struct ipmi *i)
{
	if (i->open)
		ipmi_ctx_close(i->ctx);
	i->open = false;
}

static int failed(struct ipmi *i)
{
	const char *system = strerror(errno);
	int e = ipmi_ctx_errnum(i->ctx), rc = errno_of(e);

	snprintf(i->bmc.why, BMC_WHY, "%s: %s%s", i->o->ip,
		 e == IPMI_ERR_SYSTEM_ERROR ? system : ipmi_ctx_errormsg(i->ctx), fix_for(e));
	/* what a lost session leaves is of no use */
	if (rc != -EOPNOTSUPP && rc != -EBUSY)
		hang_up(i);
	return rc;
}

void ipmi_where(const struct fence_options *o, char where[IPMI_WHERE])
{
	snprintf(where, IPMI_WHERE, strchr(o->ip, ':') ? "[%s]:%u" : "%s:%u", o->ip,
		 o->port ? o->port : IPMI_PORT);
}

static int connect_bmc(struct ipmi *i)
{
	const struct fence_options *o = i->o;
	unsigned int level = strcasecmp(o->privilege, "operator") ? IPMI_PRIVILEGE_LEVEL_ADMIN
								  : IPMI_PRIVILEGE_LEVEL_OPERATOR;
	char where[IPMI_WHERE];

	/* libfreeipmi takes a session for dead that was idle for the time of an answer */
	if (i->open && monotonic_ns() - i->used_ns >= o->login_timeout * SECOND - SECOND / 2)
		hang_up(i);
	i->used_ns = monotonic_ns();
	if (i->open)
		return 0;
	ipmi_where(o, where);
	if (ipmi_ctx_open_outofband_2_0(
		    i->ctx, where, o->user[0] ? o->user : NULL, o->password[0] ? o->password : NULL, NULL, 0,
		    (uint8_t)level, (uint8_t)o->cipher, o->login_timeout * 1000,
		    o->login_timeout > 1 ? RESEND_MS : RESEND_MS / 2, i->workarounds, IPMI_FLAGS_DEFAULT) < 0)
		return failed(i);
	i->open = true;
	return 0;
}

int ipmi_session(struct bmc *b, ipmi_ctx_t *ctx)
{
	struct ipmi *i = ipmi_of(b);
	int rc = connect_bmc(i);

	*ctx = i->ctx;
	return rc;
}

int ipmi_failed(struct bmc *b)
{
	return failed(ipmi_of(b));
}

void ipmi_hang_up(struct bmc *b)
{
	hang_up(ipmi_of(b));
}

/* Calls cmd into a response made from template; *rs is the caller's to destroy. */
static int ask(struct ipmi *i, fiid_field_t *template, int (*cmd)(ipmi_ctx_t ctx, fiid_obj_t rs),
	       fiid_obj_t *rs)
{
	int rc = connect_bmc(i);

	*rs = NULL;
	if (rc)
		return rc;
	*rs = fiid_obj_create(template);
	if (!*rs)
		return -ENOMEM;
	return cmd(i->ctx, *rs) < 0 ? failed(i) : 0;
}

static int field(struct ipmi *i, fiid_obj_t rs, const char *name, uint64_t *value)
{
	if (FIID_OBJ_GET(rs, name, value) >= 0)
		return 0;
	snprintf(i->bmc.why, BMC_WHY, "%s: its answer has no %s", i->o->ip, name);
	return -EPROTO;
}

/* The chassis says "off" of a host that sleeps, too, and that one wakes up again. */
static int asleep(struct ipmi *i, bool *yes)
{
	uint64_t state = IPMI_ACPI_SYSTEM_POWER_STATE_UNKNOWN;
	fiid_obj_t rs;
	int rc;

	*yes = false;
	if (i->no_acpi)
		return 0;
	rc = ask(i, tmpl_cmd_get_acpi_power_state_rs, ipmi_cmd_get_acpi_power_state, &rs);
	if (!rc)
		rc = field(i, rs, "system_power_state_enumeration", &state);
	fiid_obj_destroy(rs);
	if (rc == -EOPNOTSUPP) {
		i->no_acpi = true;
		return 0;
	}
	if (rc == -EBADRQC) /* some do not know it and say so in their own way: it is asked again each time */
		return 0;
	*yes = !rc && ipmi_acpi_sleeps((uint8_t)state);
	return rc;
}

static int ipmi_power(struct bmc *b, enum bmc_power *now)
{
	struct ipmi *i = ipmi_of(b);
	bool sleeping = false;
	fiid_obj_t rs;
	uint64_t on;
	int rc;

	rc = ask(i, tmpl_cmd_get_chassis_status_rs, ipmi_cmd_get_chassis_status, &rs);
	if (!rc)
		rc = field(i, rs, "current_power_state.power_is_on", &on);
	fiid_obj_destroy(rs);
	if (!rc && !on)
		rc = asleep(i, &sleeping);
	if (!rc)
		*now = on ? BMC_ON : sleeping ? BMC_BETWEEN : BMC_OFF;
	return rc;
}

static int control(struct ipmi *i, uint8_t what)
{
	fiid_obj_t rs;
	int rc = connect_bmc(i);

	if (rc)
		return rc;
	rs = fiid_obj_create(tmpl_cmd_chassis_control_rs);
	if (!rs)
		return -ENOMEM;
	rc = ipmi_cmd_chassis_control(i->ctx, what, rs) < 0 ? failed(i) : 0;
	fiid_obj_destroy(rs);
	return rc;
}

static int ipmi_order(struct bmc *b, enum bmc_order what)
{
	static const uint8_t controls[] = {
		[BMC_TURN_OFF] = IPMI_CHASSIS_CONTROL_POWER_DOWN,
		[BMC_TURN_ON] = IPMI_CHASSIS_CONTROL_POWER_UP,
		[BMC_DIAG] = IPMI_CHASSIS_CONTROL_PULSE_DIAGNOSTIC_INTERRUPT,
	};

	return control(ipmi_of(b), controls[what]);
}

static int ipmi_uuid(struct bmc *b, uint8_t uuid[16])
{
	struct ipmi *i = ipmi_of(b);
	fiid_obj_t rs;
	int rc = ask(i, tmpl_cmd_get_system_guid_rs, ipmi_cmd_get_system_guid, &rs);

	if (!rc && fiid_obj_get_data(rs, "guid", uuid, 16) != 16) {
		snprintf(i->bmc.why, BMC_WHY, "%s: its answer has no guid", i->o->ip);
		rc = -EPROTO;
	}
	fiid_obj_destroy(rs);
	return rc;
}

static void ipmi_close(struct bmc *b)
{
	struct ipmi *i = ipmi_of(b);

	hang_up(i);
	if (i->ctx)
		ipmi_ctx_destroy(i->ctx);
	free(i);
}

static const struct bmc_ops ipmi_ops = {
	.power = ipmi_power, .order = ipmi_order, .uuid = ipmi_uuid, .close = ipmi_close
};

/* Names as FreeIPMI's tools have them (-W). */
int ipmi_workarounds(const char *text, unsigned int *flags, char why[BMC_WHY])
{
	static const struct {
		const char *name;
		unsigned int flag;
	} known[] = {
		{ "authcap", IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_AUTHENTICATION_CAPABILITIES },
		{ "intel20", IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_INTEL_2_0_SESSION },
		{ "supermicro20", IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_SUPERMICRO_2_0_SESSION },
		{ "sun20", IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_SUN_2_0_SESSION },
		{ "opensesspriv", IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_OPEN_SESSION_PRIVILEGE },
		{ "integritycheckvalue",
		  IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_NON_EMPTY_INTEGRITY_CHECK_VALUE },
	};
	char copy[FENCE_STR], *save = NULL;

	*flags = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, ", ", &save); word; word = strtok_r(NULL, ", ", &save)) {
		size_t k = 0;

		while (k < sizeof(known) / sizeof(known[0]) && strcasecmp(word, known[k].name))
			k++;
		if (k == sizeof(known) / sizeof(known[0])) {
			snprintf(why, BMC_WHY, "workarounds: '%s' is not known; --help lists them", word);
			return -EINVAL;
		}
		*flags |= known[k].flag;
	}
	return 0;
}

int ipmi_open(const struct fence_options *o, struct bmc **out, char why[BMC_WHY])
{
	struct ipmi *i = calloc(1, sizeof(*i));
	int rc;

	why[0] = '\0';
	if (!i)
		return -ENOMEM;
	i->bmc.ops = &ipmi_ops;
	i->o = o;
	rc = ipmi_workarounds(o->workarounds, &i->workarounds, why);
	if (!rc && !(i->ctx = ipmi_ctx_create()))
		rc = -ENOMEM;
	if (rc) {
		ipmi_close(&i->bmc);
		return rc;
	}
	*out = &i->bmc;
	return 0;
}
