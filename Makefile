# SPDX-License-Identifier: Apache-2.0
#
# Spoolguard's build.
#
#: make               the programs: build/spoolguard, build/spoolguard-volume, and their manifest
#: make deps          installs what is missing (Debian, as root; else says what to do)
#: make check         format, arrows between folders, licence lines, scripts, cppcheck
#: make test          check, every unit test (also under sanitizers and valgrind), end to end
#: make test ONLY=RE  only the items whose name matches, for example ONLY='base/|e2e/spool'
#: make test SAN=thread | SAN=address,undefined       unit tests in such a build alone
#: make valgrind      every unit test under valgrind
#: make test-cross    unit tests of the pure parts on another architecture, under qemu-user
#: make fuzz          libFuzzer (clang) over every decoder of outside bytes, FUZZ_SECONDS=5 each
#: make crash         a million crash states of the residue map (SPOOLGUARD_CRASH_STATES, _SEED)
#: make mutants       every flush and lock of the map and the eraser dropped in turn: each is caught
#: make soak          ten minutes of jobs while cupsd, the service and the volume process are killed
#: make demo          a spool, a real printer program, real jobs, and what is left of them
#: make bench         the benchmarks in bench/; tables and plots in build/bench/
#: make install       [PREFIX=/usr/local] [DESTDIR=]; make uninstall
#: make deb           the Debian packages, in build/deb/
#: make sbom          the libraries that the programs link, their versions and licences
#: make clean
#: Variables: CC, CFLAGS, LDFLAGS, OPT, BUILD, SAN=, CROSS=aarch64-linux-gnu-, MUTANTS=1, V=1, JOBS=2
#
# One archive per folder (build/lib/libNAME.a); a program or a test links the
# archive of its folder and of the folders that its folder may use.  Tests are
# found by their names: tests/FOLDER/test_*.c (Check), tests/tools/test_*.sh and
# tests/e2e/*.sh.  A build with other flags has a directory of its own below build/;
# with sanitizers or mutants it is a test build, which touches no medium outside of
# /var/tmp or SPOOLGUARD_CONFINE.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
ifeq ($(origin CC),default)
CC      := gcc
endif
AR      ?= ar
CROSS   ?=
SAN     ?=
MUTANTS ?=
ONLY    ?=
JOBS    ?= 2
ifneq ($(CROSS),)
CC      := $(CROSS)gcc
AR      := $(CROSS)ar
BUILD   := build/cross-$(CROSS:-=)
# Libraries of the other architecture: fetched by "make test-cross", nothing is installed.
SYSROOT := $(abspath $(BUILD)/root)
TRIPLET := $(CROSS:-=)
export PKG_CONFIG_LIBDIR := $(SYSROOT)/usr/lib/$(TRIPLET)/pkgconfig
export PKG_CONFIG_SYSROOT_DIR := $(SYSROOT)
SANFLAGS := --sysroot=$(SYSROOT) -isystem $(SYSROOT)/usr/include/$(TRIPLET)
endif
ifneq ($(SAN),)
comma   := ,
BUILD   := build/san-$(subst $(comma),-,$(SAN))
SANFLAGS := -DSPOOLGUARD_TEST_BUILD -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
ifneq ($(MUTANTS),)
BUILD   := build/mutants
MUTFLAGS := -DSPOOLGUARD_MUTANTS -DSPOOLGUARD_TEST_BUILD
endif

