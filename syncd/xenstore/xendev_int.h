/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by xendev.c (states) and xendev_nodes.c (what is written where). */
#ifndef KEMARI_XENSTORE_XENDEV_INT_H
#define KEMARI_XENSTORE_XENDEV_INT_H

#include "domain/record.h"
#include "xenstore/xendev.h"
#include "xenstore/xsconn.h"

enum xendev_type { XENDEV_VBD, XENDEV_VIF };

/* Whom the owner was last told of wanting the device to close; a guest's word is the final one. */
enum xendev_told { TOLD_NOTHING, TOLD_TOOLSTACK, TOLD_GUEST };

struct xendev {
	struct xendev_bus *bus;
	struct xendev *next;
	enum xendev_type type;
	uint32_t id;
	const struct xendev_ops *ops;
	void *arg;
	union {
		struct vm_disk disk;
		struct vm_nic nic;
	};
	bool passive;
	bool running; /* connect() succeeded (or mirrored), not yet stopped */
	enum xendev_told told;
	uint32_t be_state;	      /* what we wrote last */
	struct xendev_disk_info info; /* of the last connect or mirror */
	char be[XS_PATH_MAX], fe[XS_PATH_MAX], lx[XS_PATH_MAX];
	struct xsconn_watch *fe_watch, *be_watch;
};

extern const char *const xendev_type_name[]; /* by enum xendev_type */

/* All three directories anew, be with state 2; fe only if it is missing or fresh_frontend. */
int xendev_write_all(struct xsconn *xs, struct xendev *x, uint32_t domid, bool fresh_frontend);
/* Keys of a connected backend and its state, in one transaction. */
int xendev_write_connected(struct xsconn *xs, struct xendev *x);
int xendev_write_state(struct xsconn *xs, struct xendev *x, uint32_t state);
void xendev_write_error(struct xsconn *xs, const struct xendev *x, const char *why);

#endif /* KEMARI_XENSTORE_XENDEV_INT_H */
