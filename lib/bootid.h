/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's random id of this boot: two files or messages with the same one are of the same life of the
 * host. */
#ifndef KEMARI_LIB_BOOTID_H
#define KEMARI_LIB_BOOTID_H

#include <stdint.h>

#define BOOT_ID_MAX 40 /* 36 characters and NULs up to a multiple of 8 */

/* The text, padded with NULs.  0, or a negative errno with one message. */
int boot_id_read(char out[BOOT_ID_MAX]);
/* A number made of it, never 0; 0 if it cannot be read. */
uint64_t boot_id_number(void);

#endif /* KEMARI_LIB_BOOTID_H */
