/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a sensor, or an entry of the event log, of an IPMI BMC means for its host.  Whether it is bad is
 * libipmimonitoring's word (its state: nominal, warning, critical); here it only gets the name of an event.
 */
#ifndef KEMARI_AGENT_BMC_IPMI_MAP_H
#define KEMARI_AGENT_BMC_IPMI_MAP_H

#include <stdbool.h>

#include "agent/bmc/look.h"

/* The numbers are libipmimonitoring's (ipmi_monitoring.h, ipmi_monitoring_bitmasks.h), -1: it has none. */
struct watch_reading {
	int type;
	int state;
	int bits_type;
	int bits; /* set: the sensor's state; of an entry, the one that it tells of */
	const char *name;
	bool has_value;
	double value;
	bool rpm; /* the value's unit */
};

/* WATCH_NOTHING: all is well, or it is of no concern here. */
enum watch_kind watch_ipmi_kind(const struct watch_reading *r);
/* The log takes no more. */
bool watch_ipmi_log_full(const struct watch_reading *r);
/* Fans, and sensors of the host's power state, into l. */
void watch_ipmi_running(const struct watch_reading *r, struct watch_look *l);

/* An entry has an offset where a sensor has bits: the bit for it.  -1: out of range. */
int watch_ipmi_bit(int offset_type, int offset);

/* An error of libipmimonitoring as one of fencing/bmc.h; -ETIME: a callback ended it. */
int watch_ipmi_errno(int monitoring_error);

#endif