# Which folder may use which: each folder's name, then what it links, nearest first.
# tools/check-arrows.sh reads these lines and holds every #include against them.
FOLDERS         := base crypto ipc client blockdev keystore overwrite drives audit decommission compliance spool volume attached harness pipeline supervisor cli
USES_base       :=
USES_crypto     := base
USES_ipc        := base
USES_client     := ipc base
USES_blockdev   := crypto base
USES_keystore   := blockdev crypto base
USES_overwrite  := blockdev crypto base
USES_drives     := blockdev crypto base
USES_audit      := crypto base
USES_decommission := audit drives volume overwrite keystore blockdev ipc crypto base
USES_compliance := audit crypto base
USES_spool      := overwrite keystore blockdev crypto base
USES_volume     := overwrite keystore blockdev ipc crypto base
USES_attached   := harness volume spool overwrite keystore blockdev ipc crypto base
USES_harness    := overwrite keystore blockdev crypto base
USES_pipeline   := ipc base
USES_supervisor := audit attached harness pipeline volume spool overwrite keystore blockdev ipc crypto base
USES_cli        := compliance decommission supervisor audit drives client attached harness pipeline volume spool overwrite keystore blockdev ipc crypto base

# Headers that this folder alone may name, by their beginnings.
OWNS_crypto     := openssl/ sodium
OWNS_blockdev   := blkid/
OWNS_keystore   := libcryptsetup
OWNS_audit      := sqlite3
OWNS_decommission := cairo
OWNS_spool      := ext2fs/ et/ uuid/
OWNS_volume     := fuse seccomp cap-ng nbdkit-
OWNS_pipeline   := cups/
OWNS_supervisor := ini

PKGS_crypto     := libcrypto libsodium
PKGS_ipc        := json-c
PKGS_client     := json-c
PKGS_blockdev   := blkid
PKGS_keystore   := libcryptsetup json-c
PKGS_audit      := json-c sqlite3
PKGS_decommission := json-c cairo
PKGS_compliance := json-c
PKGS_spool      := ext2fs com_err uuid
PKGS_volume     := fuse3 libseccomp json-c libcap-ng
PKGS_attached   := json-c
PKGS_pipeline   := json-c
LIBS_harness    := -lm
# Debian's libcups has no file for pkg-config.
LIBS_pipeline   := -lcups
PKGS_supervisor := json-c inih
PKGS_cli        := json-c
PKGS            := $(sort $(foreach f,$(FOLDERS),$(PKGS_$f)))

# What Debian calls it.  The first list is needed to build, the second by tests (without one of
# these, what needs it is skipped and says so), the others by "make demo" and "make bench".
DEPS_BUILD := gcc libc6-dev make pkg-config libssl-dev libsodium-dev libcryptsetup-dev libext2fs-dev \
	comerr-dev uuid-dev libblkid-dev libfuse3-dev libseccomp-dev libcap-ng-dev libjson-c-dev \
	libcups2-dev libinih-dev libsqlite3-dev check
DEPS_BUILD += nbdkit-plugin-dev
DEPS_BUILD += libcairo2-dev
DEPS_TEST  := clang clang-format cppcheck shellcheck valgrind cryptsetup-bin e2fsprogs fuse3 xfsprogs \
	btrfs-progs f2fs-tools fdisk dmsetup fio jq minisign util-linux mount python3 \
	python3-cryptography python3-cryptography-vectors qemu-user gcc-aarch64-linux-gnu procps qemu-system-common qemu-system-x86 cpio kmod \
	python3-jsonschema openscap-scanner ruby-serverspec \
	systemd systemd-container apparmor groff-base mandoc logrotate lintian dpkg-dev debhelper dh-apparmor \
	rsyslog rsyslog-gnutls rsyslog-openssl gnutls-bin sqlite3 python3-prometheus-client
DEPS_TEST  += nbdkit libnbd-bin libnbd-dev python3-libnbd qemu-utils
DEPS_TEST  += poppler-utils
DEPS_DEMO  := minisign cryptsetup-bin e2fsprogs fuse3 util-linux mount cups-ipp-utils dbus-daemon ghostscript \
	cups cups-client cups-filters poppler-utils libpappl-dev
DEPS_DEB   := dpkg-dev debhelper dh-apparmor
DEPS_BENCH := $(DEPS_DEMO) openssl fio jq scrub nwipe qemu-utils dmsetup gnuplot-nox

WARN := -Wall -Wextra -Werror -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough \
	-Wno-gnu-statement-expression # json-c's foreach, in clang's eyes
OPT  ?= -O2 -g
CFLAGS_ALL = -std=gnu17 $(OPT) $(WARN) -I. -I$(BUILD)/generated -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 \
	-DSPOOLGUARD_VERSION='"$(VERSION)"' -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIC -fvisibility=hidden -fno-semantic-interposition -pthread \
	$(SANFLAGS) $(MUTFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -pthread -Wl,-z,relro,-z,now -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)
ifneq ($(SAN),)
CFLAGS_ALL := $(filter-out -D_FORTIFY_SOURCE=2,$(CFLAGS_ALL))
endif

pkg_libs = $(shell pkg-config --libs $1 2>/dev/null)
pkg_cflags_of = $(shell pkg-config --cflags $1 2>/dev/null)
pkg_cflags := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)

# A folder's objects, without its main programs.
srcs  = $(filter-out %_main.c,$(wildcard $1/*.c))
objs  = $(patsubst %.c,$(BUILD)/obj/%.o,$(call srcs,$1))
lib   = $(BUILD)/lib/lib$1.a
libs  = $(call lib,$1) $(foreach u,$(USES_$1),$(call lib,$u))
plibs = $(call pkg_libs,$(sort $(PKGS_$1) $(foreach u,$(USES_$1),$(PKGS_$u)))) $(sort $(foreach u,$1 $(USES_$1),$(LIBS_$u)))
group = -Wl,--start-group $(filter %.a,$1) -Wl,--end-group

# "make V=1" shows whole commands.
run = $(if $(V),,@echo "  $1  $(patsubst $(BUILD)/%,%,$@)";)

TESTS := $(foreach f,$(FOLDERS),$(wildcard tests/$f/test_*.c))
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(TESTS))
# NAME's main is FOLDER/NAME_main.c, with "_" for "-"; it links what FOLDER links.
PROGRAM_NAMES := spoolguard spoolguardd spoolguard-volume spoolguard-notifier check_spoolguard
main_of  = $(firstword $(wildcard $(FOLDERS:=/$(subst -,_,$1)_main.c)))
PROGRAMS := $(foreach p,$(PROGRAM_NAMES),$(if $(call main_of,$p),$(BUILD)/$p))
# In a process of nbdkit's, which no sanitizer knows of; without nbdkit's header it is left out.
PLUGIN_MAIN := volume/nbdkit_plugin_main
PLUGIN := $(if $(SAN)$(CROSS),,$(if $(shell pkg-config --exists nbdkit 2>/dev/null && echo yes),$(BUILD)/nbdkit-spoolguard-plugin.so))
BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))
C_FILES := $(wildcard $(FOLDERS:=/*.[ch]) examples/*.c tests/*/*.[ch] tests/*/*/*.[ch] bench/*.[ch] demo/*.[ch] tools/*.[ch])
SCRIPTS := $(wildcard .ci/run packaging/*.sh packaging/compliance/*/*.sh pipeline/*.sh bench/*.sh demo/*.sh tools/*.sh tests/*/*.sh)

.PHONY: all help deps check check-format check-arrows check-licences check-scripts check-c tests test \
	test-now valgrind test-cross fuzz crash mutants soak demo bench install installed refuse-install \
	uninstall man deb sbom clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) $(PLUGIN) $(BUILD)/manifest $(if $(CROSS),,man)

help:
	@sed -n 's/^#: \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

# Objects of other flags are made anew; how the build directory is spelled is none.
$(BUILD)/flags: look-again
	$(shell mkdir -p $(@D))$(file >$@.new,$(CC) $(subst $(BUILD)/,,$(CFLAGS_ALL)))
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: look-again

# A test's own write() stands before libc's for libraries too.
$(BUILD)/obj/tests/%.o: private CFLAGS_ALL += -fvisibility=default
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC  )$(CC) $(CFLAGS_ALL) $(pkg_cflags) -MMD -MP -c -o $@ $<

