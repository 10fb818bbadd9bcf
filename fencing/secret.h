/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a password comes from, if not from standard input. None is ever printed. */
#ifndef KEMARI_FENCING_SECRET_H
#define KEMARI_FENCING_SECRET_H

#include "fencing/options.h"

/* The first line of a regular file that its owner (root or this user) alone can read. */
int secret_from_file(const char *path, char secret[FENCE_STR], char why[FENCE_WHY]);
/* The first line that the program prints; it has ten seconds. */
int secret_from_script(const char *path, char secret[FENCE_STR], char why[FENCE_WHY]);

#endif
