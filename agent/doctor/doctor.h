/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kemari doctor: looks whether this host, and the cluster as this host sees it, are fit to take over guests.
 * Facts are gathered (gather.h), judged (check.h), printed (finding.h).  Nothing is changed.
 */
#ifndef KEMARI_AGENT_DOCTOR_DOCTOR_H
#define KEMARI_AGENT_DOCTOR_DOCTOR_H

#include <stdbool.h>

/* conf_file NULL: the default one; vm "": all of them.  Returns an exit status: 0, or 1 with a problem. */
int doctor(const char *conf_file, const char *vm, bool json);

#endif /* KEMARI_AGENT_DOCTOR_DOCTOR_H */
