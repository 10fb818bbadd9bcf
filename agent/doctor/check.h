/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The checks of kemari doctor: from facts to findings, without looking at anything else.  A source that was
 * not seen gives one warning that says what was not looked at.
 */
#ifndef KEMARI_AGENT_DOCTOR_CHECK_H
#define KEMARI_AGENT_DOCTOR_CHECK_H

#include <string.h>

#include "agent/doctor/facts.h"
#include "agent/doctor/finding.h"

/* Defaults of fence_kemari(8), in s. */
#define CHECK_POWER_TIMEOUT 20L
#define CHECK_LOGIN_TIMEOUT 5L
/* In s, as Pacemaker writes a time; -1: not understood. */
long check_seconds(const char *text, long by_default);
/* Of fence_kemari: from its start until it has seen the power drop, if its BMC's first answer comes; -1 as
 * above. */
long check_worst_drop(const struct device *d);

/* The program's own version, which the daemons are compared with. */
void check_daemons(const struct facts *f, const char *version, struct findings *l);
void check_config(const struct facts *f, struct findings *l);	  /* kemari.conf, names, key */
void check_host(const struct facts *f, struct findings *l);	  /* Xen, clock, watchdog */
void check_xendomains(const struct facts *f, struct findings *l); /* saving; autostart of each VM */
void check_ring(const struct facts *f, struct findings *l);	  /* corosync */
void check_pacemaker(const struct facts *f, struct findings *l);  /* properties, rules, clones */
void check_fencing(const struct facts *f, struct findings *l);	  /* devices, levels, history */
void check_levels(const struct facts *f, struct findings *l);	  /* what is wrong with them */
/* Each VM, or the one with that name. */
void check_vms(const struct facts *f, const char *vm, struct findings *l);

#endif /* KEMARI_AGENT_DOCTOR_CHECK_H */
