# `make` alone lists what there is. Everything CI does is here; CI runs the same lines.

.DEFAULT_GOAL := help
SHELL := /bin/sh
CARGO ?= cargo
IMAGE ?= weir:dev
FUZZ_SECONDS ?= 60
ROUNDS ?= 20
FULL_MIB ?= 1

.PHONY: help
help: ## this list
	@echo 'weir: make TARGET, where TARGET is'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install the C linker Rust needs, where it is missing
	@.ci/setup linker

.PHONY: build
build: setup ## the release binary, target/release/weir
	$(CARGO) build --release

.PHONY: run
run: build ## what weir does, shown on an ingress-nginx example; then the gate until Ctrl-C
	@# On a terminal the demonstration is a job of its own: Ctrl-C ends it, and make goes on to its end.
	@if [ -t 0 ] && [ -t 1 ]; then bash -mc '$(CARGO) run --quiet --release --example demo'; \
	else $(CARGO) run --quiet --release --example demo; fi

.PHONY: servers
servers: ## Prometheus, promtool, Pushgateway and node_exporter for the tests, in target/servers
	@.ci/setup servers

.PHONY: test
test: setup servers ## every test: unit, integration (with real servers), documentation
	$(CARGO) test --workspace

.PHONY: kill9-push
kill9-push: setup ## weir killed again and again while clients push: nothing acknowledged is lost
	WEIR_KILL9_ROUNDS=$${WEIR_KILL9_ROUNDS:-50} $(CARGO) test --test it -- push::durable::what_was_acknowledged

.PHONY: fmt
fmt: ## lay out all code
	$(CARGO) fmt --all

.PHONY: lint
lint: setup ## clippy, warnings refused
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: doc
doc: setup ## the library's documentation, warnings refused
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --document-private-items

.PHONY: deny
deny: ## licences, sources and bans of the dependencies (needs cargo-deny)
	@.ci/deny

.PHONY: check
check: ## everything CI checks, cheapest first, stopping at the first failure
	@CI=$${CI:-false} bash .ci/run

.PHONY: bench
bench: setup ## criterion benches, one file a stage
	$(CARGO) bench --workspace

.PHONY: bench-e2e
bench-e2e: build ## gate against plain download: ratios and memory, written to benches/results
	$(CARGO) bench --bench end_to_end --bench fan_in

.PHONY: bench-proxy
bench-proxy: build ## remote write through weir: CPU, memory and waits, written to benches/results
	$(CARGO) bench --bench proxy

.PHONY: kill9
kill9: setup ## ROUNDS of senders, kill -9 and restart: nothing acknowledged may be lost
	$(CARGO) build --quiet --release --bin weir --example kill9
	target/release/examples/kill9 $(ROUNDS)

.PHONY: faults
faults: setup ## disks that fail and disks that are full: nothing acknowledged may be lost (Linux; root for the second)
	@echo '1. The queue on a disk in memory. Each call to it fails once, in five ways, and power is cut there;'
	@echo '   each byte is flipped, each length cut. What was synced must come out again.'
	$(CARGO) test --test it -- buffer::
	@echo
	@echo '2. weir itself, killed again and again on a disk of $(FULL_MIB) MiB (tmpfs) that is full most of the time.'
	$(CARGO) build --quiet --release --bin weir --example kill9
	@if unshare -m true 2>/dev/null; then mkdir -p target/full && unshare -m sh -ec ' \
	  mount -t tmpfs -o size=$(FULL_MIB)m tmpfs target/full && \
	  TMPDIR=$$PWD/target/full target/release/examples/kill9 --full-disk $(ROUNDS)'; \
	else echo 'skipped: a small disk can be mounted by root only'; fi

.PHONY: bench-push
bench-push: build ## pushes to weir and lints of large pages: times and memory, written to benches/results
	$(CARGO) bench --bench push_end_to_end

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZ_SECONDS (needs nightly Rust and cargo-fuzz)
	@for target in $$(cd fuzz && cargo +nightly fuzz list); do \
	  (cd fuzz && cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS)) || exit 1; done

.PHONY: docker
docker: ## the image, as weir:dev (needs a Docker engine)
	docker build -t $(IMAGE) --build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1) \
	  --build-arg REVISION=$$(git rev-parse HEAD) .

.PHONY: chart
chart: ## lint and render the Helm chart (skipped where helm is absent)
	@PATH="$(CURDIR)/target/servers:$$PATH"; if command -v helm >/dev/null; then \
	helm lint --strict charts/weir && helm template weir charts/weir --kube-version 1.34.0 >/dev/null; \
	else echo 'skipped: no helm, so charts/weir was not rendered'; fi

.PHONY: ci
ci: ## the same as CI runs it: a test that has to be skipped fails
	@bash .ci/run
