/* SPDX-License-Identifier: GPL-2.0-only */
/* What xendomains(8) would do to a guest beside us: it starts at boot what is linked in a directory. */
#ifndef KEMARI_AUTOSTART_H
#define KEMARI_AUTOSTART_H

#include <stdbool.h>
#include <stddef.h>

#define AUTOSTART_DIR "/etc/xen/auto"

/*
 * The file in dir that would start the guest, into path (cap bytes): one that is, or links to, its
 * configuration, or names it.  False: there is none.
 */
bool autostart_find(const char *dir, const char *name, const char *config, char *path, size_t cap);

/* The last `key = value` of a file that xl or a shell reads, quoted or not, into out.  False: there is none.
 */
bool autostart_setting(const char *file, const char *key, char *out, size_t cap);

#endif /* KEMARI_AUTOSTART_H */
