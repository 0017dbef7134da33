# cairn's build. `make help` says what to type; CONTRIBUTING.md what the four builds are for.
#
# Sources are found by wildcard, one folder a layer. The release library is compiled as one unit, src/all.c, which is
# smaller and faster; the other builds file by file. UNITY=0 or 1 chooses, and both are built by `make test`.

VERSION := 0.1.0
SOVERSION := 0

BUILD ?= release
CROSS ?=
ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
ifeq ($(origin CXX),default)
CXX := $(subst clang,clang++,$(subst gcc,g++,$(CC)))
endif
ifeq ($(origin AR),default)
AR := $(CROSS)ar
endif

# ---- The builds: release is shipped; debug checks everything; asan and tsan are other people's eyes; fuzz is asan with
#      libFuzzer's coverage (clang only, made by `make fuzz`). Under the sanitizers malloc stays theirs: only cairn_ names.
#      Release: less inlining than gcc does by itself; what is hot is inline anyway, and text is resident (src/all.c).
FLAGS_release := -O2 -g -DCAIRN_DEBUG=0 -DCAIRN_FAULTS_BUILT=0 -DCAIRN_INTERPOSE=1 \
                 $(if $(findstring clang,$(CC)),,--param max-inline-insns-auto=11)
FLAGS_debug   := -Og -g -DCAIRN_DEBUG=2 -DCAIRN_FAULTS_BUILT=1 -DCAIRN_INTERPOSE=1
FLAGS_asan    := -O1 -g -DCAIRN_DEBUG=1 -DCAIRN_FAULTS_BUILT=1 -DCAIRN_INTERPOSE=0 -fno-omit-frame-pointer \
                 -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -g -DCAIRN_DEBUG=1 -DCAIRN_FAULTS_BUILT=1 -DCAIRN_INTERPOSE=0 -fsanitize=thread
FLAGS_fuzz    := $(FLAGS_asan) -fsanitize=fuzzer-no-link
ifndef FLAGS_$(BUILD)
$(error BUILD=$(BUILD) is not one of release debug asan tsan)
endif

O     ?= $(if $(filter release,$(BUILD)),build,build/$(BUILD))
UNITY ?= $(if $(filter release,$(BUILD)),1,0)

WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla $(if $(WERROR),-Werror)
COMMON := -std=gnu11 -D_GNU_SOURCE -DCAIRN_VERSION='"$(VERSION)"' -Iinclude -Isrc -pthread -fno-strict-aliasing \
          $(WARN) $(FLAGS_$(BUILD))
# -fexceptions: operator new throws through our frames. -fno-builtin-*: the compiler must not turn the inside of malloc
# into a call of calloc. initial-exec: thread-local data at a fixed distance, without a call that could allocate.
LIB_FLAGS := $(COMMON) -fPIC -fvisibility=hidden -fno-plt -ftls-model=initial-exec -fexceptions \
             -ffunction-sections -fdata-sections \
             -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -fno-builtin-memalign
# malloc, free and operator new are called by their public names and may be another library's: never -Bsymbolic.
# nodelete: blocks and threads may outlive a dlclose. noseparate-code: two mappings for four, 50 KiB less at start.
SO_FLAGS   = -shared -Wl,-soname,libcairn.so.$(SOVERSION) -Wl,-z,relro,-z,now,-z,nodelete,-z,initfirst,-z,noseparate-code \
             -Wl,-T,scripts/library.ld -Wl,--gc-sections -Wl,--as-needed -Wl,--hash-style=gnu -Wl,--exclude-libs,ALL $(DEFS_$(BUILD))
DEFS_release := -Wl,-z,defs
DEFS_debug   := -Wl,-z,defs
CLI_FLAGS := $(COMMON) -fvisibility=hidden

