# ecbak - build, test, install. Everything lands in $(BUILD); nothing is written beside the sources.
#
#   make            release build                    make test     unit, simulator and cluster tests
#   make demo       the whole story on loopback      make san      the same under ASan and UBSan
#   make deps       install what is needed (apt)     make tidy     style, layers, static analysis
#   make bench      coding figures                   make bench-e2e  whole store and recover, beside restic
#   make bench-hostile  what a member that breaks the rules costs
#   make bench-members  membership, beside serf (root)  make soak  no false deaths while all is busy
#   make fuzz       every fuzzer for FUZZ_SECONDS    make install  PREFIX= DESTDIR=
#   make deb        the Debian package               make dist     the source archive
#                   RELEASE=trixie: deb, deb-check, test-hosts and release-check of that release
#   make test-hosts  real hosts, the playbooks over SSH, power cuts, partitions (root; minutes)
#   make lint-ansible  style and syntax of ansible/
#   make deb-check  that on each release it builds the same twice, installs, upgrades and goes (root)
#   make release-check  README's commands on a bare Debian of each release (root)
#   make container-check  the image of ansible/containers, built and run (root; a minute)

BUILD   ?= build
PREFIX  ?= /usr/local
UNITS   ?= $(PREFIX)/lib/systemd/system
ifeq ($(origin CC),default)
CC      = gcc
endif
PYTHON  ?= python3
FUZZ_SECONDS ?= 20

# The one place that names the Debian packages: `make deps` installs them, README.md points here.
# Only names that are the same in every release that is held: Debian has one without a version for each compiler and its parts.
DEPS_BUILD = build-essential pkg-config libzmq3-dev libczmq-dev libjerasure-dev libgf-complete-dev \
	libsodium-dev libsqlite3-dev libzstd-dev libprotobuf-c-dev protobuf-c-compiler libjansson-dev \
	libacl1-dev libattr1-dev
DEPS_RUN   = procps acl attr python3
DEPS_TEST  = libcmocka-dev libfaketime libisal-dev clang libclang-rt-dev clang-format clang-tidy restic time \
	systemd man-db zsh fish
DEPS_DEB   = debhelper lintian mmdebstrap faketime xz-utils
DEPS_ROOT  = mmdebstrap
DEPS_HOSTS = systemd-container mmdebstrap nftables iproute2 openssh-client ansible-core e2fsprogs
DEPS_CLOUD = ansible python3-google-auth python3-requests openssl
DEPS_CONTAINER = podman crun mmdebstrap iproute2 nftables
DEPS_BENCH = serf iproute2 nftables
DEPS_LINT  = ansible-core ansible-lint yamllint
DEPS       = $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST) $(DEPS_LINT)

VERSION = 0.1.0

# The releases of Debian that are held, by name. RELEASE=, on make's command line only, names one for a target that says so: what is
# built then is built in a root of it, which needs root; ROOTS keeps what such roots start from.
RELEASES = bookworm trixie
ifneq ($(origin RELEASE),command line)
RELEASE  =
endif
ROOTS    = $(CURDIR)/build/releases
IN_ROOT  = $(PYTHON) test/hosts/debian.py "$(ROOTS)" "$(abspath $(BUILD))"

PKGS     = libzmq libczmq libsodium sqlite3 libzstd libprotobuf-c jansson
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wundef -Wformat=2 -Wwrite-strings -Werror
HARDEN   = -fstack-protector-strong -fPIE
ifdef SAN
OPTIMIZE = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# Static, so that the two share one runtime: log_path, where test/run.py looks, then holds for both.
LDEXTRA  = -fsanitize=address,undefined -static-libasan -static-libubsan
else
OPTIMIZE = -O2 -g -D_FORTIFY_SOURCE=2
LDEXTRA  =
endif
CPPFLAGS_ALL = -I. -I$(BUILD)/gen -isystem /usr/include/jerasure -D_GNU_SOURCE -DECBAK_VERSION='"$(VERSION)"' $(CPPFLAGS)
CFLAGS_ALL   = -std=c17 $(OPTIMIZE) $(WARNINGS) $(HARDEN) -pthread $(CFLAGS)
LDFLAGS_ALL  = -pie -Wl,--as-needed -Wl,-z,relro,-z,now -pthread $(LDEXTRA) $(LDFLAGS)
LIBS         = $(shell pkg-config --libs $(PKGS)) -lJerasure -lgf_complete -lacl -lm

