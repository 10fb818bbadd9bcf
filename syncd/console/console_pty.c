/* SPDX-License-Identifier: GPL-2.0-only */
#include "console/console_pty.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "log.h"

static int fail(const char *vm, const char *what)
{
	int err = errno;

	kem_vm_err(vm, "console: %s: %s", what, strerror(err));
	return -err;
}

static int make_raw(struct console_pty *p)
{
	struct termios t;

	if (tcgetattr(p->slave, &t) < 0)
		return -1;
	cfmakeraw(&t);
	if (tcsetattr(p->slave, TCSAFLUSH, &t) < 0 || fchmod(p->slave, 0600) < 0)
		return -1;
	if (fcntl(p->master, F_SETFL, O_RDWR | O_NONBLOCK) < 0 || fcntl(p->master, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(p->slave, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return ttyname_r(p->slave, p->tty, sizeof(p->tty)) == 0 ? 0 : -1;
}

int console_pty_open(struct console_pty *p, const char *vm, const char *log_path)
{
	int err;

	p->vm = vm;
	p->log = -1;
	p->log_failed = false;
	p->start = p->used = 0;
	if (openpty(&p->master, &p->slave, NULL, NULL, NULL) < 0) {
		p->master = p->slave = -1;
		return fail(vm, "no pty");
	}
	if (make_raw(p) < 0) {
		err = fail(vm, "cannot set the pty up");
		goto out_close;
	}
	if (log_path) {
		p->log = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (p->log < 0) {
			err = fail(vm, log_path);
			goto out_close;
		}
	}
	return 0;

out_close:
	console_pty_close(p);
	return err;
}

void console_pty_close(struct console_pty *p)
{
	if (p->log >= 0)
		close(p->log);
	if (p->slave >= 0)
		close(p->slave);
	if (p->master >= 0)
		close(p->master);
	p->log = p->slave = p->master = -1;
}

static void put_log(struct console_pty *p, const uint8_t *data, size_t len)
{
	ssize_t done = write(p->log, data, len);

	if (done == (ssize_t)len) {
		p->log_failed = false;
		return;
	}
	if (!p->log_failed)
		kem_vm_warn(p->vm, "console: the log misses output: %s",
			    done < 0 ? strerror(errno) : "the disk is full");
	p->log_failed = true;
}

static void put_buffer(struct console_pty *p, const uint8_t *data, size_t len)
{
	if (len > CONSOLE_PTY_BUFFER) {
		data += len - CONSOLE_PTY_BUFFER;
		len = CONSOLE_PTY_BUFFER;
	}
	if (p->used + len > CONSOLE_PTY_BUFFER) {
		uint32_t drop = (uint32_t)(p->used + len - CONSOLE_PTY_BUFFER);

		p->start = (p->start + drop) % CONSOLE_PTY_BUFFER;
		p->used -= drop;
	}
	for (size_t i = 0; i < len; i++)
		p->buffer[(p->start + p->used++) % CONSOLE_PTY_BUFFER] = data[i];
}

void console_pty_put(struct console_pty *p, const uint8_t *data, size_t len)
{
	if (p->log >= 0)
		put_log(p, data, len);
	put_buffer(p, data, len);
	console_pty_flush(p);
}

void console_pty_flush(struct console_pty *p)
{
	while (p->used) {
		size_t run = CONSOLE_PTY_BUFFER - p->start;
		ssize_t done = write(p->master, p->buffer + p->start, run < p->used ? run : p->used);

		if (done <= 0)
			return;
		p->start = (p->start + (uint32_t)done) % CONSOLE_PTY_BUFFER;
		p->used -= (uint32_t)done;
	}
}

size_t console_pty_get(struct console_pty *p, uint8_t *data, size_t len)
{
	ssize_t got = read(p->master, data, len);

	return got > 0 ? (size_t)got : 0;
}
