/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What else can be asked of a BMC of ipmi_open(), with libfreeipmi's own calls. */
#ifndef KEMARI_FENCING_IPMI_H
#define KEMARI_FENCING_IPMI_H

#include <freeipmi/freeipmi.h>

#include "fencing/bmc.h"
#include "fencing/options.h"

#define IPMI_PORT 623U
#define IPMI_WHERE (FENCE_STR + 16)

/* Its session, begun when it has to be; good until the next call of bmc.h or of these. Errors as in bmc.h. */
int ipmi_session(struct bmc *b, ipmi_ctx_t *ctx);
/* A call of libfreeipmi on the session failed: the errno of it; b->why says what was wrong. */
int ipmi_failed(struct bmc *b);
/*
 * Ends the session; the next question begins another one.  To be called before an idle time of login_timeout,
 * after which libfreeipmi would no longer tell the BMC that it ends: it keeps a place for it then, of which
 * it has few.
 */
void ipmi_hang_up(struct bmc *b);

/* The BMC's address in libfreeipmi's form. */
void ipmi_where(const struct fence_options *o, char where[IPMI_WHERE]);
/* -EINVAL: text names a workaround that is not known; why says which. */
int ipmi_workarounds(const char *text, unsigned int *flags, char why[BMC_WHY]);

#endif
