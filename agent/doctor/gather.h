/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sources of facts (facts.h).  Each one gatherer looks at one of them, changes nothing, logs nothing,
 * and never waits long: what may hang is a job with a time limit (job.h).
 */
#ifndef KEMARI_AGENT_DOCTOR_GATHER_H
#define KEMARI_AGENT_DOCTOR_GATHER_H

#include <stddef.h>

#include "agent/doctor/facts.h"
#include "agent/doctor/job.h"

/* All of it, in a few seconds at most.  conf_file NULL: the default one, which may be missing. */
void gather_facts(const char *conf_file, struct facts *f);

void gather_config(const char *conf_file, struct fact_config *c);
void gather_host(struct fact_host *h);
int gather_xen_job(int out, const void *arg); /* for job_call */
void gather_xen(const struct job *j, struct fact_host *h);
void gather_xendomains(struct facts *f);

/* The pid of root's process with that name (15 characters at most), 0: there is none. */
long gather_find_process(const char *name);
/* A descriptor of the program that it runs, if only root can have written that; else -1. */
int gather_program(long pid);
/* What PROGRAM --version prints, "PROGRAM VERSION". */
void gather_version(const struct job *j, const char *program, struct fact_daemon *d);
/* What `systemctl show` prints of the properties Id and UnitFileState. */
void gather_units(const struct job *j, struct facts *f);

/* For job_call; arg: the path of kemari-syncd's control socket. */
int gather_syncd_job(int out, const void *arg);
void gather_syncd(const struct job *j, struct facts *f);

/* For job_call. */
int gather_ring_job(int out, const void *arg);
void gather_ring(const struct job *j, struct fact_ring *r);

/* What `cibadmin --query` and `stonith_admin --history` print. */
void gather_cib(const struct job *j, struct facts *f);
void gather_cib_text(const char *text, size_t len, struct facts *f);
void gather_history(const struct job *j, struct fact_history *h);
void gather_history_text(const char *text, size_t len, struct fact_history *h);

/* What this host is, and what others told its kemari-agent that they are. */
void gather_identities(struct facts *f);

/* The VM with that name, made if there is none yet; NULL: no room. */
struct fact_vm *gather_vm(struct facts *f, const char *name, enum fact_origin origin);
/* From kemari-syncd's files: configuration, devices, story. */
void gather_vm_files(const struct kem_config *cfg, struct fact_vm *vm);
/* What `kemari-domain record` prints. */
void gather_vm_record(const struct job *j, struct fact_vm *vm);

/* Why a job gave nothing: "cibadmin says: ..." */
void gather_failed(const struct job *j, const char *what, struct fact_source *s);

#endif /* KEMARI_AGENT_DOCTOR_GATHER_H */
