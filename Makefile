# SPDX-License-Identifier: GPL-2.0-only
# Kemari. `make help` lists the targets.

BUILD ?= build
VERSION := $(shell sed -n 's/^Version: *//p' kemari.spec)
PREFIX ?= /usr
SYSCONFDIR ?= /etc
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
OCFDIR ?= $(PREFIX)/lib/ocf/resource.d
DOCDIR ?= $(PREFIX)/share/doc/kemari
CC ?= gcc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config

# Rooms, in the order a page takes through them.
ROOMS := lib syncd/engine syncd/domain syncd/capture syncd/wire syncd/transport syncd/apply \
	syncd/ring syncd/block syncd/net syncd/console syncd/xenstore syncd/control
LIBS_PKG := libqb xencontrol xenguest xencall xenforeignmemory xenevtchn xengnttab xenstore \
	liburing gnutls jansson libxxhash liblz4 uuid libsystemd
HELPER_PKG := xenlight xlutil jansson
FENCE_PKG := libfreeipmi libcurl jansson uuid
BMC_PKG := $(FENCE_PKG) libipmimonitoring libqb
DAEMON_PKG := libcpg libcmap libquorum libcorosync_common pacemaker-fencing pacemaker-cib glib-2.0 libqb jansson libxxhash libxml-2.0 uuid libsystemd
DOCTOR_PKG := libcmap libcorosync_common libxml-2.0

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
DEFS := -DKEMARI_VERSION='"$(VERSION)"' -DKEMARI_HELPER='"$(LIBEXECDIR)/kemari/kemari-domain"' \
	-DKEMARI_BMC='"$(LIBEXECDIR)/kemari/kemari-bmc"' -DKEMARI_DOCTOR='"$(LIBEXECDIR)/kemari/kemari-doctor"'
KCFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) -I. -Ilib -Isyncd -Ihv-patch/xen/xen/include $(DEFS) -MMD -MP \
	$(shell $(PKG_CONFIG) --cflags $(LIBS_PKG) $(HELPER_PKG) $(DAEMON_PKG))
LDLIBS_ALL = $(shell $(PKG_CONFIG) --libs $(LIBS_PKG)) -lutil -lpthread
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g

