/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/message.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC "KMRI"

/* All numbers little-endian.  Naturally aligned, so without padding. */
struct wire_header {
	char magic[4];
	uint8_t major, minor;
	uint16_t type;
	uint32_t flags; /* 0 */
	uint32_t nodeid;
	uint64_t boot;
	uint64_t seq;
	uint32_t length; /* of the body */
	uint32_t check;	 /* low half of XXH64 of header and body, itself being 0 */
};

struct wire_hello {
	char host[ROW_HOST];
	char version[MESSAGE_VERSION_MAX];
	uint8_t bmc_uuid[16];
	uint8_t red, second;
	uint8_t zero[2];
	uint32_t up_s;
};

struct wire_vm {
	uint8_t uuid[16];
	char vm[ROW_VM];
	char state[ROW_STATE];
	uint8_t role, protection, needs;
	uint8_t bits; /* VM_* */
	uint32_t zero;
	uint64_t g, epoch, lag_ms, pause_us, commit_us;
};
#define VM_STARTED 1U
#define VM_PROMOTED 2U
#define VM_RUNNING 4U
#define VM_LINKED 8U
#define VM_BITS 15U

struct wire_end {
	uint32_t rows, zero;
	uint64_t view;
};

struct wire_engine {
	char to[ROW_HOST];
	uint32_t len, zero;
	/* len bytes follow */
};

_Static_assert(sizeof(struct wire_header) == 40, "fixed");
_Static_assert(offsetof(struct wire_header, boot) == 16, "fixed");
_Static_assert(offsetof(struct wire_header, check) == 36, "fixed");
_Static_assert(sizeof(struct wire_hello) == 112, "fixed");
_Static_assert(sizeof(struct wire_vm) == 224, "fixed");
_Static_assert(offsetof(struct wire_vm, g) == 184, "fixed");
_Static_assert(sizeof(struct wire_end) == 16, "fixed");
_Static_assert(sizeof(struct wire_engine) == 80, "fixed");
_Static_assert(sizeof(struct wire_header) + sizeof(struct wire_engine) + MESSAGE_ENGINE_MAX <= MESSAGE_MAX,
	       "fits");

union wire_body {
	struct wire_hello hello;
	struct wire_vm vm;
	struct wire_end end;
	struct {
		struct wire_engine head;
		uint8_t data[MESSAGE_ENGINE_MAX];
	} engine;
};

/* Shortest body of each type. */
static size_t body_size(unsigned int type)
{
	switch (type) {
	case MESSAGE_HELLO:
		return sizeof(struct wire_hello);
	case MESSAGE_VM:
		return sizeof(struct wire_vm);
	case MESSAGE_VMS_END:
		return sizeof(struct wire_end);
	case MESSAGE_ENGINE:
		return sizeof(struct wire_engine);
	default:
		return 0;
	}
}

static uint32_t checksum(const struct wire_header *h, const void *body, size_t len)
{
	uint8_t all[MESSAGE_MAX];
	struct wire_header zeroed = *h;

	zeroed.check = 0;
	memcpy(all, &zeroed, sizeof(zeroed));
	memcpy(all + sizeof(zeroed), body, len);
	return (uint32_t)XXH64(all, sizeof(zeroed) + len, 0);
}

