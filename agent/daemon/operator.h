/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an operator asks of this daemon, over RUN_DIR/agent.sock (control.h): a cold start.  One at a time,
 * and it ends by itself: an operator who went away meanwhile finds it in the log.
 */
#ifndef KEMARI_AGENT_DAEMON_OPERATOR_H
#define KEMARI_AGENT_DAEMON_OPERATOR_H

struct agent;

/* 0 or a negative errno with one message. */
int operator_start(struct agent *a);
void operator_stop(struct agent *a); /* also of one that was not started */
/* Each second, and when a proof has come. */
void operator_look(struct agent *a);
/* The fencing of host that was asked for is over; why: NULL when it succeeded. */
void operator_fenced(struct agent *a, const char *host, const char *why);

#endif /* KEMARI_AGENT_DAEMON_OPERATOR_H */
