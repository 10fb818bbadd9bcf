/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/doctor/gather.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "monotonic.h"
#include "syncd/control/control.h"

/* Both together stay below five seconds. */
#define FIRST_NS 3200000000ULL
#define RECORDS_NS 1300000000ULL

enum {
	JOB_SYNCD,
	JOB_XEN,
	JOB_RING,
	JOB_CIB,
	JOB_HISTORY,
	JOB_UNITS,
	JOB_SYNCD_VERSION,
	JOB_AGENT_VERSION,
	NR_JOBS
};

void gather_failed(const struct job *j, const char *what, struct fact_source *s)
{
	const char *said = j->err.text ? j->err.text : "";
	int len = (int)strcspn(said, "\n");

	if (j->late)
		snprintf(s->why, sizeof(s->why), "%s gave no answer in time", what);
	else if (j->status == JOB_NOT_FOUND)
		snprintf(s->why, sizeof(s->why), "there is no %s on this host", what);
	else if (len)
		snprintf(s->why, sizeof(s->why), "%.*s", len, said);
	else
		snprintf(s->why, sizeof(s->why), "%s ended with status %d", what, j->status);
}

/* Of the program as it runs, which an update may have replaced. */
static void ask_version(struct job *j, const char *name, struct fact_daemon *d)
{
	char path[64];
	const char *const argv[] = { path, "--version", NULL };
	long pid = gather_find_process(name);
	int fd = pid ? gather_program(pid) : -1;

	d->runs = pid ? FACT_YES : FACT_NO;
	memset(j, 0, sizeof(*j));
	j->status = -1;
	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	job_command(j, argv);
	close(fd);
}

static void start(struct job *j, const char *socket, struct facts *f)
{
	static const char *const cib[] = { "cibadmin", "--query", "--local", NULL };
	static const char *const history[] = { "stonith_admin", "--history", "*", "--output-as=xml", NULL };
	static const char *const units[] = { "systemctl",
					     "show",
					     "--property=Id,UnitFileState",
					     "corosync.service",
					     "pacemaker.service",
					     "kemari-syncd.service",
					     "kemari-agent.service",
					     "xendomains.service",
					     NULL };

	job_call(&j[JOB_SYNCD], gather_syncd_job, socket);
	job_call(&j[JOB_XEN], gather_xen_job, NULL);
	job_call(&j[JOB_RING], gather_ring_job, NULL);
	job_command(&j[JOB_CIB], cib);
	job_command(&j[JOB_HISTORY], history);
	job_command(&j[JOB_UNITS], units);
	ask_version(&j[JOB_SYNCD_VERSION], "kemari-syncd", &f->daemons.syncd);
	ask_version(&j[JOB_AGENT_VERSION], "kemari-agent", &f->daemons.agent);
}

/* Those whose devices kemari-syncd has not noted: xl reads their configurations. */
static void gather_records(struct facts *f)
{
	const char *helper = f->config.cfg.helper;
	unsigned long long until = monotonic_ns() + RECORDS_NS;
	struct job j[FACT_VMS];

	for (unsigned int i = 0; i < f->nr_vms; i++) {
		const struct fact_vm *vm = &f->vm[i];
		const char *const argv[] = { helper, "record", vm->config, NULL };

		memset(&j[i], 0, sizeof(j[i]));
		j[i].status = -1;
		if (!vm->have_devices && vm->config_exists == FACT_YES && f->host.dom0 && f->host.root)
			job_command(&j[i], argv);
	}
	jobs_wait(j, f->nr_vms, until);
	for (unsigned int i = 0; i < f->nr_vms; i++) {
		gather_vm_record(&j[i], &f->vm[i]);
		job_free(&j[i]);
	}
}

void gather_facts(const char *conf_file, struct facts *f)
{
	unsigned long long until = monotonic_ns() + FIRST_NS;
	struct job j[NR_JOBS];
	char socket[PATH_MAX];

	memset(f, 0, sizeof(*f));
	gather_config(conf_file, &f->config);
	snprintf(socket, sizeof(socket), "%s/%s", f->config.cfg.run_dir, CONTROL_SOCKET);
	start(j, socket, f);
	gather_host(&f->host);
	jobs_wait(j, NR_JOBS, until);
	gather_syncd(&j[JOB_SYNCD], f);
	gather_xen(&j[JOB_XEN], &f->host);
	gather_ring(&j[JOB_RING], &f->ring);
	gather_cib(&j[JOB_CIB], f);
	gather_history(&j[JOB_HISTORY], &f->history);
	gather_identities(f);
	gather_units(&j[JOB_UNITS], f);
	gather_version(&j[JOB_SYNCD_VERSION], "kemari-syncd", &f->daemons.syncd);
	gather_version(&j[JOB_AGENT_VERSION], "kemari-agent", &f->daemons.agent);
	for (unsigned int i = 0; i < NR_JOBS; i++)
		job_free(&j[i]);
	for (unsigned int i = 0; i < f->nr_vms; i++)
		gather_vm_files(&f->config.cfg, &f->vm[i]);
	gather_records(f);
	gather_xendomains(f);
}
