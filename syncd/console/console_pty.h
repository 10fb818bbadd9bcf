/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's end of a console: a pty and a log file, for output that may leave.  What the pty does not take
 * now waits in a buffer; when that is full its oldest bytes are dropped, as xenconsoled does.
 */
#ifndef KEMARI_CONSOLE_PTY_H
#define KEMARI_CONSOLE_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_PTY_BUFFER (64U << 10)

struct console_pty {
	int master, slave; /* our slave end keeps the pty alive while nobody has it open */
	int log;	   /* < 0: none */
	bool log_failed;
	const char *vm;
	char tty[64];
	uint32_t start, used; /* of buffer */
	uint8_t buffer[CONSOLE_PTY_BUFFER];
};

/* log_path may be NULL.  Says what failed, returns a negative errno. */
int console_pty_open(struct console_pty *p, const char *vm, const char *log_path);
void console_pty_close(struct console_pty *p);

/* Takes all of it, blocks never. */
void console_pty_put(struct console_pty *p, const uint8_t *data, size_t len);

/* Moves the buffer into the pty as far as it goes; p->used tells what is left. */
void console_pty_flush(struct console_pty *p);

/* Input; 0: none now. */
size_t console_pty_get(struct console_pty *p, uint8_t *data, size_t len);

#endif /* KEMARI_CONSOLE_PTY_H */
