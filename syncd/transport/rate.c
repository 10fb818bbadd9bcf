/* SPDX-License-Identifier: GPL-2.0-only */
/* How fast the link under a connection is: as its network card says, else as TCP sees it. */
#include <errno.h>
#include <ifaddrs.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "transport/conn.h"

#define BYTES_OF_MBIT 125000ULL

/* IPv4 addresses as IPv6 has them: a listener of both gives them like that, too. */
static bool as_ip6(const struct sockaddr *a, struct in6_addr *ip)
{
	if (a->sa_family == AF_INET6) {
		*ip = ((const struct sockaddr_in6 *)a)->sin6_addr;
		return true;
	}
	memset(ip, 0, sizeof(*ip));
	memset(ip->s6_addr + 10, 0xff, 2);
	memcpy(ip->s6_addr + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
	return a->sa_family == AF_INET;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	struct in6_addr x, y;

	return a && as_ip6(a, &x) && as_ip6(b, &y) && !memcmp(&x, &y, sizeof(x));
}

/* In bytes a second; 0: it does not say (a virtual one). */
static uint64_t card_rate(const char *name)
{
	char path[64 + IFNAMSIZ];
	long mbit = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%ld", &mbit) != 1)
		mbit = 0;
	fclose(f);
	return mbit > 0 ? (uint64_t)mbit * BYTES_OF_MBIT : 0;
}

void conn_find_card(struct conn *c)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	struct ifaddrs *all;

	if (getsockname(c->fd, (struct sockaddr *)&sa, &len) || getifaddrs(&all))
		return;
	for (const struct ifaddrs *i = all; i && !c->card_rate; i = i->ifa_next)
		if (same_address(i->ifa_addr, (struct sockaddr *)&sa))
			c->card_rate = card_rate(i->ifa_name);
	freeifaddrs(all);
}

/*
 * What was delivered while TCP had not more to send says nothing about the link.  A card says nothing about
 * what lies behind it.
 */
uint64_t conn_link_rate(struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (!getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) && !info.tcpi_delivery_rate_app_limited)
		c->seen_rate = info.tcpi_delivery_rate;
	if (c->card_rate && (!c->seen_rate || c->card_rate < c->seen_rate))
		return c->card_rate;
	return c->seen_rate;
}
