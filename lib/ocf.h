/* SPDX-License-Identifier: GPL-2.0-only */
/* Exit codes of OCF resource agents: OCF Resource Agent API 1.1, section "Return codes"; 190 and 191 are
 * Pacemaker's. */
#ifndef KEMARI_LIB_OCF_H
#define KEMARI_LIB_OCF_H

enum ocf {
	OCF_SUCCESS = 0, /* also: runs unpromoted */
	OCF_ERR_GENERIC = 1,
	OCF_ERR_ARGS = 2,
	OCF_ERR_PERM = 4,
	OCF_ERR_INSTALLED = 5, /* hard: not on this host until somebody has looked */
	OCF_ERR_CONFIGURED = 6,
	OCF_NOT_RUNNING = 7,
	OCF_RUNNING_PROMOTED = 8,
	OCF_FAILED_PROMOTED = 9,
	OCF_DEGRADED = 190,	     /* as 0, but not all is well */
	OCF_DEGRADED_PROMOTED = 191, /* as 8, but not all is well */
};

#endif /* KEMARI_LIB_OCF_H */
