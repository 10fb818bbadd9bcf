/* SPDX-License-Identifier: GPL-2.0-only */
/* A real tap on a real bridge, in a network namespace of its own.  Needs root; skipped without. */
#include "net_env.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>

#define BRIDGE "kembr0"
#define TAP "kvif20001.0"
#define PLAIN 0x88b5 /* the type that plain_frame() uses */
#define RARP 0x8035

static int ctl;

static struct ifreq request_for(const char *name)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

/* Or the bridge talks to the guest too. */
static void quiet_ipv6(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return; /* no IPv6 in this kernel */
	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

/* False: not possible here. */
static bool own_network(void)
{
	struct ifreq r = request_for(BRIDGE);

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	quiet_ipv6();
	ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ctl < 0 || ioctl(ctl, SIOCBRADDBR, BRIDGE) < 0)
		return false;
	r.ifr_flags = IFF_UP;
	return ioctl(ctl, SIOCSIFFLAGS, &r) == 0;
}

/* The host behind the bridge: hears what the bridge got from the tap, and sends to the guest. */
static int bridge_socket(void)
{
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct ifreq r = request_for(BRIDGE);

	assert_true(s >= 0);
	assert_int_equal(ioctl(ctl, SIOCGIFINDEX, &r), 0);
	a.sll_ifindex = r.ifr_ifindex;
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	return s;
}

static unsigned int heard(int s, unsigned int type)
{
	uint8_t buf[2048];
	unsigned int nr = 0;
	ssize_t len;

	while ((len = recv(s, buf, sizeof(buf), 0)) > 0)
		nr += len >= 14 && (unsigned int)(buf[12] << 8 | buf[13]) == type;
	return nr;
}

/* Whether the bridge has learned that the guest's MAC is behind a port. */
static bool bridge_knows_guest(void)
{
	struct __fdb_entry fdb[32] = { 0 };
	unsigned long args[4] = { BRCTL_GET_FDB_ENTRIES, (unsigned long)fdb, 32, 0 };
	struct ifreq r = request_for(BRIDGE);
	int nr;

	r.ifr_data = (void *)args;
	nr = ioctl(ctl, SIOCDEVPRIVATE, &r);
	assert_true(nr >= 0);
	for (int i = 0; i < nr; i++)
		if (memcmp(fdb[i].mac_addr, net_env_cfg.mac, 6) == 0)
			return true;
	return false;
}

/* The next plain frame that the guest got, after what the host's own stack says on any bridge. */
static int plain_received(struct net_env *e, uint8_t *got)
{
	struct netif_extra_info gso;
	uint16_t flags;
	int len;

	do {
		len = front_receive(&e->front, got, &flags, &gso);
	} while (len > 14 && (got[12] << 8 | got[13]) != PLAIN);
	return len;
}

static void tap_env_init(struct net_env *e)
{
	struct net_cfg cfg = net_env_cfg;

	memset(e, 0, sizeof(*e));
	fake_host_init(&e->h, FRONT_PAGES);
	front_init(&e->front, &e->h.guest, 0, 7, 8);
	front_cfg(&e->front, &e->cfg);
	e->cfg.features = NET_F_SG | NET_F_GSO4 | NET_F_RX_NOTIFY;
	e->mem = calloc(1, net_mem_size());
	snprintf(cfg.bridge, sizeof(cfg.bridge), BRIDGE);
	snprintf(cfg.tap, sizeof(cfg.tap), TAP);
	assert_int_equal(net_create(&e->h.host, 0, &cfg, e->mem, net_mem_size(), &e->dev), 0);
	e->wire = bridge_socket();
}

