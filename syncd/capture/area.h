/* SPDX-License-Identifier: GPL-2.0-only */
/* What Xen took by itself at a tapped event, until it is an epoch or absorbed (lib/hvarea.h); between
 * capture's own files. */
#ifndef KEMARI_CAPTURE_AREA_H
#define KEMARI_CAPTURE_AREA_H

#include <stdbool.h>

#include "hvarea.h"

struct capture;

struct capture_area {
	struct hvarea *hv;	   /* NULL: there is none */
	struct hvarea_taken taken; /* valid while there */
	bool there;		   /* one was taken and not absorbed */
	bool marked;		   /* ... and its marks are in the bitmap of unsent frames */
	bool repin;		   /* the pins changed: Xen has to be told */
};

/* Marks what an area of the daemon before us has; 0 or an error: nobody knows what was in it. */
int area_recover(struct capture *c);
/* Without one, all epochs are taken by the daemon; a message says why. */
void area_open(struct capture *c);
void area_close(struct capture *c, bool keep); /* keep: for the daemon after us to recover from */

#endif /* KEMARI_CAPTURE_AREA_H */
