/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may hang, done in child processes with a common time limit: commands of the cluster, and calls of
 * libraries that wait without an end (libcmap, when corosync is stopped).  Any number at the same time.
 */
#ifndef KEMARI_AGENT_DOCTOR_JOB_H
#define KEMARI_AGENT_DOCTOR_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define JOB_OUT_MAX (16U << 20) /* more is cut */
#define JOB_NOT_FOUND 127	/* exit status: no such command */

struct job_stream {
	int fd;	    /* -1: at its end */
	char *text; /* with a NUL after len bytes; NULL: nothing came */
	size_t len, cap;
};

struct job {
	pid_t pid; /* 0: not started, or over */
	struct job_stream out, err;
	int status; /* of exit; -1: a signal ended it, or it did not start */
	bool late;  /* was ended when the time was over */
};

/* Starts a command, argv NULL-ended; looked for in PATH.  What cannot be started ends with status -1. */
void job_command(struct job *j, const char *const argv[]);
/* Calls fn in a child, with a descriptor for its result; what fn returns is the exit status. */
void job_call(struct job *j, int (*fn)(int out, const void *arg), const void *arg);

/* Gathers what they print until all have ended or until (CLOCK_MONOTONIC, ns); the others are killed. */
void jobs_wait(struct job *j, unsigned int nr, unsigned long long until);
void job_free(struct job *j);

/* Ended in time, with status 0. */
bool job_done(const struct job *j);

#endif /* KEMARI_AGENT_DOCTOR_JOB_H */