# operator new is a member of its own in libcairn.a, which only C++ programs pull and which is made for that. mmap is the
# shared library's alone, and comes last: its constructor may only run when malloc has been offered the environment.
# The lens is compiled apart and laid behind everything else (scripts/library.ld): who does not look has none of it resident.
LIB_SRC := $(if $(filter 1,$(UNITY)),src/all.c $(wildcard src/lens/*.c src/gc/*.c src/gc/*/*.c),$(filter-out %/cxx.c %/mapcalls.c,$(wildcard src/*/*.c src/*/*/*.c)))
LIB_OBJ := $(LIB_SRC:src/%.c=$(O)/obj/%.o)
SO_OBJ  := $(LIB_OBJ) $(O)/obj/malloc/cxx.o $(O)/obj/malloc/mapcalls.o
A_OBJ   := $(LIB_OBJ) $(O)/obj/malloc/cxx-linked.o
CLI_OBJ := $(patsubst cli/%.c,$(O)/obj/cli/%.o,$(wildcard cli/*.c))
LIBS    := $(O)/libcairn.so $(O)/libcairn.a

# One short line a file; V=1 shows the commands, -s nothing.
QUIET := $(if $(V),,@)
SAY    = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),@:,@printf '  %-5s %s\n' $(1) $@)

.PHONY: all lib help run
all: $(LIBS) $(O)/cairn
lib: $(LIBS)

help:
	@sed -n 's/^#: //p' Makefile

#: make                the command and the library, release: build/cairn build/libcairn.so build/libcairn.a
#: make run            sets up, builds, and runs the C compiler on cairn: what it allocated, what it held
#: make BUILD=debug    also asan, tsan: into build/<name>/; CC=clang-14 chooses the compiler, O=FOLDER the place
run:
	@scripts/setup build
	@$(MAKE) --no-print-directory all
	$(O)/cairn run -- cc -O2 -Isrc -Iinclude -c src/all.c -o /dev/null

# ---- Objects. Everything is made again when the compiler or a flag changes: $(O)/flags holds what was used last.
.SECONDARY:
.DELETE_ON_ERROR:
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(LIB_FLAGS) $(SO_FLAGS))' > $@.now; cmp -s $@.now $@ && rm $@.now || mv $@.now $@
FORCE:

$(O)/obj/%.o: src/%.c $(O)/flags
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(QUIET)$(CC) $(LIB_FLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(O)/obj/all.o: private CPPFLAGS := -DCAIRN_CXX_APART=1 -DCAIRN_LENS_APART=1 -DCAIRN_GC_APART=1
$(O)/obj/lens/%.o: src/lens/%.c $(O)/flags
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(QUIET)$(CC) $(LIB_FLAGS) $(if $(filter release,$(BUILD)),-Os) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
# Frame pointers, for the backtrace of who stops late (gc/laggard.c); tracing stops nowhere, and needs every register.
GC_FRAMES := -fno-omit-frame-pointer
$(O)/obj/gc/trace.o: GC_FRAMES :=
$(O)/obj/gc/%.o: src/gc/%.c $(O)/flags
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(QUIET)$(CC) $(LIB_FLAGS) $(GC_FRAMES) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(O)/obj/malloc/cxx-linked.o: src/malloc/cxx.c $(O)/flags
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(QUIET)$(CC) $(LIB_FLAGS) $(CFLAGS) -DCAIRN_CXX_LINKED=1 -MMD -MP -c $< -o $@
$(O)/obj/cli/%.o: cli/%.c $(O)/flags
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(QUIET)$(CC) $(CLI_FLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(O)/libcairn.a: $(A_OBJ)
	@rm -f $@
	$(call SAY,AR)
	$(QUIET)$(AR) crs $@ $^
$(O)/libcairn.so: $(SO_OBJ)
	$(call SAY,LINK)
	$(QUIET)$(CC) $(LIB_FLAGS) $(CFLAGS) $(SO_FLAGS) $(LDFLAGS) $^ -o $@
	@ln -sf libcairn.so $@.$(SOVERSION)
$(O)/cairn: $(CLI_OBJ) $(O)/libcairn.a
	$(call SAY,LINK)
	$(QUIET)$(CC) $(CLI_FLAGS) $(CFLAGS) $(LDFLAGS) $^ -o $@

# ---- Test programs. unit, model, stress and fuzz are linked with libcairn.a and may include src/ headers; gc too, and
#      does not: it is users' programs. death is the
#      outside world: plain programs, built without cairn, that meet it by LD_PRELOAD.
TEST_FLAGS := $(COMMON) -Itests
programs    = $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/$(1)/*.c))
UNIT      := $(call programs,unit)
MODEL     := $(call programs,model)
STRESS    := $(call programs,stress)
FUZZ      := $(call programs,fuzz)
GC        := $(call programs,gc)
DEATH     := $(call programs,death)
# Programs of managed heaps once more, with references of 4 bytes: all but what looks at words by itself.
COMPRESSED := $(addsuffix -compressed,$(O)/tests/model/gcgraph $(GC) \
              $(addprefix $(O)/tests/unit/test_,deaths tables hash semispace markcompact slide zeal sizing looks))
DEATH_CXX := $(patsubst tests/%.cc,$(O)/tests/%,$(wildcard tests/death/*.cc))

.PHONY: tests unit model gc-programs stress-programs death fuzz-programs
tests: unit model gc-programs stress-programs scheme $(if $(filter release debug,$(BUILD)),death)
unit: $(UNIT) $(filter $(O)/tests/unit/%,$(COMPRESSED))
model: $(MODEL) $(filter $(O)/tests/model/%,$(COMPRESSED))
stress-programs: $(STRESS)
gc-programs: $(GC) $(filter $(O)/tests/gc/%,$(COMPRESSED))
fuzz-programs: $(FUZZ)
death: $(DEATH) $(DEATH_CXX)

$(FUZZ): LINKED_WITH := -fsanitize=fuzzer
# A C program that calls operator new as the preloaded library has it.
$(O)/tests/unit/test_cxx: FIRST := $(O)/obj/malloc/cxx.o
$(O)/tests/unit/test_cxx: $(O)/obj/malloc/cxx.o
TEST_RULE = $(QUIET)$(CC) $(TEST_FLAGS) $(CFLAGS) -MMD -MP $< $(FIRST) $(O)/libcairn.a $(LDFLAGS) $(LINKED_WITH) -lm -o $@
$(UNIT) $(MODEL) $(STRESS) $(FUZZ) $(GC): $(O)/tests/%: tests/%.c $(O)/libcairn.a
	@mkdir -p $(@D)
	$(call SAY,TEST)
	$(TEST_RULE)
$(COMPRESSED): TEST_FLAGS += -DCAIRN_GC_COMPRESSED
$(COMPRESSED): $(O)/tests/%-compressed: tests/%.c $(O)/libcairn.a
	@mkdir -p $(@D)
	$(call SAY,TEST)
	$(TEST_RULE)
# What they do is wrong on purpose: no warnings (-w), and nothing may be optimised away. They may call what libc has not
# yet (free_sized). A line /* BUILD -rdynamic -ldl */ among the first eight adds options.
PLAIN_RULE = -D_GNU_SOURCE -O1 -g -Iinclude -Itests -pthread -fno-builtin -w -MMD -MP $< \
             -Wl,--unresolved-symbols=ignore-all \
             $$(sed -n '1,8s,^/\* BUILD \(.*\) \*/.*,\1,p' $<) -o $@
$(DEATH): $(O)/tests/%: tests/%.c
	@mkdir -p $(@D)
	$(call SAY,TEST)
	$(QUIET)$(CC) -std=gnu11 $(PLAIN_RULE)
$(DEATH_CXX): $(O)/tests/%: tests/%.cc
	@mkdir -p $(@D)
	$(call SAY,TEST)
	$(QUIET)$(CXX) -std=gnu++17 -fsized-deallocation $(PLAIN_RULE)

# ---- examples/scheme: one interpreter, under each memory manager that is there. Sanitizers know nothing of Boehm's stacks.
SCHEME := $(O)/examples/scheme-cairn $(O)/examples/scheme-malloc \
          $(if $(and $(wildcard /usr/include/gc.h),$(filter release debug,$(BUILD))),$(O)/examples/scheme-boehm)
SCHEME_SRC := $(wildcard examples/scheme/*.c)
.PHONY: scheme scheme-lines
#: make scheme         examples/scheme under each memory manager: build/examples/scheme-cairn, -malloc, -boehm
scheme: $(SCHEME)
#: make scheme-lines   how many of its lines are one memory manager's
scheme-lines:
	@examples/scheme/lines
$(O)/examples/prelude.h: examples/scheme/prelude.scm
	@mkdir -p $(@D)
	@sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&\\n"/' $< > $@
$(O)/examples/scheme-%: $(SCHEME_SRC) $(wildcard examples/scheme/*.h) include/cairn/gc.h $(O)/examples/prelude.h $(O)/libcairn.a
	$(call SAY,LINK)
	$(QUIET)$(CC) $(COMMON) $(CFLAGS) -I$(@D) -DUSE_$(shell echo $* | tr a-z A-Z) $(SCHEME_SRC) \
		$(if $(filter cairn,$*),$(O)/libcairn.a) $(LDFLAGS) $(if $(filter boehm,$*),-lgc) -lm -o $@

# ---- What runs them
.PHONY: test check check-house test-account test-programs stress test-gc test-mutants fuzz test-aarch64 bench bench-rss bench-gc bench-scheme clean
#: make test           sets up and runs everything that fits in 20 minutes; the last line counts what passed
test:
	@scripts/setup test
	@tests/support/test-all

#: make check          unit, model and death tests of one BUILD
check: lib unit model gc-programs death scheme
	@tests/support/run-tests --title "unit, $(BUILD)" $(UNIT) $(filter $(O)/tests/unit/%,$(COMPRESSED))
	@tests/support/run-tests --title "model, $(BUILD)" $(MODEL) $(filter $(O)/tests/model/%,$(COMPRESSED))
	@tests/support/run-tests --title "gc, $(BUILD)" $(GC) $(filter $(O)/tests/gc/%,$(COMPRESSED))
	@tests/support/run-tests --title "gc, Scheme, $(BUILD)" --args "$(O)" tests/gc/scheme
	@$(if $(filter 0,$(words $(filter release debug,$(BUILD)))),:,tests/support/run-tests --title "death, $(BUILD)" \
		--exec "tests/support/run-death $(O)/libcairn.so" $(DEATH) $(DEATH_CXX))

#: make check-house    layers, style, exported symbols: the figures of the house
check-house: lib
	@scripts/check-layers
	@scripts/check-style
	@scripts/check-exports $(O)/libcairn.so

#: make test-mutants   changes of src/gc that lose objects: each is caught by the check that tests/gc/run-mutants names
MUTANT_CHECKS := $(addprefix $(O)/tests/,unit/test_zeal unit/test_trace unit/test_deaths unit/test_tables unit/test_hash \
                 unit/test_semispace unit/test_markcompact unit/test_generational unit/test_cards unit/test_aging \
                 unit/test_remember unit/test_mixed unit/test_compressed unit/test_blocks gc/places)
test-mutants: $(MUTANT_CHECKS)
	@O='$(O)' CC='$(CC)' LIB_FLAGS='$(LIB_FLAGS) $(CFLAGS)' TEST_FLAGS='$(TEST_FLAGS) $(CFLAGS)' tests/gc/run-mutants

#: make test-account   cairn stat: sums against the kernel's, each line against programs that know it, liars; a minute
test-account:
	@scripts/setup test
	@$(MAKE) --no-print-directory -s all
	@tests/support/run-tests --title "account" --jobs 1 $$(find tests/account -maxdepth 1 -type f -perm -u+x | sort)

#: make test-programs  real programs on cairn, the slow ones too
test-programs:
	@scripts/setup test
	@$(MAKE) --no-print-directory -s all
	@tests/support/run-tests --title "programs" --seconds 3600 --jobs 1 \
		$$(find tests/programs -maxdepth 1 -type f -perm -u+x | sort)

#: make stress         SECONDS=3600, split over the builds, with faults injected; seeds are printed
#: make test-gc        SECONDS=1800: the graph oracle of managed heaps, split over collectors, zeal modes, mutators and builds
#: make fuzz           SECONDS=60 of the fuzz targets under ASan
SECONDS ?= $(if $(filter stress,$(MAKECMDGOALS)),3600,$(if $(filter test-gc,$(MAKECMDGOALS)),1800,60))
stress:
	@scripts/setup test
	@tests/support/run-stress $(SECONDS)
test-gc:
	@scripts/setup test
	@tests/support/run-gc $(SECONDS)
fuzz:
	@scripts/setup test
	@tests/support/run-fuzz $(SECONDS)

#: make test-aarch64   unit and model tests and a preloaded program, cross-built, under qemu
test-aarch64:
	@scripts/setup aarch64
	@tests/support/run-aarch64

#: make bench          time and memory beside six peers, 90 minutes, into docs/bench/; ROW=name one row, to the terminal
bench:
	@scripts/setup bench
	@$(MAKE) --no-print-directory -s all
	@O=$(O) bench/malloc/run $(if $(ROW),--row '$(ROW)')

#: make bench-rss      resident memory beside glibc, jemalloc, mimalloc and tcmalloc
bench-rss:
	@scripts/setup bench
	@$(MAKE) --no-print-directory -s all
	@bench/rss

#: make bench-gc       managed heaps beside malloc and free, Boehm's and other languages', 25 minutes; ROW=name one row
bench-gc:
	@O=$(O) scripts/setup bench
	@$(MAKE) --no-print-directory -s all
	@O=$(O) bench/gc/run $(if $(ROW),--row '$(ROW)')

#: make bench-scheme   examples/scheme beside itself on malloc and on Boehm's collector, 10 minutes, into docs/bench/
bench-scheme:
	@scripts/setup bench
	@$(MAKE) --no-print-directory -s all scheme
	@O=$(O) examples/scheme/bench

# ---- Install
PREFIX  ?= /usr/local
DESTDIR ?=
BIN     := $(DESTDIR)$(PREFIX)/bin
LIBDIR  := $(DESTDIR)$(PREFIX)/lib
INCLUDE := $(DESTDIR)$(PREFIX)/include/cairn
MAN     := $(DESTDIR)$(PREFIX)/share/man/man1
HEADERS := $(wildcard include/cairn/*.h include/cairn/*.hpp)

.PHONY: install uninstall
#: make install        PREFIX=/usr/local DESTDIR=; make uninstall takes the same two
install: all
	install -d "$(BIN)" "$(LIBDIR)/pkgconfig" "$(INCLUDE)" "$(MAN)"
	install -m 755 $(O)/cairn "$(BIN)/cairn"
	install -m 755 $(O)/libcairn.so "$(LIBDIR)/libcairn.so.$(VERSION)"
	ln -sf libcairn.so.$(VERSION) "$(LIBDIR)/libcairn.so.$(SOVERSION)"
	ln -sf libcairn.so.$(SOVERSION) "$(LIBDIR)/libcairn.so"
	install -m 644 $(O)/libcairn.a "$(LIBDIR)/libcairn.a"
	install -m 644 $(HEADERS) "$(INCLUDE)"
	install -m 644 docs/cairn.1 "$(MAN)/cairn.1"
	sed 's,@PREFIX@,$(PREFIX),; s,@VERSION@,$(VERSION),' cairn.pc.in > "$(LIBDIR)/pkgconfig/cairn.pc"
uninstall:
	rm -f "$(BIN)/cairn" "$(LIBDIR)/libcairn.a" "$(LIBDIR)/pkgconfig/cairn.pc" "$(MAN)/cairn.1"
	rm -f "$(LIBDIR)/libcairn.so" "$(LIBDIR)/libcairn.so.$(SOVERSION)" "$(LIBDIR)/libcairn.so.$(VERSION)"
	for header in $(notdir $(HEADERS)); do rm -f "$(INCLUDE)/$$header"; done
	-rmdir "$(INCLUDE)" 2>/dev/null || true

#: make clean          removes build/
clean:
	rm -rf build

-include $(shell find $(O)/obj $(O)/tests -name '*.d' 2>/dev/null)