# The service hands out its interface file as it stands.
INTERFACE := supervisor/io.spoolguard.varlink
$(BUILD)/generated/spoolguard/interface.inc: $(INTERFACE)
	@mkdir -p $(@D)
	@od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g' >$@
$(BUILD)/obj/supervisor/interface.o: $(BUILD)/generated/spoolguard/interface.inc

define archive
	@mkdir -p $(@D)
	@rm -f $@
	$(call run,AR  )$(AR) rcs $@ $^
endef

define folder_rules
$(call lib,$1): $(call objs,$1)
	$$(archive)
$(BUILD)/tests/$1/%: $(BUILD)/obj/tests/$1/%.o $(call lib,support) $(call libs,$1)
	@mkdir -p $$(@D)
	$$(call run,LINK)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$< $$(call group,$$^) \
		$$(call plibs,$1) $$(call pkg_libs,check)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$f)))

# Between two steps of what it tests, this one does something else.
$(BUILD)/tests/audit/test_log_in_use: LDFLAGS_ALL += -Wl,--wrap=log_listing_read

# What tests share: a test takes only those objects that it names.
$(call lib,support): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/support/*.c tests/support/*/*.c))
	$(archive)

define program_rule
$(BUILD)/$1: $(BUILD)/obj/$2.o $(call libs,$(patsubst %/,%,$(dir $2)))
	$$(call run,LINK)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$< $$(call group,$$^) $$(call plibs,$(patsubst %/,%,$(dir $2)))
endef
$(foreach p,$(notdir $(PROGRAMS)),$(eval $(call program_rule,$p,$(basename $(call main_of,$p)))))

$(BUILD)/nbdkit-spoolguard-plugin.so: $(BUILD)/obj/$(PLUGIN_MAIN).o $(call libs,volume)
	$(call run,LINK)$(CC) -shared $(filter-out -pie,$(LDFLAGS_ALL)) \
		-o $@ $< $(call group,$^) $(call plibs,volume)

$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(call libs,cli)
	@mkdir -p $(@D)
	$(call run,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,$^) $(call plibs,cli)

# For programs that print: one archive of all that client/ needs, and an example that uses it.
$(BUILD)/libspoolguard.a: $(call objs,client) $(call objs,ipc) $(call objs,base)
	$(archive)

$(BUILD)/examples/%: examples/%.c $(BUILD)/libspoolguard.a
	@mkdir -p $(@D)
	$(call run,LINK)$(CC) $(CFLAGS_ALL) $(call pkg_cflags_of,pappl) $(LDFLAGS_ALL) -o $@ $< \
		$(BUILD)/libspoolguard.a $(call pkg_libs,pappl json-c)

# What was built together: the self-tests hold the programs against it.
$(BUILD)/manifest: $(PROGRAMS) $(PLUGIN)
	$(call run,SUM )tools/manifest.sh $(VERSION) $@ $^

