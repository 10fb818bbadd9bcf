/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/doctor/gather.h"
#include "hvop.h"

static bool is_dom0(void)
{
	char text[64] = "";
	FILE *f = fopen("/proc/xen/capabilities", "re");

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strstr(text, "control_d");
}

/* libxencall prints its errors. */
int gather_xen_job(int out, const void *arg)
{
	struct hvop *h = hvop_open();

	if (!h)
		return errno;
	hvop_close(h);
	return 0;
}

static void gather_addresses(struct fact_host *h)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *i = all; i && h->nr_addresses < FACT_ADDRESSES; i = i->ifa_next) {
		int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
		socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		char *address = h->address[h->nr_addresses].address;

		if ((family != AF_INET && family != AF_INET6) ||
		    getnameinfo(i->ifa_addr, len, address, sizeof(h->address[0].address), NULL, 0,
				NI_NUMERICHOST))
			continue;
		snprintf(h->address[h->nr_addresses++].interface, sizeof(h->address[0].interface), "%s",
			 i->ifa_name);
	}
	freeifaddrs(all);
}

void gather_xen(const struct job *j, struct fact_host *h)
{
	h->xen_error = j->late ? ETIMEDOUT : j->status < 0 ? EIO : j->status;
}

void gather_host(struct fact_host *h)
{
	struct utsname names;
	struct timex t = { 0 };

	h->root = !geteuid();
	if (!uname(&names))
		snprintf(h->uname, sizeof(h->uname), "%s", names.nodename);
	h->dom0 = is_dom0();
	if (adjtimex(&t) >= 0)
		h->synchronized = t.status & STA_UNSYNC ? FACT_NO : FACT_YES;
	h->watchdog =
		!access("/dev/watchdog", F_OK) || gather_find_process("xenwatchdogd") ? FACT_YES : FACT_NO;
	gather_addresses(h);
}
