/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdbool.h>
#include <string.h>

#include "agent/show.h"

#define COLUMNS 9
#define CELL 72

struct table_row {
	char cell[COLUMNS][CELL];
};

static const char *text(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s && s[0] ? s : "-";
}

static bool number(const json_t *row, const char *key, json_int_t *n)
{
	const json_t *v = json_object_get(row, key);

	*n = json_integer_value(v);
	return json_is_integer(v) && *n >= 0;
}

static void number_cell(const json_t *row, const char *key, char *cell)
{
	json_int_t n;

	if (number(row, key, &n))
		snprintf(cell, CELL, "%lld", (long long)n);
	else
		snprintf(cell, CELL, "-");
}

static void fill(struct table_row *t, const json_t *row)
{
	json_int_t n;

	snprintf(t->cell[0], CELL, "%s", text(row, "vm"));
	snprintf(t->cell[1], CELL, "%s", text(row, "role"));
	snprintf(t->cell[2], CELL, "%s", text(row, "state"));
	snprintf(t->cell[3], CELL, "%s", text(row, "peer"));
	number_cell(row, "epoch", t->cell[4]);
	if (number(row, "lag_ms", &n))
		snprintf(t->cell[5], CELL, "%lldms", (long long)n);
	else
		snprintf(t->cell[5], CELL, "-");
	number_cell(row, "pause_us", t->cell[6]);
	if (number(row, "commit_us", &n))
		snprintf(t->cell[7], CELL, "%lld.%lld", (long long)n / 1000, (long long)n % 1000 / 100);
	else
		snprintf(t->cell[7], CELL, "-");
	number_cell(row, "held", t->cell[8]);
}

static void widen(size_t width[COLUMNS], const struct table_row *t)
{
	int i;

	for (i = 0; i < COLUMNS; i++) {
		if (strlen(t->cell[i]) > width[i])
			width[i] = strlen(t->cell[i]);
	}
}

static void print_row(FILE *out, const size_t width[COLUMNS], const struct table_row *t)
{
	int i;

	for (i = 0; i < COLUMNS; i++) {
		/* Words to the left, figures to the right. */
		if (i < 4)
			fprintf(out, "%-*s  ", (int)width[i], t->cell[i]);
		else
			fprintf(out, "%*s%s", (int)width[i], t->cell[i], i < COLUMNS - 1 ? "  " : "\n");
	}
}

void show_status(FILE *out, const json_t *rows)
{
	const struct table_row head = { { "VM", "ROLE", "STATE", "PEER", "EPOCH", "LAG", "PAUSE(us)",
					  "COMMIT(ms)", "HELD" } };
	size_t width[COLUMNS] = { 0 }, i;
	struct table_row t;
	json_t *row;

	if (!json_array_size(rows)) {
		fprintf(out, "No VM is protected here; kemari create or kemari protect makes one so.\n");
		return;
	}
	widen(width, &head);
	json_array_foreach(rows, i, row) {
		fill(&t, row);
		widen(width, &t);
	}
	print_row(out, width, &head);
	json_array_foreach(rows, i, row) {
		fill(&t, row);
		print_row(out, width, &t);
	}
	json_array_foreach(rows, i, row) {
		if (json_is_string(json_object_get(row, "reason")))
			fprintf(out, "%s: %s\n", text(row, "vm"), text(row, "reason"));
	}
}

void show_taps(FILE *out, const json_t *rows)
{
	json_int_t port, seen, held, stops;
	json_t *row, *tap;
	size_t i, n;

	fprintf(out, "VM                PORT  MODE                     SEEN       HELD      STOPS\n");
	json_array_foreach(rows, i, row)
		json_array_foreach(json_object_get(row, "taps"), n, tap)
			if (number(tap, "port", &port) && number(tap, "seen", &seen) &&
			    number(tap, "held", &held) && number(tap, "stops", &stops))
				fprintf(out, "%-16s  %4lld  %-18s  %9lld  %9lld  %9lld\n", text(row, "vm"),
					(long long)port, text(tap, "mode"), (long long)seen, (long long)held,
					(long long)stops);
}

void show_story(FILE *out, const json_t *rows)
{
	json_int_t epoch;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		fprintf(out, "%s  %-8s %-12s ", text(row, "time"), text(row, "role"), text(row, "state"));
		if (number(row, "epoch", &epoch))
			fprintf(out, "epoch %-8lld ", (long long)epoch);
		fprintf(out, "%s\n", text(row, "reason"));
	}
}

static void print_bytes(FILE *out, double n)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	while (n >= 1024 && u < sizeof(unit) / sizeof(unit[0]) - 1) {
		n /= 1024;
		u++;
	}
	fprintf(out, u ? "%.1f %s" : "%.0f %s", n, unit[u]);
}

static void print_time(FILE *out, long long seconds)
{
	if (seconds >= 3600)
		fprintf(out, "%lld h %lld min", seconds / 3600, seconds / 60 % 60);
	else if (seconds >= 60)
		fprintf(out, "%lld min %lld s", seconds / 60, seconds % 60);
	else
		fprintf(out, "%lld s", seconds);
}

void show_progress(FILE *out, const json_t *p)
{
	json_int_t n, rate = 0, left = 0;

	fprintf(out, "%s", text(p, "phase"));
	if (json_is_string(json_object_get(p, "text")))
		fprintf(out, ": %s", text(p, "text"));
	if (number(p, "round", &n) && n)
		fprintf(out, ", round %lld", (long long)n);
	if (number(p, "bytes", &n) && n) {
		fprintf(out, ", ");
		print_bytes(out, (double)n);
		fprintf(out, " sent");
	}
	if (number(p, "rate", &rate) && rate) {
		fprintf(out, ", ");
		print_bytes(out, (double)rate);
		fprintf(out, "/s");
	}
	if (number(p, "left_bytes", &left) && left) {
		fprintf(out, ", ");
		print_bytes(out, (double)left);
		fprintf(out, " left");
		if (rate) {
			fprintf(out, ", ");
			print_time(out, left / rate);
		}
	}
}