# A program's main file stays out of the archive, so that tests can have the rest.
AGENT_SRC := $(wildcard agent/main.c)
FENCE_SRC := fencing/main.c
BMC_SRC := agent/bmc/main.c
DAEMON_SRC := agent/daemon/main.c
DOCTOR_SRC := agent/doctor/main.c
ROOM_SRC := $(wildcard $(addsuffix /*.c,$(ROOMS))) $(filter-out $(AGENT_SRC),$(wildcard agent/*.c)) \
	$(filter-out $(FENCE_SRC),$(wildcard fencing/*.c)) $(filter-out $(BMC_SRC),$(wildcard agent/bmc/*.c)) \
	$(filter-out $(DAEMON_SRC),$(wildcard agent/daemon/*.c)) \
	$(filter-out $(DOCTOR_SRC),$(wildcard agent/doctor/*.c))
HELPER_SRC := $(wildcard syncd/domain/helper/*.c)
SYNCD_SRC := $(wildcard syncd/*.c syncd/vm/*.c)
UNIT_SRC := $(wildcard cts-tests/unit/*_test.c)
FAKE_SRC := $(filter-out $(UNIT_SRC),$(wildcard cts-tests/unit/*.c))
SIM_SRC := $(wildcard cts-tests/sim/*.c)
ALL_C := $(sort $(ROOM_SRC) $(HELPER_SRC) $(SYNCD_SRC) $(AGENT_SRC) $(FENCE_SRC) $(BMC_SRC) $(DAEMON_SRC) $(DOCTOR_SRC) $(UNIT_SRC) $(FAKE_SRC) $(SIM_SRC))
ALL_H := $(wildcard lib/*.h syncd/*.h syncd/*/*.h agent/*.h agent/*/*.h fencing/*.h cts-tests/*/*.h)

obj = $(patsubst %.c,$(BUILD)/$(2)/%.o,$(1))
PROGRAMS := $(BUILD)/kemari-syncd $(BUILD)/kemari $(BUILD)/kemari-domain $(BUILD)/fence_kemari $(BUILD)/kemari-bmc \
	$(BUILD)/kemari-agent $(BUILD)/kemari-doctor
UNITS := $(patsubst cts-tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
SAN_UNITS := $(patsubst cts-tests/unit/%.c,$(BUILD)/unit-san/%,$(UNIT_SRC))

.PHONY: all help clean programs units check check-unit check-style check-sim prove-sim check-lab demo soak bench \
	faults install-faults install rpm deb check-build check-packages deps format
all: programs

programs: $(PROGRAMS) $(BUILD)/ocf_kemari_vm.7
units: $(UNITS) $(SAN_UNITS)

# For the test of the verifier: syncd/capture/fault.h.
FAULTS = BUILD=$(BUILD)/faults CFLAGS='$(CFLAGS) -DKEMARI_FAULTS'
faults:
	@$(MAKE) $(FAULTS) programs
install-faults:
	@$(MAKE) $(FAULTS) install

help:
	@echo 'make                 build kemari-syncd, kemari, kemari-domain, kemari-agent, kemari-bmc, kemari-doctor and fence_kemari into $(BUILD)/'
	@echo 'make install         install them with unit file, manual pages and configuration; DESTDIR=, PREFIX='
	@echo 'make rpm             the RPM packages of what is committed, into build/rpm/RPMS'
	@echo 'make deb             the Debian packages of what is committed, into build/deb'
	@echo 'make deps            print the Debian packages this needs; `scripts/deps --install` installs them'
	@echo
	@echo 'make check           what must hold in every commit: style, unit, sim, and demo, moves, cuts and a cluster in the lab'
	@echo 'make check-build     the unit tests with the flags of the build alone, as package builds run them'
	@echo 'make check-packages  what make deb and make rpm made: contents; installed, upgraded, removed (root)'
	@echo 'make check-style     clang-format, clang-tidy, cppcheck, shellcheck'
	@echo 'make check-unit      unit tests, plain and under ASan and UBSan (no root needed)'
	@echo 'make unit-NAME       one of them'
	@echo 'make check-sim       the engine in simulation, two hosts, every kind of failure, and which guard'
	@echo '                     of the engine prevents what (a minute of CPU); SEED=, SCHEDULES='
	@echo 'make prove-sim       the second half of it alone'
	@echo 'make check-lab       the lab: real Xen, real guests, two emulated hosts (root, an image: hours to minutes)'
	@echo 'make demo            in the lab: a guest under Pacemaker, the power of its host is cut, it comes home'
	@echo 'make soak            in the lab: failover after failover, MOVES=20 CUTS=20 EPOCHS=1000 SEED= (1 to 2 hours);'
	@echo '                     then all that a cluster must live through, RUNS=10 MINUTES= NAMES= STATE= (many hours;'
	@echo '                     Ctrl-C ends it, the same command goes on); the tables go to doc/results/'
	@echo 'make bench           in the lab: times of epochs, rates and memory beside their rivals, ROUNDS=3'
	@echo 'make bench-rivals    in the lab: netperf, fio, redis and others in a guest unprotected, under Kemari and under Xen'"'"'s'
	@echo '                     Remus, ROUNDS=3 (a round takes half an hour); NAMES="async remus-100 tcp_rr" for some of them'
	@echo 'make bench-fencing   in the lab: fence_kemari beside fence_ipmilan'
	@echo 'make faults          a daemon that leaves parts of epochs out when told, into $(BUILD)/faults (tests only)'
	@echo 'make analyze         clang-analyzer; its findings want a look each; C_FILES= for some files only'
	@echo 'make format          lay out the C files as .clang-format says'
	@echo 'make clean           remove $(BUILD)/'

$(BUILD)/libkemari.a: $(call obj,$(ROOM_SRC),o)
	@rm -f $@
	$(AR) rcs $@ $^
$(BUILD)/libkemari-san.a: $(call obj,$(ROOM_SRC),san)
	@rm -f $@
	$(AR) rcs $@ $^

# What tests share: fakes of rings and the hypervisor.  Before libkemari, so that a fake wins.
$(BUILD)/libfake.a: $(call obj,$(FAKE_SRC),o)
	@rm -f $@
	$(AR) rcs $@ $^
$(BUILD)/libfake-san.a: $(call obj,$(FAKE_SRC),san)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/kemari-syncd: $(call obj,$(SYNCD_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)
$(BUILD)/kemari: $(call obj,$(AGENT_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)
$(BUILD)/kemari-doctor: $(call obj,$(DOCTOR_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL) $(shell $(PKG_CONFIG) --libs $(DOCTOR_PKG))
$(BUILD)/kemari-domain: $(call obj,$(HELPER_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(HELPER_PKG)) $(LDLIBS_ALL)

$(BUILD)/fence_kemari: $(call obj,$(FENCE_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(FENCE_PKG))
$(BUILD)/kemari-bmc: $(call obj,$(BMC_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(BMC_PKG)) -lpthread

$(BUILD)/kemari-agent: $(call obj,$(DAEMON_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(DAEMON_PKG))

$(BUILD)/ocf_kemari_vm.7: ocf/vm ocf/man.xsl
	@mkdir -p $(@D)
	sed 's|/usr/sbin|$(SBINDIR)|' ocf/vm | sh -s meta-data | xsltproc --novalid --nonet -o $@ ocf/man.xsl -

$(BUILD)/o/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(KCFLAGS) $(CFLAGS) -c -o $@ $<
$(BUILD)/san/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(KCFLAGS) $(SAN) -c -o $@ $<

$(BUILD)/unit/%_test: $(BUILD)/o/cts-tests/unit/%_test.o $(BUILD)/libfake.a $(BUILD)/libkemari.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LDLIBS_ALL)
$(BUILD)/unit-san/%_test: $(BUILD)/san/cts-tests/unit/%_test.o $(BUILD)/libfake-san.a $(BUILD)/libkemari-san.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LDLIBS_ALL)

# The VMs' own room is in no archive.
RESOURCE_SRC := $(addprefix syncd/vm/,await.c request.c resource.c resource_start.c resource_task.c status.c)
REOPEN_SRC := $(RESOURCE_SRC) $(addprefix syncd/vm/,memory.c reopen.c)
AWAIT_SRC := $(RESOURCE_SRC) syncd/vm/action.c
$(BUILD)/unit/reopen_test: $(call obj,$(REOPEN_SRC),o)
$(BUILD)/unit-san/reopen_test: $(call obj,$(REOPEN_SRC),san)
$(BUILD)/unit/await_test: $(call obj,$(AWAIT_SRC),o)
$(BUILD)/unit-san/await_test: $(call obj,$(AWAIT_SRC),san)
TASK_SRC := $(addprefix syncd/vm/,await.c resource.c resource_start.c resource_task.c)
$(BUILD)/unit/resource_task_test: $(call obj,$(TASK_SRC),o)
$(BUILD)/unit-san/resource_task_test: $(call obj,$(TASK_SRC),san)
$(BUILD)/unit/action_test $(BUILD)/unit/death_test $(BUILD)/unit/fire_test $(BUILD)/unit/domain_hold_test $(BUILD)/unit/forget_test $(BUILD)/unit/outputs_test $(BUILD)/unit/taps_test $(BUILD)/unit/foreign_test $(BUILD)/unit/relay_test $(BUILD)/unit/standby_test $(BUILD)/unit/vm_test: $(BUILD)/unit/%_test: $(BUILD)/o/syncd/vm/%.o
$(BUILD)/unit-san/action_test $(BUILD)/unit-san/death_test $(BUILD)/unit-san/fire_test $(BUILD)/unit-san/domain_hold_test $(BUILD)/unit-san/forget_test $(BUILD)/unit-san/outputs_test $(BUILD)/unit-san/taps_test $(BUILD)/unit-san/foreign_test $(BUILD)/unit-san/relay_test $(BUILD)/unit-san/standby_test $(BUILD)/unit-san/vm_test: $(BUILD)/unit-san/%_test: $(BUILD)/san/syncd/vm/%.o

$(BUILD)/unit/doctor_% $(BUILD)/unit-san/doctor_% $(BUILD)/unit/agent_device_% $(BUILD)/unit-san/agent_device_% \
	$(BUILD)/unit/agent_fencer_cib_% $(BUILD)/unit-san/agent_fencer_cib_% \
	$(BUILD)/unit/agent_proofs_% $(BUILD)/unit-san/agent_proofs_%: LDLIBS_ALL += $(shell $(PKG_CONFIG) --libs $(DOCTOR_PKG))

# One test alone: make unit-NAME
unit-%: $(BUILD)/unit/%_test $(BUILD)/unit-san/%_test
	$(BUILD)/unit/$*_test
	$(BUILD)/unit-san/$*_test

rpm:
	@scripts/rpm
deb:
	@scripts/deb

# Each prints one line per test and ends with `N passed, N failed`.
check:
	@cts-tests/run-checks style unit sim lab
check-style:
	@cts-tests/run-checks style
check-unit:
	@cts-tests/run-checks unit
check-lab:
	@cts-tests/run-checks lab-all
check-packages:
	@cts-tests/packages

# Needs no tool but cmocka, no root and no network.
check-build: $(UNITS)
	@for t in $(UNITS); do echo "$$t" && timeout 120 $$t > $$t.log 2>&1 || { cat $$t.log; exit 1; }; done

# The engine with its guards removable, in the simulated world. SEED=, SCHEDULES= for other random schedules.
SEED ?= 1
SCHEDULES ?= 1000000
$(BUILD)/sim/%.o: DEFS += -DENGINE_SIM_WEAKEN
$(BUILD)/sim/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(KCFLAGS) $(CFLAGS) -c -o $@ $<
$(BUILD)/kemari-sim: $(call obj,$(SIM_SRC) $(wildcard syncd/engine/*.c),sim)
	$(CC) $(LDFLAGS) -o $@ $^
check-sim: $(BUILD)/kemari-sim
	@$< --seed $(SEED) --table --random $(SCHEDULES) --exhaustive --prove
prove-sim: $(BUILD)/kemari-sim
	@$< --seed $(SEED) --prove
.PHONY: bench-fencing bench-rivals
demo bench:
	@cts-tests/suite/run $@
bench-rivals:
	@cts-tests/suite/run rivals $(NAMES)
soak:
	@status=0; for s in soak cluster-soak; do cts-tests/suite/run $$s || status=1; done; exit $$status
bench-fencing:
	@cts-tests/suite/run fencing

# clang-tidy takes seconds a file: only those that changed, or all of them when a header did.
TIDY := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(ALL_C))
.PHONY: tidy
tidy: $(TIDY)
$(BUILD)/tidy/cts-tests/sim/%.ok: DEFS += -DENGINE_SIM_WEAKEN
$(BUILD)/tidy/syncd/capture/%.ok: DEFS += -DKEMARI_FAULTS
$(BUILD)/tidy/%.ok: %.c $(ALL_H) .clang-tidy
	@mkdir -p $(@D)
	@cts-tests/tidy-one $(filter-out -MMD -MP,$(KCFLAGS)) $<
	@touch $@

# No test: each finding wants a look. clang-analyzer over C_FILES, all of them if not given (minutes).
C_FILES ?= $(ALL_C)
.PHONY: analyze
analyze:
	@for f in $(C_FILES); do \
		clang-tidy --quiet --config='{}' $$f \
			--checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,-clang-analyzer-optin.performance.*' \
			-- $(filter-out -MMD -MP,$(KCFLAGS)) 2> /dev/null; done

# What run-checks asks for, so that the lists stand in one place.
.PHONY: print-c print-h print-units print-cflags print-build
print-c:
	@echo $(ALL_C)
print-h:
	@echo $(ALL_H)
print-units:
	@echo $(UNITS) $(SAN_UNITS)
print-build:
	@echo $(BUILD)
print-cflags:
	@echo $(KCFLAGS)

format:
	clang-format -i $(ALL_C) $(ALL_H)

deps:
	@scripts/deps

install: programs
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBEXECDIR)/kemari $(DESTDIR)$(UNITDIR) \
		$(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(SYSCONFDIR)/kemari $(DESTDIR)$(DOCDIR) $(DESTDIR)$(OCFDIR)/kemari
	install -m 755 $(BUILD)/kemari-syncd $(BUILD)/kemari-agent $(BUILD)/kemari $(BUILD)/fence_kemari $(DESTDIR)$(SBINDIR)
	install -D -m 755 fencing/external-kemari $(DESTDIR)$(PREFIX)/lib/stonith/plugins/external/kemari
	install -m 755 $(BUILD)/kemari-domain $(BUILD)/kemari-bmc $(BUILD)/kemari-doctor $(DESTDIR)$(LIBEXECDIR)/kemari
	sed 's|/usr/sbin|$(SBINDIR)|' ocf/vm > $(DESTDIR)$(OCFDIR)/kemari/vm
	chmod 755 $(DESTDIR)$(OCFDIR)/kemari/vm
	for u in kemari-syncd kemari-agent; do \
		sed 's|/usr/sbin|$(SBINDIR)|' systemd/$$u.service > $(DESTDIR)$(UNITDIR)/$$u.service && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$u.service || exit 1; done
	install -D -m 644 systemd/pacemaker-kemari.conf $(DESTDIR)$(UNITDIR)/pacemaker.service.d/kemari.conf
	install -m 644 doc/man/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 644 $(BUILD)/ocf_kemari_vm.7 $(DESTDIR)$(MANDIR)/man7
	install -m 644 doc/man/*.8 $(DESTDIR)$(MANDIR)/man8
	install -m 644 doc/kemari.conf $(DESTDIR)$(DOCDIR)
	[ -e $(DESTDIR)$(SYSCONFDIR)/kemari/kemari.conf ] || \
		install -m 644 doc/kemari.conf $(DESTDIR)$(SYSCONFDIR)/kemari
	install -m 644 doc/bmc-events.conf $(DESTDIR)$(DOCDIR)
	[ -e $(DESTDIR)$(SYSCONFDIR)/kemari/bmc-events.conf ] || \
		install -m 644 doc/bmc-events.conf $(DESTDIR)$(SYSCONFDIR)/kemari
	install -m 644 README.md LICENSE doc/cluster.md $(DESTDIR)$(DOCDIR)

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/o $(BUILD)/san $(BUILD)/sim -name '*.d' 2>/dev/null)
.SECONDARY:
