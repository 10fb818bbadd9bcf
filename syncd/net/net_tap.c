/* SPDX-License-Identifier: GPL-2.0-only */
#include "net/net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/* The host's own address of the port, as Xen's vif devices have it: so high that no bridge takes its identity
 * from it. */
static const uint8_t port_mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

static int fail(const char *vm, const struct net_cfg *cfg, const char *what)
{
	int err = errno;

	kem_vm_err(vm, "tap %s: %s: %s", cfg->tap, what, strerror(err));
	return -err;
}

static void request_for(struct ifreq *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
}

/* Without IPv6 of its own the host sends nothing into the tap.  A kernel without IPv6 has no such file. */
static void disable_ipv6(const char *tap)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", tap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		kem_debug("%s: %s", path, strerror(errno));
	close(fd);
}

static int join_bridge(const char *vm, const struct net_cfg *cfg, int sock)
{
	struct ifreq r;
	char what[64];

	snprintf(what, sizeof(what), "cannot join bridge %s", cfg->bridge);
	request_for(&r, cfg->tap);
	if (ioctl(sock, SIOCGIFINDEX, &r) < 0)
		return fail(vm, cfg, what);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", cfg->bridge);
	if (ioctl(sock, SIOCBRADDIF, &r) < 0)
		return fail(vm, cfg, what);
	return 0;
}

static int set_link(const char *vm, const struct net_cfg *cfg)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r;
	int err;

	if (sock < 0)
		return fail(vm, cfg, "no socket to set it up");
	request_for(&r, cfg->tap);
	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(r.ifr_hwaddr.sa_data, port_mac, sizeof(port_mac));
	err = ioctl(sock, SIOCSIFHWADDR, &r) < 0 ? fail(vm, cfg, "cannot set its address") : 0;
	disable_ipv6(cfg->tap);
	if (!err) {
		request_for(&r, cfg->tap);
		r.ifr_mtu = (int)cfg->mtu;
		err = ioctl(sock, SIOCSIFMTU, &r) < 0 ? fail(vm, cfg, "cannot set its MTU") : 0;
	}
	if (!err && cfg->bridge[0])
		err = join_bridge(vm, cfg, sock);
	if (!err) {
		request_for(&r, cfg->tap);
		r.ifr_flags = IFF_UP | IFF_BROADCAST | IFF_MULTICAST;
		err = ioctl(sock, SIOCSIFFLAGS, &r) < 0 ? fail(vm, cfg, "cannot bring it up") : 0;
	}
	close(sock);
	return err;
}

int net_tap_open(const char *vm, const struct net_cfg *cfg)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int hdr = sizeof(struct virtio_net_hdr), le = 1, err;
	struct ifreq r;

	if (fd < 0)
		return fail(vm, cfg, "/dev/net/tun (is the module tun loaded?)");
	request_for(&r, cfg->tap);
	/* EXCL: never share the device of somebody else. */
	r.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		err = fail(vm, cfg, "cannot make it");
	else if (ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0 || ioctl(fd, TUNSETVNETLE, &le) < 0)
		err = fail(vm, cfg, "no virtio headers");
	else if (ioctl(fd, TUNSETOFFLOAD, 0UL) < 0)
		err = fail(vm, cfg, "cannot turn offload off");
	else
		err = set_link(vm, cfg);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

bool net_tap_is(int fd)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	return ioctl(fd, TUNGETIFF, &r) == 0;
}

int net_tap_offload(int fd, uint32_t features, bool segmentation)
{
	unsigned long flags = 0;

	/* A segment's checksum is always left to its receiver: no segmentation without checksum offload. */
	if (!(features & NET_F_NO_CSUM_OFFLOAD)) {
		flags = TUN_F_CSUM;
		if (segmentation && (features & NET_F_SG) && (features & NET_F_GSO4))
			flags |= TUN_F_TSO4;
		if (segmentation && (features & NET_F_SG) && (features & NET_F_GSO6) &&
		    (features & NET_F_IPV6_CSUM))
			flags |= TUN_F_TSO6;
	}
	return ioctl(fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}