static void tap_is_up_and_silent_until_the_guest_runs(void **state)
{
	struct ifreq r = request_for(TAP);
	struct net_env e;

	tap_env_init(&e);
	assert_int_equal(ioctl(ctl, SIOCGIFFLAGS, &r), 0);
	assert_int_equal(r.ifr_flags & (IFF_UP | IFF_RUNNING), IFF_UP | IFF_RUNNING);
	assert_int_equal(ioctl(ctl, SIOCGIFMTU, &r), 0);
	assert_int_equal(r.ifr_mtu, 1500);
	e.dev->ops->announce(e.dev);
	fake_run(&e.h, 300);
	assert_int_equal(heard(e.wire, RARP), 0);
	assert_false(bridge_knows_guest());
	net_env_connect(&e);
	e.dev->ops->announce(e.dev);
	fake_run(&e.h, 300);
	assert_int_equal(heard(e.wire, RARP), 2);
	assert_true(bridge_knows_guest());
	net_env_fini(&e);
	assert_true(ioctl(ctl, SIOCGIFFLAGS, &r) < 0); /* gone with its descriptor */
}

static void frames_pass_the_bridge_both_ways(void **state)
{
	uint8_t frame[200], got[66000];
	struct net_env e;

	tap_env_init(&e);
	plain_frame(frame, sizeof(frame), 1);
	memset(frame, 0xff, 6);
	assert_int_equal(send(e.wire, frame, sizeof(frame), 0), sizeof(frame)); /* stale at connect */
	front_post(&e.front, 16);
	net_env_connect(&e);
	assert_int_equal(plain_received(&e, got), 0);
	memcpy(frame + 6, net_env_cfg.mac, 6);
	front_frame(&e.front, frame, sizeof(frame), 0, NULL, 0);
	front_push_tx(&e.front);
	fake_run(&e.h, 20);
	assert_int_equal(heard(e.wire, PLAIN), 0); /* held */
	e.dev->ops->release(e.dev, 1);
	fake_run(&e.h, 20);
	assert_int_equal(heard(e.wire, PLAIN), 1);
	memcpy(frame, net_env_cfg.mac, 6);
	memset(frame + 6, 2, 6);
	assert_int_equal(send(e.wire, frame, sizeof(frame), 0), sizeof(frame));
	fake_run(&e.h, 20);
	assert_int_equal(plain_received(&e, got), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	net_env_fini(&e);
}

static void lost_tap_stops_the_device(void **state)
{
	struct net_env e;
	int s;

	tap_env_init(&e);
	net_env_connect(&e);
	/* An administrator deletes it. */
	s = system("ip link del " TAP);
	assert_int_equal(s, 0);
	for (int i = 0; i < 100 && !e.h.failed; i++)
		fake_run(&e.h, 10);
	assert_int_equal(e.h.failed, 1);
	net_env_fini(&e);
}

static void impossible_taps_are_refused(void **state)
{
	struct net_cfg cfg = net_env_cfg;
	struct net_env e;
	struct device *dev;

	tap_env_init(&e);
	memset(e.mem, 0, net_mem_size());
	snprintf(cfg.bridge, sizeof(cfg.bridge), BRIDGE);
	snprintf(cfg.tap, sizeof(cfg.tap), TAP);
	assert_int_equal(net_create(&e.h.host, 0, &cfg, e.mem, net_mem_size(), &dev), -EBUSY); /* taken */
	snprintf(cfg.tap, sizeof(cfg.tap), "kvif20001.1");
	snprintf(cfg.bridge, sizeof(cfg.bridge), "nobr0");
	assert_int_equal(net_create(&e.h.host, 0, &cfg, e.mem, net_mem_size(), &dev), -ENODEV);
	snprintf(cfg.bridge, sizeof(cfg.bridge), BRIDGE);
	cfg.mtu = 1;
	assert_int_equal(net_create(&e.h.host, 0, &cfg, e.mem, net_mem_size(), &dev), -EINVAL);
	net_env_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tap_is_up_and_silent_until_the_guest_runs),
		cmocka_unit_test(frames_pass_the_bridge_both_ways),
		cmocka_unit_test(lost_tap_stops_the_device),
		cmocka_unit_test(impossible_taps_are_refused),
	};

	if (!own_network()) {
		print_message("net_tap_test: skipped, no network namespace or bridge here: %s\n",
			      strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