/* A string in a field of n bytes: ended, nothing but zeroes behind its end. */
static bool bounded(const char *s, size_t n)
{
	size_t len = strnlen(s, n);

	if (len == n)
		return false;
	while (len < n)
		if (s[len++])
			return false;
	return true;
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

static const char *hello_fault(const struct message_hello *h)
{
	if (!bounded(h->host, sizeof(h->host)) || !row_host_name_ok(h->host))
		return "bad host name";
	if (!bounded(h->version, sizeof(h->version)) || !printable(h->version))
		return "bad version text";
	if (h->red > 1 || h->second > 1)
		return "bad health";
	return NULL;
}

static const char *vm_fault(const struct vm_row *r)
{
	if (!bounded(r->vm, sizeof(r->vm)) || !row_vm_name_ok(r->vm))
		return "bad VM name";
	if (!bounded(r->state, sizeof(r->state)) || !printable(r->state))
		return "bad state text";
	if (r->role >= ROW_NR_ROLES)
		return "bad role";
	if (r->protection >= ROW_NR_PROTECTIONS)
		return "bad protection";
	if (r->needs >= ROW_NR_NEEDS)
		return "bad needs";
	return NULL;
}

static const char *engine_fault(const struct message_engine *e)
{
	if (!bounded(e->to, sizeof(e->to)) || (e->to[0] && !row_host_name_ok(e->to)))
		return "bad destination";
	if (!e->len || e->len > MESSAGE_ENGINE_MAX)
		return "bad length of an engine message";
	return NULL;
}

static const char *fault(const struct message *m)
{
	if (!m->boot)
		return "no boot id";
	switch (m->type) {
	case MESSAGE_HELLO:
		return hello_fault(&m->hello);
	case MESSAGE_VM:
		return vm_fault(&m->vm);
	case MESSAGE_VMS_END:
		return m->end.rows > ROW_MAX ? "more rows than a host can have" : NULL;
	case MESSAGE_ENGINE:
		return engine_fault(&m->engine);
	default:
		return "unknown type";
	}
}

static void put_vm(const struct vm_row *r, struct wire_vm *w)
{
	memcpy(w->uuid, r->uuid, sizeof(w->uuid));
	memcpy(w->vm, r->vm, sizeof(w->vm));
	memcpy(w->state, r->state, sizeof(w->state));
	w->role = r->role;
	w->protection = r->protection;
	w->needs = r->needs;
	w->bits = (uint8_t)((r->started ? VM_STARTED : 0) | (r->promoted ? VM_PROMOTED : 0) |
			    (r->running ? VM_RUNNING : 0) | (r->linked ? VM_LINKED : 0));
	w->g = htole64(r->g);
	w->epoch = htole64(r->epoch);
	w->lag_ms = htole64(r->lag_ms);
	w->pause_us = htole64(r->pause_us);
	w->commit_us = htole64(r->commit_us);
}

static void get_vm(const struct wire_vm *w, struct vm_row *r)
{
	memcpy(r->uuid, w->uuid, sizeof(r->uuid));
	memcpy(r->vm, w->vm, sizeof(r->vm));
	memcpy(r->state, w->state, sizeof(r->state));
	r->role = w->role;
	r->protection = w->protection;
	r->needs = w->needs;
	r->started = w->bits & VM_STARTED;
	r->promoted = w->bits & VM_PROMOTED;
	r->running = w->bits & VM_RUNNING;
	r->linked = w->bits & VM_LINKED;
	r->g = le64toh(w->g);
	r->epoch = le64toh(w->epoch);
	r->lag_ms = le64toh(w->lag_ms);
	r->pause_us = le64toh(w->pause_us);
	r->commit_us = le64toh(w->commit_us);
}

/* b is zeroed; returns the body's length. */
static size_t put_body(const struct message *m, union wire_body *b)
{
	switch (m->type) {
	case MESSAGE_HELLO:
		memcpy(b->hello.host, m->hello.host, sizeof(b->hello.host));
		memcpy(b->hello.version, m->hello.version, sizeof(b->hello.version));
		memcpy(b->hello.bmc_uuid, m->hello.bmc_uuid, sizeof(b->hello.bmc_uuid));
		b->hello.red = m->hello.red;
		b->hello.second = m->hello.second;
		b->hello.up_s = htole32(m->hello.up_s);
		break;
	case MESSAGE_VM:
		put_vm(&m->vm, &b->vm);
		break;
	case MESSAGE_VMS_END:
		b->end.rows = htole32(m->end.rows);
		b->end.view = htole64(m->end.view);
		break;
	default: /* MESSAGE_ENGINE */
		memcpy(b->engine.head.to, m->engine.to, sizeof(b->engine.head.to));
		b->engine.head.len = htole32(m->engine.len);
		memcpy(b->engine.data, m->engine.data, m->engine.len);
		return sizeof(b->engine.head) + m->engine.len;
	}
	return body_size(m->type);
}

long message_pack(const struct message *m, uint8_t out[MESSAGE_MAX])
{
	struct wire_header h = { .magic = MAGIC, .major = MESSAGE_MAJOR, .minor = MESSAGE_MINOR };
	union wire_body b;
	size_t len;

	if (fault(m))
		return -EINVAL;
	memset(&b, 0, sizeof(b));
	len = put_body(m, &b);
	h.type = htole16(m->type);
	h.nodeid = htole32(m->nodeid);
	h.boot = htole64(m->boot);
	h.seq = htole64(m->seq);
	h.length = htole32((uint32_t)len);
	h.check = htole32(checksum(&h, &b, len));
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), &b, len);
	return (long)(sizeof(h) + len);
}

static int refuse(int rc, char *why, const char *text)
{
	snprintf(why, MESSAGE_WHY, "%s", text);
	return rc;
}