# Manual pages have the command's verbs and the interface from where they are.
MANUALS := $(patsubst docs/man/%,$(BUILD)/man/%,$(wildcard docs/man/*.in))
man: $(MANUALS)
$(BUILD)/man/%.in: docs/man/%.in tools/fill-manual.sh $(BUILD)/spoolguard $(INTERFACE)
	@mkdir -p $(@D)
	$(call run,MAN )tools/fill-manual.sh $(BUILD)/spoolguard $(INTERFACE) $< >$@

tests: $(TEST_PROGRAMS)

deps:
	@tools/deps.sh --needed $(DEPS_BUILD) --wanted $(DEPS_TEST) $(DEPS_DEMO)

check: check-format check-arrows check-licences check-scripts check-c

check-format:
	@! tools/have.sh clang-format 14 || clang-format --dry-run -Werror $(C_FILES)

check-arrows:
	@tools/check-arrows.sh

check-licences:
	@tools/check-licences.sh $(C_FILES) $(SCRIPTS) $(wildcard tests/*/*.py tools/*.py) Makefile

check-scripts:
	@! tools/have.sh shellcheck || shellcheck -s bash -S warning -e SC1007,SC2034,SC2120,SC2154,SC2217 $(SCRIPTS)

check-c:
	@! tools/have.sh cppcheck || cppcheck -q -j $(JOBS) --std=c11 --error-exitcode=1 \
		--enable=warning,performance,portability --suppressions-list=tools/cppcheck.txt \
		--inline-suppr -I. -D_GNU_SOURCE $(filter %.c,$(C_FILES))

# pkg-config is asked when this file is read: once deps has run, it has to be read again.
test: deps
	@$(MAKE) --no-print-directory test-now
test-now:
	@MAKE='$(MAKE)' JOBS=$(JOBS) ONLY='$(ONLY)' tools/run-tests.sh $(or $(SAN),all)

valgrind: deps
	@MAKE='$(MAKE)' JOBS=$(JOBS) ONLY='$(ONLY)' tools/run-tests.sh valgrind

test-cross: deps
	@MAKE='$(MAKE)' JOBS=$(JOBS) ONLY='$(ONLY)' tools/run-tests.sh cross

fuzz: deps
	@MAKE='$(MAKE)' JOBS=$(JOBS) tools/fuzz.sh $(or $(FUZZ_SECONDS),5)

crash: $(BUILD)/tests/overwrite/test_crash
	SPOOLGUARD_CRASH_STATES=$${SPOOLGUARD_CRASH_STATES:-1000000} \
	SPOOLGUARD_CRASH_SECONDS=$${SPOOLGUARD_CRASH_SECONDS:-0} $<

mutants:
	@$(MAKE) --no-print-directory MUTANTS=1 -j $(JOBS) build/mutants/tests/overwrite/mutants
	@JOBS=$(JOBS) build/mutants/tests/overwrite/mutants

soak: deps
	@$(MAKE) --no-print-directory all
	@BUILD=$(abspath $(BUILD)) SOAK_SECONDS=$(or $(SOAK_SECONDS),600) tests/e2e/soak.sh

demo: deps
	@$(MAKE) --no-print-directory all
	@demo/demo.sh $(BUILD)

bench:
	@tools/deps.sh --needed $(DEPS_BUILD) --wanted $(DEPS_BENCH)
	@$(MAKE) --no-print-directory all $(BENCH_PROGRAMS)
	@rm -f $(BUILD)/bench/results.tsv
	@for b in $(filter-out %/lib.sh %/report.sh,$(wildcard bench/*.sh)); do \
		BUILD=$(abspath $(BUILD)) $$b || exit 1; done
	@BUILD=$(abspath $(BUILD)) bench/report.sh

# A build with mutants is known by a symbol, whatever directory it was made in.
install: $(if $(MUTANTS)$(SAN)$(CROSS),refuse-install,all $(BUILD)/libspoolguard.a)
	@! grep -q mutant_active $(PROGRAMS) || $(MAKE) --no-print-directory refuse-install
	@$(MAKE) --no-print-directory installed

# What is built, as it is.
installed:
	@VERSION=$(VERSION) BUILD=$(BUILD) DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' packaging/install.sh install

refuse-install:
	@echo "install: refused: this is a build for tests" >&2; exit 1

uninstall:
	@BUILD=$(BUILD) DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' packaging/install.sh uninstall

deb: $(if $(MUTANTS)$(SAN)$(CROSS),refuse-install)
	@tools/deps.sh --needed $(DEPS_BUILD) $(DEPS_DEB)
	@VERSION=$(VERSION) JOBS=$(JOBS) packaging/deb.sh

sbom: all
	@tools/sbom.sh $(VERSION) $(PROGRAMS)

clean:
	rm -rf build

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/tests/*/*.d $(BUILD)/obj/tests/*/*/*.d)