# ---- sources: a folder is a layer, a layer is an archive -------------------------------------------------
LAYERS   = coding gossip node cli
PROTOS  := $(wildcard */*.proto */*/*.proto)
PB_C     = $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.c)
PB_H     = $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.h)
MAINS    = node/ecbakd.c cli/ecbak.c

srcs     = $(filter-out $(MAINS),$(wildcard $(1)/*.c $(1)/*/*.c))
pbs      = $(filter $(BUILD)/gen/$(1)/%,$(PB_C))
objs     = $(patsubst %.c,$(BUILD)/%.o,$(call srcs,$(1))) $(patsubst $(BUILD)/gen/%.c,$(BUILD)/gen/%.o,$(call pbs,$(1)))
ARCHIVES = $(BUILD)/libcli.a $(BUILD)/libnode.a $(BUILD)/libgossip.a $(BUILD)/libcoding.a

UNIT_SRC  = $(wildcard test/unit_*.c)
SIM_SRC   = $(wildcard test/sim_*.c)
BENCH_SRC = $(wildcard test/bench_*.c)
FUZZ_SRC  = $(wildcard test/fuzz_*.c)
TOOL_SRC  = $(filter-out $(UNIT_SRC) $(SIM_SRC) $(BENCH_SRC) $(FUZZ_SRC),$(wildcard test/*.c))
UNIT  = $(UNIT_SRC:%.c=$(BUILD)/%)
SIM   = $(SIM_SRC:%.c=$(BUILD)/%)
SIM_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard test/sim/*.c))
BENCH = $(BENCH_SRC:%.c=$(BUILD)/%)
FUZZ  = $(FUZZ_SRC:%.c=$(BUILD)/%)

PROGRAMS = $(patsubst node/%.c,$(BUILD)/%,$(wildcard node/ecbakd.c)) $(patsubst cli/%.c,$(BUILD)/%,$(wildcard cli/ecbak.c))

.PHONY: release-check all deps demo test san bench bench-e2e fuzz tidy format install deb deb-check dist clean check-programs sim \
	container-check torture bench-members bench-hostile soak figures test-hosts bench-hosts ready-for-hosts lint-ansible
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS)

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: %.proto
	@mkdir -p $(BUILD)/gen
	protoc-c --c_out=$(BUILD)/gen $<

# Generated code is not held to our warnings.
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -w -c -o $@ $<

$(BUILD)/%.o: %.c | $(PB_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define archive
$$(BUILD)/lib$(1).a: $$(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call archive,$(layer))))

$(BUILD)/ecbakd: $(BUILD)/node/ecbakd.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(ARCHIVES) $(LIBS)
$(BUILD)/ecbak: $(BUILD)/cli/ecbak.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(ARCHIVES) $(LIBS)

# ecbakd as releases with other versions of the protocol would be, for tests of upgrades. Only what sees the range is compiled
# again: an object that is linked before the archives takes the place of theirs.
PROTOCOLS    = 2-3 3-3
PROTOCOL_SRC = $(shell grep -lE '\bPROTOCOL_(LOWEST|HIGHEST|OURS)\b' $(wildcard */*.c */*/*.c))
define protocol
$$(BUILD)/protocol-$(1)/%.o: %.c | $$(PB_H)
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS_ALL) -DPROTOCOL_LOWEST=$(firstword $(subst -, ,$(1))) -DPROTOCOL_HIGHEST=$(lastword $(subst -, ,$(1))) \
		$$(CFLAGS_ALL) -MMD -MP -c -o $$@ $$<
$$(BUILD)/protocol-$(1)/ecbakd: $$(patsubst %.c,$$(BUILD)/protocol-$(1)/%.o,$$(filter coding/% gossip/% node/%,$$(PROTOCOL_SRC))) $$(ARCHIVES)
	$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS)
endef
$(foreach range,$(PROTOCOLS),$(eval $(call protocol,$(range))))
PROTOCOL_PROGRAMS = $(PROTOCOLS:%=$(BUILD)/protocol-%/ecbakd)

# ecbakd as a member that breaks the rules, for cluster_liars.py: functions that are wrapped at linking (test/liar/liar.h).
LIAR_SRC   = $(wildcard test/liar/*.c)
LIAR_WRAPS = answer_pin answer_locate answer_get_fragment local_put_fragment meta_encode chores_new
LIAR       = $(BUILD)/liar/ecbakd
$(LIAR): $(BUILD)/node/ecbakd.o $(LIAR_SRC:%.c=$(BUILD)/%.o) $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $(LIAR_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

# Tests link only the archives that they pull symbols from.
$(UNIT) $(SIM): $(BUILD)/test/%: $(BUILD)/test/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(ARCHIVES) $(LIBS) -lcmocka
$(SIM): $(SIM_OBJ)
$(BENCH): $(BUILD)/test/%: $(BUILD)/test/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(ARCHIVES) $(LIBS) -lisal
$(patsubst %.c,$(BUILD)/%,$(TOOL_SRC)): $(BUILD)/test/%: $(BUILD)/test/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(ARCHIVES) $(LIBS)

# ---- what a person runs ------------------------------------------------------------------------------------
deps:
	@test/deps.sh $(DEPS)

demo:
	@$(MAKE) --no-print-directory deps DEPS="$(DEPS_BUILD) $(DEPS_RUN)"
	@$(MAKE) --no-print-directory all
	@test/demo.sh $(BUILD) $(if $(DIR),"$(DIR)")

test:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all $(UNIT) $(SIM) $(PROTOCOL_PROGRAMS) $(LIAR) $(patsubst %.c,$(BUILD)/%,$(TOOL_SRC))
	@[ "$$(id -u)" != 0 ] || [ -n "$(SAN)" ] || $(MAKE) --no-print-directory ready-for-hosts
	@$(PYTHON) test/run.py --build $(BUILD)

# Real hosts: what they need, and the package that they get. Root only, like the hosts themselves.
ready-for-hosts:
	@test/deps.sh $(DEPS_BUILD) $(DEPS_DEB) $(DEPS_HOSTS)
	@$(MAKE) --no-print-directory all deb

# ONLY: words of the names of the programs to run. RELEASE: what the hosts run, where that is not what this machine does.
test-hosts: ready-for-hosts
	@test/deps.sh $(DEPS_CLOUD)
	@set -e; for release in $(filter-out $(RELEASE),$(RELEASES)); do $(MAKE) --no-print-directory RELEASE=$$release deb; done
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/hosts/next DEB_VERSION=$(VERSION)+next deb
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/hosts/protocol-3 DEB_VERSION=$(VERSION)+protocol3 DEB_PROTOCOL="3 3" deb
	@ECBAK_RELEASE=$(RELEASE) $(PYTHON) test/run.py --build $(BUILD) --hosts $(ONLY)

bench-hosts: ready-for-hosts
	@ECBAK_BUILD=$(BUILD) $(PYTHON) test/bench_hosts.py

san:
	@$(MAKE) --no-print-directory SAN=1 BUILD=$(BUILD)/san test

sim: $(SIM)
	@for s in $(SIM); do $$s --full || exit 1; done

# The tables of gossip/PROTOCOL.md, made again.
figures: $(SIM)
	@$(PYTHON) test/figures.py --build $(BUILD)

# Hours of random kills: set KILLS to what the night allows.
KILLS ?= 500
torture: all
	ECBAK_BUILD=$(BUILD) ECBAK_KILLS=$(KILLS) $(PYTHON) test/cluster_kills.py
	ECBAK_BUILD=$(BUILD) ECBAK_HOMES=$(KILLS) $(PYTHON) test/cluster_homes.py

bench: $(BENCH)
	@for b in $(BENCH); do $$b || exit 1; done

bench-e2e: all
	@$(PYTHON) test/bench_e2e.py --build $(BUILD)

# All three take minutes.
BENCH_HOSTS  ?= 30
BENCH_LOSSES ?= 7
SOAK_SECONDS ?= 300
bench-hostile: all $(LIAR)
	@ECBAK_BUILD=$(BUILD) $(PYTHON) test/bench_hostile.py

bench-members:
	@$(MAKE) --no-print-directory deps DEPS="$(DEPS_BUILD) $(DEPS_RUN) $(DEPS_BENCH)"
	@$(MAKE) --no-print-directory all
	@ECBAK_BUILD=$(BUILD) $(PYTHON) test/bench_members.py --hosts $(BENCH_HOSTS) --losses $(BENCH_LOSSES)

soak:
	@$(MAKE) --no-print-directory deps DEPS="$(DEPS_BUILD) $(DEPS_RUN)"
	@$(MAKE) --no-print-directory all
	@ECBAK_BUILD=$(BUILD) $(PYTHON) test/soak_members.py --seconds $(SOAK_SECONDS)

# The fuzzers' layers are built again by clang, so that all of it is instrumented.
FUZZ_FLAGS = -std=c17 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -pthread
FUZZ_LIBS  = $(ARCHIVES:$(BUILD)/%=$(BUILD)/fuzzing/%)
$(BUILD)/fuzzing/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	clang $(CPPFLAGS_ALL) $(FUZZ_FLAGS) -w -c -o $@ $<
$(BUILD)/fuzzing/%.o: %.c | $(PB_H)
	@mkdir -p $(@D)
	clang $(CPPFLAGS_ALL) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<
define fuzz_archive
$$(BUILD)/fuzzing/lib$(1).a: $$(patsubst $$(BUILD)/%,$$(BUILD)/fuzzing/%,$$(call objs,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call fuzz_archive,$(layer))))
$(FUZZ): $(BUILD)/test/fuzz_%: $(BUILD)/fuzzing/test/fuzz_%.o $(FUZZ_LIBS)
	@mkdir -p $(@D)
	clang -fsanitize=fuzzer,address,undefined -pthread -o $@ $< $(FUZZ_LIBS) $(LIBS)
fuzz: $(FUZZ)
	@test/fuzz.sh $(FUZZ_SECONDS) $(BUILD)/fuzz $(FUZZ)

tidy: | $(PB_H)
	@$(PYTHON) test/tidy.py -- $(CPPFLAGS_ALL)

format:
	clang-format -i $(wildcard coding/*.[ch] coding/*/*.[ch] gossip/*.[ch] gossip/*/*.[ch] node/*.[ch] node/*/*.[ch] cli/*.[ch] cli/*/*.[ch] test/*.[ch] test/*/*.[ch])

install: all
	@BUILD="$(BUILD)" DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" UNITS="$(UNITS)" ansible/packaging/install.sh

# ---- packages ------------------------------------------------------------------------------------------------
# For tests of upgrades, of the same sources: DEB_VERSION, another version; DEB_PROTOCOL, "LOWEST HIGHEST", another range.
DEB_VERSION  = $(VERSION)
DEB_PROTOCOL =
BUILD_DEB    = env DEB_PROTOCOL="$(DEB_PROTOCOL)" ansible/packaging/deb.sh "$(abspath $(BUILD))" "$(DEB_VERSION)" $(DEPS_BUILD)
ifeq ($(RELEASE),)
deb:
	@test/deps.sh $(DEPS_BUILD) $(DEPS_DEB)
	@$(BUILD_DEB)
else
deb:
	@test/deps.sh $(DEPS_ROOT)
	@$(IN_ROOT) $(RELEASE) "git $(DEPS_BUILD) $(DEPS_DEB)" -- $(BUILD_DEB)
endif

# What is wrong with ansible/, in style and syntax.
lint-ansible:
	@test/deps.sh $(DEPS_LINT)
	@$(PYTHON) test/cluster_ansible.py --lint

# Of every release that is held, or of RELEASE; oldest first, because a newer one is upgraded from it.
deb-check:
	@test/deps.sh $(DEPS_ROOT)
	@rm -rf $(BUILD)/deb-check
	@set -e; for release in $(or $(RELEASE),$(RELEASES)); do \
	    $(IN_ROOT) $$release "git $(DEPS_BUILD) $(DEPS_DEB)" -- \
	        ansible/packaging/deb-check.sh "$(abspath $(BUILD))" "$(VERSION)" $(DEPS_BUILD); \
	    $(IN_ROOT) $$release "$$(cat $(BUILD)/deb-check/depends)" -- \
	        ansible/packaging/deb-install-check.sh "$(abspath $(BUILD))" "$(VERSION)"; \
	done

# What README.md promises of a bare machine with git and make, in a root of each release, or of RELEASE: every target is run as a person
# would, in a clone of the newest commit. Takes the time of `make test`, some minutes more, and a network.
release-check:
	@test/deps.sh $(DEPS_ROOT) git
	@set -e; for release in $(or $(RELEASE),$(RELEASES)); do \
	    rm -rf "$(BUILD)/releases/clone-$$release"; mkdir -p "$(BUILD)/releases"; \
	    git clone -q . "$(BUILD)/releases/clone-$$release"; \
	    top=$$PWD; cd "$(BUILD)/releases/clone-$$release"; \
	    $(PYTHON) "$$top/test/hosts/debian.py" "$(ROOTS)" build $$release "git make" -- \
	        sh -ec 'make demo; make test; make fuzz FUZZ_SECONDS=1; make tidy'; \
	    cd "$$top"; rm -rf "$(BUILD)/releases/clone-$$release"; echo "release-check: $$release is held"; \
	done

container-check:
	@test/deps.sh $(DEPS_BUILD) $(DEPS_DEB) $(DEPS_CONTAINER)
	@$(MAKE) --no-print-directory deb
	@ECBAK_BUILD=$(BUILD) $(PYTHON) test/container_check.py

dist:
	@ansible/packaging/dist.sh "$(abspath $(BUILD))" "$(VERSION)"

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) \( -name deb -o -name hosts -o -name releases \) -prune -o -type f -name '*.d' -print 2>/dev/null)
