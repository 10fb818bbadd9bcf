/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/ipmi_sel.h"

#include <errno.h>
#include <stdio.h>

#include "fencing/ipmi.h"

static int get_field(struct bmc *b, fiid_obj_t rs, const char *name, uint64_t *value)
{
	if (FIID_OBJ_GET(rs, name, value) >= 0)
		return 0;
	snprintf(b->why, BMC_WHY, "its answer about the event log has no %s", name);
	return -EPROTO;
}

int watch_sel_info(struct bmc *b, struct watch_sel_info *info)
{
	ipmi_ctx_t ctx;
	fiid_obj_t rs = NULL;
	uint64_t overflow = 0;
	int rc = ipmi_session(b, &ctx);

	if (!rc && !(rs = fiid_obj_create(tmpl_cmd_get_sel_info_rs)))
		rc = -ENOMEM;
	if (!rc && ipmi_cmd_get_sel_info(ctx, rs) < 0)
		rc = ipmi_failed(b);
	if (!rc)
		rc = get_field(b, rs, "entries", &info->entries);
	if (!rc)
		rc = get_field(b, rs, "free_space", &info->free_space);
	if (!rc)
		rc = get_field(b, rs, "most_recent_addition_timestamp", &info->added);
	if (!rc)
		rc = get_field(b, rs, "most_recent_erase_timestamp", &info->erased);
	if (!rc)
		rc = get_field(b, rs, "overflow_flag", &overflow);
	info->overflow = overflow;
	fiid_obj_destroy(rs);
	return rc;
}

int watch_sel_time(struct bmc *b, uint64_t *now)
{
	ipmi_ctx_t ctx;
	fiid_obj_t rs = NULL;
	int rc = ipmi_session(b, &ctx);

	if (!rc && !(rs = fiid_obj_create(tmpl_cmd_get_sel_time_rs)))
		rc = -ENOMEM;
	if (!rc && ipmi_cmd_get_sel_time(ctx, rs) < 0)
		rc = ipmi_failed(b);
	if (!rc)
		rc = get_field(b, rs, "time", now);
	fiid_obj_destroy(rs);
	return rc;
}

int watch_sel_entry(void *arg, uint16_t id, uint8_t record[16], size_t *len, uint16_t *next)
{
	struct bmc *b = arg;
	ipmi_ctx_t ctx;
	uint64_t number = 0;
	fiid_obj_t rs;
	int rc = ipmi_session(b, &ctx), n = 0;

	if (rc)
		return rc;
	rs = fiid_obj_create(tmpl_cmd_get_sel_entry_rs);
	if (!rs)
		return -ENOMEM;
	/* all of it: then no reservation is needed */
	if (ipmi_cmd_get_sel_entry(ctx, 0, id, 0, IPMI_SEL_READ_ENTIRE_RECORD_BYTES_TO_READ, rs) < 0) {
		if (ipmi_check_completion_code(
			    rs, IPMI_COMP_CODE_REQUESTED_SENSOR_DATA_OR_RECORD_NOT_PRESENT) == 1)
			rc = -ENOENT;
		else
			rc = ipmi_failed(b);
	}
	if (!rc)
		rc = get_field(b, rs, "next_record_id", &number);
	if (!rc && (n = fiid_obj_get_data(rs, "record_data", record, 16)) < 0)
		rc = get_field(b, rs, "record_data", &number);
	*len = n > 0 ? (size_t)n : 0;
	*next = (uint16_t)number;
	fiid_obj_destroy(rs);
	return rc;
}
