/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEMARI_AGENT_KEYGEN_H
#define KEMARI_AGENT_KEYGEN_H

/*
 * Writes a new cluster key to path: 256 random bits in hex and a newline, mode 0600.  Never replaces a file.
 * 0 or a negative errno.
 */
int keygen(const char *path);

#endif /* KEMARI_AGENT_KEYGEN_H */
