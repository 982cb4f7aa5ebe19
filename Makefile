# SPDX-License-Identifier: Apache-2.0
#
# Spoolguard's build.  "make help" lists what it does.
#
# One archive per folder (build/lib/libNAME.a); a program or a test links the
# archive of its folder and of the folders that its folder may use.  Tests are
# found by their names: tests/FOLDER/test_*.c (Check) and tests/e2e/*.sh.

VERSION := 0.1.0
PREFIX  ?= /usr/local
BUILD   ?= build
CC      ?= gcc
AR      ?= ar
CROSS   ?=
SAN     ?=
MUTANTS ?=
ifneq ($(CROSS),)
CC      := $(CROSS)gcc
AR      := $(CROSS)ar
BUILD   := build/cross-$(CROSS:-=)
endif
ifneq ($(SAN),)
comma   := ,
BUILD   := build/san-$(subst $(comma),-,$(SAN))
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
ifneq ($(MUTANTS),)
BUILD   := build/mutants
MUTFLAGS := -DSPOOLGUARD_MUTANTS
endif

# Which folder may use which: each folder's name, then what it links, nearest first.
FOLDERS         := base crypto ipc blockdev keystore overwrite spool volume cli
USES_base       :=
USES_crypto     := base
USES_ipc        := base
USES_blockdev   := crypto base
USES_keystore   := blockdev crypto base
USES_overwrite  := blockdev crypto base
USES_spool      := overwrite keystore blockdev crypto base
USES_volume     := overwrite keystore blockdev ipc crypto base
USES_cli        := volume spool overwrite keystore blockdev ipc crypto base

PKGS_crypto     := libcrypto libsodium
PKGS_ipc        := json-c
PKGS_blockdev   := blkid
PKGS_keystore   := libcryptsetup json-c
PKGS_spool      := ext2fs com_err uuid
PKGS_volume     := fuse3 libseccomp json-c libcap-ng
PKGS_cli        := json-c
PKGS            := $(sort $(foreach f,$(FOLDERS),$(PKGS_$f)))

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough
OPT  ?= -O2 -g
CFLAGS_ALL = -std=gnu17 $(OPT) $(WARN) -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 \
	-DSPOOLGUARD_VERSION='"$(VERSION)"' -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -pthread \
	$(SANFLAGS) $(MUTFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -pthread -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)
ifneq ($(SAN),)
CFLAGS_ALL := $(filter-out -D_FORTIFY_SOURCE=2,$(CFLAGS_ALL))
endif

pkg_libs = $(shell pkg-config --libs $1 2>/dev/null)
pkg_cflags := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)

# A folder's objects, without its main programs.
srcs  = $(filter-out %_main.c,$(wildcard $1/*.c))
objs  = $(patsubst %.c,$(BUILD)/obj/%.o,$(call srcs,$1))
lib   = $(BUILD)/lib/lib$1.a
libs  = $(call lib,$1) $(foreach u,$(USES_$1),$(call lib,$u))
plibs = $(call pkg_libs,$(sort $(PKGS_$1) $(foreach u,$(USES_$1),$(PKGS_$u))))

TESTS := $(foreach f,$(FOLDERS),$(wildcard tests/$f/test_*.c))
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(TESTS))
PROGRAMS := $(BUILD)/spoolguard $(BUILD)/spoolguard-volume

.PHONY: all help clean tests
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(pkg_cflags) -MMD -MP -c -o $@ $<

define folder_rules
$(call lib,$1): $(call objs,$1)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
$(BUILD)/tests/$1/%: tests/$1/%.c $(wildcard tests/support/*.c) $(call libs,$1)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_ALL) $$(pkg_cflags) $$(LDFLAGS_ALL) -MMD -MP -MF $$@.d -o $$@ $$(filter %.c,$$^) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(call plibs,$1) $$(call pkg_libs,check)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$f)))

$(BUILD)/spoolguard: $(BUILD)/obj/cli/spoolguard_main.o $(call libs,cli)
	$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call plibs,cli)

$(BUILD)/spoolguard-volume: $(BUILD)/obj/volume/spoolguard_volume_main.o $(call libs,volume)
	$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call plibs,volume)

tests: $(TEST_PROGRAMS)

clean:
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
