# The front door; the building is done by Meson (meson.build). `make help` lists the targets.
BUILD  ?= build
PREFIX ?= /usr/local
MESON  ?= meson
DESTDIR ?=

.DEFAULT_GOAL := build
.PHONY: help deps demo test build build-all clean install uninstall run test-coverage lint bench sanitize fuzz simulate faults soak docker-build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

deps: ## install what building and testing need
	@scripts/install-deps build test

$(BUILD)/build.ninja:
	@$(MESON) setup $(BUILD) --buildtype=debugoptimized >/dev/null || { $(MESON) setup $(BUILD); exit 1; }

build: $(BUILD)/build.ninja ## build/memory-connector
	@$(MESON) compile -C $(BUILD) memory-connector >/dev/null || ninja -C $(BUILD) memory-connector
	@echo "built $(BUILD)/memory-connector"

build-all: $(BUILD)/build.ninja ## the program, the fake servers, tests and benchmarks
	@ninja --quiet -C $(BUILD)

demo: deps ## memories into a real LightRAG server, and a question answered from them
	@$(MAKE) --no-print-directory build-all
	@scripts/demo $(BUILD)

test: deps ## the quick suite: unit tests, then the program against fake servers
	@$(MAKE) --no-print-directory build-all
	@$(MESON) test -C $(BUILD) --no-rebuild --print-errorlogs

run: build ## run the program: make run ARGS="sync --help"
	@$(BUILD)/memory-connector $(ARGS)

clean: ## remove what was built
	@rm -rf build build-*

SHARE = $(DESTDIR)$(PREFIX)/share
BASH_COMPLETION = $(SHARE)/bash-completion/completions/memory-connector
ZSH_COMPLETION = $(SHARE)/zsh/site-functions/_memory-connector
FISH_COMPLETION = $(SHARE)/fish/vendor_completions.d/memory-connector.fish

install: build ## into PREFIX (/usr/local), with manual pages and completions
	@ninja --quiet -C $(BUILD) memory-connector.1 memory-connector.yaml.5
	@for shell in bash zsh fish; do $(BUILD)/memory-connector completion $$shell >$(BUILD)/completion.$$shell || exit 1; done
	@install -d "$(DESTDIR)$(PREFIX)/bin" "$(SHARE)/man/man1" "$(SHARE)/man/man5" "$(SHARE)/bash-completion/completions" \
	    "$(SHARE)/zsh/site-functions" "$(SHARE)/fish/vendor_completions.d"
	@install -m 0755 $(BUILD)/memory-connector "$(DESTDIR)$(PREFIX)/bin/memory-connector"
	@install -m 0644 $(BUILD)/memory-connector.1 "$(SHARE)/man/man1/memory-connector.1"
	@install -m 0644 $(BUILD)/memory-connector.yaml.5 "$(SHARE)/man/man5/memory-connector.yaml.5"
	@install -m 0644 $(BUILD)/completion.bash "$(BASH_COMPLETION)"
	@install -m 0644 $(BUILD)/completion.zsh "$(ZSH_COMPLETION)"
	@install -m 0644 $(BUILD)/completion.fish "$(FISH_COMPLETION)"

uninstall: ## remove it again
	@rm -f "$(DESTDIR)$(PREFIX)/bin/memory-connector" "$(SHARE)/man/man1/memory-connector.1" "$(SHARE)/man/man5/memory-connector.yaml.5" \
	    "$(BASH_COMPLETION)" "$(ZSH_COMPLETION)" "$(FISH_COMPLETION)"

sanitize: ## the suite under ASan+UBSan and under TSan
	@tests/sanitize asan
	@tests/sanitize tsan

test-coverage: ## line and branch coverage of src/
	@tests/coverage

lint: ## banned functions, folder rules, cppcheck
	@scripts/lint

bench: build-all ## CPU, rate and memory against a floor: make bench MEMORIES="10000 1000000"; never pass/fail
	@tests/bench/run $(ARGS) $(BUILD) $(MEMORIES)

fuzz: ## every fuzz target for SECONDS (60)
	@tests/fuzz/run $${SECONDS_EACH:-60}

simulate: build-all ## SEEDS (200) simulated weeks of faults over the loop that ships
	@$(BUILD)/tests/sim/simulate --seeds $${SEEDS:-200}

faults: build-all ## broken connections, disks, memory and limits, on the real binary
	@tests/fault/run $(BUILD)

soak: build-all ## the long crash tests, and 10,000 simulated weeks
	@$(BUILD)/tests/sim/simulate --seeds $${SEEDS:-10000} --shrink
	@MC_FAULTS=all tests/fault/run $(BUILD)
	@MC_CRASHES=200 MC_SOAK=1 MC_REAL_LIGHTRAG=1 MEMORY_CONNECTOR_BINARY=$(BUILD)/memory-connector MC_FAKES=$(BUILD)/tests/mc-fakes python3 -m pytest -q tests/crash

docker-build: ## an image by docker or buildah
	@scripts/docker-build
