# waft.  `make` builds into build/; see README.md for the rest.
#
# Every .c of a folder is built; a new file needs no line here.  B is the build
# directory, so that the sanitizer build stands beside the ordinary one.

B ?= build
-include config.mk

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
.PHONY: all clean distclean unit deps demo format format-check lint layers install asan

ifeq ($(wildcard config.mk),)
all unit install asan lint demo check $(B)/bin/%: config.mk
	$(MAKE) $@
else
all: $(BINS)
endif

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
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(STROPHE_LIBS) $(CMOCKA_LIBS) $(DEPS_LIBS)

# Unit tests alone; `make check` runs everything.
unit: $(UNIT)
	@status=0; for t in $(UNIT); do $$t || status=1; done; exit $$status

asan:
	$(MAKE) B=build-asan CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined" \
	    HARDEN=-fPIE all

SOURCES = $(shell git ls-files '*.c' '*.h')
format:
	clang-format -i $(SOURCES)
format-check:
	clang-format --dry-run -Werror $(SOURCES)
layers:
	sh tests/layers.sh

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

clean:
	rm -rf build build-asan
distclean: clean
	rm -rf autom4te.cache configure config.h config.h.in config.log \
	    config.mk config.status

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
