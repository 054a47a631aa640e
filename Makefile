# waft.  `make` builds into build/; see README.md for the rest.
#
# Every .c of a folder is built; a new file needs no line here.  B is the build
# directory, so that the sanitizer build stands beside the ordinary one.

B ?= build

# config.mk is made by its rule below where it is missing, except for these.
UNCONFIGURED = deps clean distclean format format-check layers fresh rules
ifneq ($(filter-out $(UNCONFIGURED),$(or $(MAKECMDGOALS),all)),)
include config.mk
endif

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wcast-qual -Wpointer-arith -Wvla -Wformat=2 -Wno-format-zero-length \
	$(WERROR)
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
SANITIZE ?=
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. -I$(B)/gen $(WARN) $(CFLAGS) $(HARDEN) \
	$(DEPS_CFLAGS) $(SANITIZE) -MMD -MP -pthread
ALL_LDFLAGS = $(LDFLAGS) -pie -Wl,-z,relro,-z,now $(SANITIZE) -pthread

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
COMMON = $(wildcard common/*/*.c)
PROGRAMS = component bosh cli
BIN_component = waft-component
BIN_bosh = waft-bosh
BIN_cli = waft
LIBS_component = $(STROPHE_LIBS)
# A program is there once its folder has a main.c.
HAVE = $(foreach p,$(PROGRAMS),$(if $(wildcard $(p)/main.c),$(p)))
BINS = $(foreach p,$(HAVE),$(B)/bin/$(BIN_$(p)))
UNIT = $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all clean distclean tests unit check check-asan mutate crash rules fuzz \
	fuzz-programs fresh deps demo bench format format-check lint layers install asan

all: $(BINS)

configure: configure.ac
	@command -v autoconf >/dev/null || sh packaging/deps build
	autoheader
	autoconf
config.mk: configure config.mk.in
	@sh packaging/deps build
	./configure $(CONFIGURE_FLAGS)

$(B)/obj/%.o: %.c config.mk
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/libwaft.a: $(call obj,$(COMMON))
	@rm -f $@
	$(AR) rcs $@ $^

# SQL that the program runs is compiled in.
$(B)/gen/schema.h: $(wildcard schema/sqlite/*.sql) schema/embed.sh
	@mkdir -p $(@D)
	sh schema/embed.sh schema/sqlite > $@
$(call obj,$(wildcard common/store/*.c)): $(B)/gen/schema.h

define program
$(B)/lib$(1).a: $(call obj,$(filter-out $(1)/main.c,$(wildcard $(1)/*.c)))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
$(B)/bin/$(BIN_$(1)): $(B)/obj/$(1)/main.o $(B)/lib$(1).a $(B)/libwaft.a
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS_$(1)) $$(DEPS_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(B)/tests/%: $(B)/obj/tests/unit/%.o \
    $(foreach p,$(PROGRAMS),$(B)/lib$(p).a) $(B)/libwaft.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(STROPHE_LIBS) -lcmocka $(DEPS_LIBS)

# ---- tests ---------------------------------------------------------------

# Programs of tests/crash have a main of their own.
CRASH = $(patsubst tests/crash/%.c,$(B)/tests/%,$(wildcard tests/crash/*.c))
$(CRASH): $(B)/tests/%: $(B)/obj/tests/crash/%.o $(B)/libwaft.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS)

# Mutated requests against waft-bosh; all of the folder is one program.
MUTATE = $(B)/tests/mutate
$(MUTATE): $(call obj,$(wildcard tests/mutate/*.c)) $(B)/libwaft.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS)

tests: all $(UNIT) $(CRASH) $(MUTATE)

# Clients of others from npm, as tests/browser/package-lock.json pins them: one
# copy for all builds.
CLIENTS = build/npm/node_modules/.package-lock.json
$(CLIENTS): tests/browser/package-lock.json
	@mkdir -p build/npm
	cp tests/browser/package.json tests/browser/package-lock.json build/npm
	cd build/npm && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Unit tests alone; `make check` runs everything.
unit: tests
	@/usr/bin/python3 tests/check.py $(B) unit

check:
	@sh packaging/deps test demo
	@$(MAKE) --no-print-directory tests $(DEMO) $(CLIENTS)
	@/usr/bin/python3 tests/check.py $(B)

# What the last run here proved, rule by rule.
rules:
	@test -f $(B)/results || $(MAKE) --no-print-directory check
	@/usr/bin/python3 tests/rules.py $(B)/results

# Everything again with the address and undefined-behaviour sanitizers, in a
# build directory of its own.
ASAN = B=build-asan CFLAGS="-O1 -g -fno-omit-frame-pointer" HARDEN=-fPIE \
	SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
asan:
	$(MAKE) $(ASAN) tests
check-asan:
	@sh packaging/deps test demo
	@$(MAKE) --no-print-directory $(CLIENTS)
	@$(MAKE) --no-print-directory $(ASAN) tests
	@/usr/bin/python3 tests/check.py build-asan unit stress mutate wire interop

# A million mutated requests against waft-bosh with the sanitizers; the gate
# makes fewer.
MUTATE_REQUESTS ?= 1000000
mutate:
	@$(MAKE) --no-print-directory $(ASAN) build-asan/bin/waft-bosh \
	    build-asan/tests/mutate
	@MUTATE_REQUESTS=$(MUTATE_REQUESTS) /usr/bin/python3 tests/check.py \
	    build-asan mutate

# Kills and stops of waft-component, Prosody and ejabberd, and of one waft-component
# that another stands by for, CRASH_ROUNDS for each of the two servers; `make check`
# makes a few.  Takes ten minutes.
CRASH_ROUNDS ?= 50
crash: tests
	@CRASH_ROUNDS=$(CRASH_ROUNDS) WAFT_BUILD=$(B) /usr/bin/python3 -m pytest \
	    -q -s -p no:cacheprovider tests/interop/test_component_crash.py \
	    tests/interop/test_component_standby.py

# Every parser under libFuzzer, FUZZ_SECONDS each (FUZZ_OTHERS those that are not
# the gateway's); what it finds new stays in build-fuzz/corpus, a crash in
# build-fuzz.  Needs clang.
FUZZ_SECONDS ?= 60
FUZZ_OTHERS ?= $(FUZZ_SECONDS)
FUZZ = $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o \
    $(foreach p,$(PROGRAMS),$(B)/lib$(p).a) $(B)/libwaft.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(STROPHE_LIBS) $(DEPS_LIBS)
fuzz-programs: $(FUZZ)
fuzz:
	@sh packaging/deps fuzz
	@$(MAKE) --no-print-directory B=build-fuzz CC=clang HARDEN=-fPIE \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	    SANITIZE="-fsanitize=fuzzer-no-link,address,undefined" fuzz-programs
	@sh tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS) $(FUZZ_OTHERS)

# A minimal Debian 12, this commit inside it, the README's commands.
fresh:
	sh tests/fresh.sh

SOURCES = $(shell git ls-files '*.c' '*.h')
format:
	clang-format -i $(SOURCES)
format-check:
	@clang-format --dry-run -Werror $(SOURCES)
layers:
	sh tests/layers.sh
# .clang-tidy says which checks.
lint: $(B)/gen/schema.h
	git ls-files 'common/*.c' 'component/*.c' 'bosh/*.c' 'cli/*.c' | \
	    xargs -P 2 -I F clang-tidy --quiet F \
	    -- -std=c11 -D_GNU_SOURCE -I. -I$(B)/gen $(DEPS_CFLAGS)

# ---- installing ----------------------------------------------------------

install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(datadir)/doc/waft/examples
	install -m 755 $(BINS) $(DESTDIR)$(bindir)
	install -m 644 README.md docs/*.md docs/waft.conf.example \
	    $(DESTDIR)$(datadir)/doc/waft
	install -m 644 docs/examples/* $(DESTDIR)$(datadir)/doc/waft/examples

deps:
	sh packaging/deps

# ---- the demo ----------------------------------------------------------

# strophe.js from npm, as web/package-lock.json pins it.
web/node_modules/.package-lock.json: web/package-lock.json
	@sh packaging/deps demo
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
$(B)/demo/strophe.js: web/node_modules/.package-lock.json
	@mkdir -p $(@D)
	cp web/node_modules/strophe.js/dist/strophe.umd.min.js $@
$(B)/demo/%: web/demo/%
	@mkdir -p $(@D)
	cp $< $@
DEMO = $(B)/demo/strophe.js $(patsubst web/demo/%,$(B)/demo/%,$(wildcard web/demo/*))

demo: all $(DEMO)
	@sh packaging/deps demo
	@exec /usr/bin/python3 demo/demo.py $(B)

# ---- the bench -----------------------------------------------------------

# Needs nothing of waft's own: it is built alone.
LOAD = $(B)/bench/load
$(LOAD): $(call obj,$(wildcard bench/*.c))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

# make bench BENCH="--quick --only bosh": see docs/bench.md.
bench: all $(LOAD)
	@sh packaging/deps bench
	@exec /usr/bin/python3 bench/bench.py $(B) $(BENCH)

clean:
	rm -rf build build-asan build-fuzz
distclean: clean
	rm -rf autom4te.cache configure config.h config.h.in config.log \
	    config.mk config.status

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