/* Takes and checks the header. */
static int get_header(const void *bytes, size_t len, uint32_t sender, struct wire_header *h, char *why)
{
	if (len < sizeof(*h) || len > MESSAGE_MAX)
		return refuse(-EBADMSG, why, "bad length");
	memcpy(h, bytes, sizeof(*h));
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
		return refuse(-EBADMSG, why, "not Kemari's");
	if (h->major != MESSAGE_MAJOR) {
		snprintf(why, MESSAGE_WHY, "version %u.%u, this is %u.%u", h->major, h->minor, MESSAGE_MAJOR,
			 MESSAGE_MINOR);
		return -EPROTO;
	}
	if (le32toh(h->length) != len - sizeof(*h))
		return refuse(-EBADMSG, why, "the body is not as long as the header says");
	if (le32toh(h->check) != checksum(h, (const uint8_t *)bytes + sizeof(*h), len - sizeof(*h)))
		return refuse(-EBADMSG, why, "bad checksum");
	if (le32toh(h->nodeid) != sender)
		return refuse(-EBADMSG, why, "it names another sender");
	return 0;
}

/* A body of exactly that type's length, or of a later minor version and longer. */
static bool length_ok(const struct wire_header *h, size_t len, const union wire_body *b)
{
	size_t want = body_size(le16toh(h->type));

	if (len < want)
		return false;
	if (le16toh(h->type) == MESSAGE_ENGINE)
		want += le32toh(b->engine.head.len);
	return len == want || (len > want && h->minor > MESSAGE_MINOR);
}

/* Fields that are 0 in this version. */
static bool reserved_ok(const struct wire_header *h, const union wire_body *b)
{
	static const uint8_t zero[7];

	if (h->minor > MESSAGE_MINOR)
		return true;
	if (h->flags)
		return false;
	switch (le16toh(h->type)) {
	case MESSAGE_HELLO:
		return !memcmp(b->hello.zero, zero, sizeof(b->hello.zero));
	case MESSAGE_VM:
		return !b->vm.zero && !(b->vm.bits & ~VM_BITS);
	case MESSAGE_VMS_END:
		return !b->end.zero;
	default:
		return !b->engine.head.zero;
	}
}

static void get_body(const union wire_body *b, struct message *m)
{
	switch (m->type) {
	case MESSAGE_HELLO:
		memcpy(m->hello.host, b->hello.host, sizeof(m->hello.host));
		memcpy(m->hello.version, b->hello.version, sizeof(m->hello.version));
		memcpy(m->hello.bmc_uuid, b->hello.bmc_uuid, sizeof(m->hello.bmc_uuid));
		m->hello.red = b->hello.red;
		m->hello.second = b->hello.second;
		m->hello.up_s = le32toh(b->hello.up_s);
		break;
	case MESSAGE_VM:
		get_vm(&b->vm, &m->vm);
		break;
	case MESSAGE_VMS_END:
		m->end.rows = le32toh(b->end.rows);
		m->end.view = le64toh(b->end.view);
		break;
	default:
		memcpy(m->engine.to, b->engine.head.to, sizeof(m->engine.to));
		m->engine.len = le32toh(b->engine.head.len);
		memcpy(m->engine.data, b->engine.data, sizeof(m->engine.data));
	}
}

int message_unpack(const void *bytes, size_t len, uint32_t sender, struct message *m, char *why)
{
	struct wire_header h;
	union wire_body b;
	const char *bad;
	size_t body;
	int rc;

	memset(m, 0, sizeof(*m));
	rc = get_header(bytes, len, sender, &h, why);
	if (rc)
		return rc;
	m->type = le16toh(h.type);
	if (!body_size(m->type)) {
		snprintf(why, MESSAGE_WHY, "type %u is not known here", m->type);
		return -ENOMSG;
	}
	body = len - sizeof(h);
	memset(&b, 0, sizeof(b));
	memcpy(&b, (const uint8_t *)bytes + sizeof(h), body < sizeof(b) ? body : sizeof(b));
	if (!length_ok(&h, body, &b))
		return refuse(-EBADMSG, why, "the body has not the length of its type");
	if (!reserved_ok(&h, &b))
		return refuse(-EBADMSG, why, "a reserved field is not 0");
	m->nodeid = sender;
	m->boot = le64toh(h.boot);
	m->seq = le64toh(h.seq);
	get_body(&b, m);
	bad = fault(m);
	return bad ? refuse(-EBADMSG, why, bad) : 0;
}
