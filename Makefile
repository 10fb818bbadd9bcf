# SPDX-License-Identifier: GPL-2.0-only
# Kemari. `make help` lists the targets.

BUILD ?= build
PREFIX ?= /usr
SYSCONFDIR ?= /etc
CC ?= gcc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config

# Rooms, in the order a page takes through them.
ROOMS := lib syncd/engine syncd/domain syncd/capture syncd/wire syncd/transport syncd/apply \
	syncd/ring syncd/block syncd/net syncd/console syncd/xenstore syncd/control
LIBS_PKG := libqb xencontrol xencall xenforeignmemory xenevtchn xengnttab xenstore \
	liburing gnutls jansson libxxhash uuid
HELPER_PKG := xenlight xlutil jansson

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
KCFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) -I. -Ilib -Isyncd -Ihv-patch/xen/xen/include -MMD -MP \
	$(shell $(PKG_CONFIG) --cflags $(LIBS_PKG) $(HELPER_PKG))
LDLIBS_ALL = $(shell $(PKG_CONFIG) --libs $(LIBS_PKG)) -lutil -lpthread
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g

ROOM_SRC := $(wildcard $(addsuffix /*.c,$(ROOMS)))
HELPER_SRC := $(wildcard syncd/domain/helper/*.c)
SYNCD_SRC := $(wildcard syncd/*.c)
AGENT_SRC := $(wildcard agent/*.c)
UNIT_SRC := $(wildcard cts-tests/unit/*_test.c)
SIM_SRC := $(wildcard cts-tests/sim/*.c)
ALL_C := $(ROOM_SRC) $(HELPER_SRC) $(SYNCD_SRC) $(AGENT_SRC) $(UNIT_SRC) $(SIM_SRC) $(wildcard cts-tests/unit/*.c)
ALL_H := $(wildcard lib/*.h syncd/*.h syncd/*/*.h agent/*.h cts-tests/*/*.h)

obj = $(patsubst %.c,$(BUILD)/$(2)/%.o,$(1))
PROGRAMS := $(BUILD)/kemari-syncd $(BUILD)/kemari $(BUILD)/kemari-domain
UNITS := $(patsubst cts-tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
SAN_UNITS := $(patsubst cts-tests/unit/%.c,$(BUILD)/unit-san/%,$(UNIT_SRC))

.PHONY: all help clean programs
all: programs

programs: $(PROGRAMS)

help:
	@echo 'make                 build kemari-syncd, kemari and kemari-domain'
	@echo 'make check-unit      unit tests, also under ASan and UBSan, and the simulation (no root)'

$(BUILD)/libkemari.a: $(call obj,$(ROOM_SRC),o)
	@rm -f $@
	$(AR) rcs $@ $^
$(BUILD)/libkemari-san.a: $(call obj,$(ROOM_SRC),san)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/kemari-syncd: $(call obj,$(SYNCD_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)
$(BUILD)/kemari: $(call obj,$(AGENT_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)
$(BUILD)/kemari-domain: $(call obj,$(HELPER_SRC),o) $(BUILD)/libkemari.a
	$(CC) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(HELPER_PKG)) $(LDLIBS_ALL)

$(BUILD)/o/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(KCFLAGS) $(CFLAGS) -c -o $@ $<
$(BUILD)/san/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(KCFLAGS) $(SAN) -c -o $@ $<

$(BUILD)/unit/%_test: $(BUILD)/o/cts-tests/unit/%_test.o $(BUILD)/libkemari.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS_ALL)
$(BUILD)/unit-san/%_test: $(BUILD)/san/cts-tests/unit/%_test.o $(BUILD)/libkemari-san.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -o $@ $^ -lcmocka $(LDLIBS_ALL)

# One test alone: make unit-NAME
unit-%: $(BUILD)/unit/%_test $(BUILD)/unit-san/%_test
	$(BUILD)/unit/$*_test
	$(BUILD)/unit-san/$*_test

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:
