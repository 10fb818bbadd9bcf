/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kemari-doctor, which the kemari command becomes for `kemari doctor`: what that one loads for each action of
 * the resource agent stays small without the libraries of this one.
 */
#include <stdio.h>

#include "agent/args.h"
#include "agent/doctor/doctor.h"

int main(int argc, char *argv[])
{
	struct kemari_args args;
	char err[1024];
	int rc = kemari_args_parse(argc, argv, &args, err, sizeof(err));

	if (rc) {
		fprintf(stderr, "kemari: %s\n", err);
		return rc;
	}
	if (args.command != KEMARI_DO_DOCTOR) {
		fprintf(stderr, "kemari: this program is for kemari doctor alone\n");
		return EXIT_USAGE;
	}
	return doctor(args.conf_file, args.req.vm, args.json);
}
