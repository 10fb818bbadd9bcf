/* SPDX-License-Identifier: GPL-2.0-only */
/* The verifier: how the standby's findings travel, and what is said about them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apply/verify.h"

json_t *verify_report(const struct image *img, const struct verify_result *res)
{
	json_t *gfns = json_array(), *fields = json_array();
	uint64_t epoch = 0;

	image_status(img, NULL, &epoch);
	for (uint64_t i = 0; i < res->mismatches && i < VERIFY_GFNS; i++)
		json_array_append_new(gfns, json_integer((json_int_t)res->gfn[i]));
	for (uint64_t i = 0; i < res->fields && i < VERIFY_FIELDS; i++)
		json_array_append_new(fields, json_string(res->field[i]));
	return json_pack("{sI sI sI so sI sI so}", "epoch", (json_int_t)epoch, "compared",
			 (json_int_t)res->compared, "mismatches", (json_int_t)res->mismatches, "gfns", gfns,
			 "parts", (json_int_t)res->parts, "different", (json_int_t)res->fields, "fields",
			 fields);
}

/* Appends as much as there is room for. */
__attribute__((format(printf, 4, 5))) static void add(char *text, size_t max, size_t *at, const char *fmt,
						      ...)
{
	va_list ap;
	int n;

	if (*at + 1 >= max)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text + *at, max - *at, fmt, ap);
	va_end(ap);
	*at += n > 0 ? (size_t)n : 0;
}

/* The first page of each kind. */
static void tell_pages(const json_t *gfns, verify_name_fn name, void *arg, char *text, size_t max, size_t *at)
{
	const char *said[VERIFY_GFNS];
	unsigned int nr = 0;

	for (size_t i = 0; i < json_array_size(gfns) && i < VERIFY_GFNS; i++) {
		uint64_t gfn = (uint64_t)json_integer_value(json_array_get(gfns, i));
		const char *kind = name(arg, gfn);
		unsigned int k = 0;

		while (k < nr && strcmp(said[k], kind) != 0)
			k++;
		if (k < nr)
			continue;
		said[nr++] = kind;
		add(text, max, at, "%s %s page at gfn 0x%llx", nr == 1 ? ":" : ",", kind,
		    (unsigned long long)gfn);
	}
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

static void tell_fields(const json_t *fields, char *text, size_t max, size_t *at)
{
	const char *first = json_string_value(json_array_get(fields, 0));

	if (first && printable(first))
		add(text, max, at, ": %.*s", VERIFY_FIELD_MAX, first);
}

static bool get(const json_t *o, const char *key, json_int_t *n)
{
	const json_t *v = json_object_get(o, key);

	*n = json_integer_value(v);
	return json_is_integer(v) && *n >= 0;
}

int verify_read_report(const void *bytes, size_t len, verify_name_fn name, void *arg, char *text, size_t max)
{
	json_t *o = json_loadb(bytes, len, 0, NULL);
	json_int_t epoch, pages, fields;
	size_t at = 0;

	if (!get(o, "epoch", &epoch) || !get(o, "mismatches", &pages) || !get(o, "different", &fields)) {
		json_decref(o);
		return -EBADMSG;
	}
	add(text, max, &at, "epoch %lld", (long long)epoch);
	if (fields) {
		add(text, max, &at, "; %lld parts of the state differ", (long long)fields);
		tell_fields(json_object_get(o, "fields"), text, max, &at);
	}
	if (pages) {
		add(text, max, &at, "; %lld pages differ", (long long)pages);
		tell_pages(json_object_get(o, "gfns"), name, arg, text, max, &at);
	}
	json_decref(o);
	return pages || fields;
}
