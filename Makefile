# Martlet's commands. `make` lists them.
#
# Python programs (clients of other makers, for the compatibility tests) live in .venv, made by `make install`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Overlapping access to a variable is looked for in debug builds and in all tests (Docs/decisions/0005).
RELEASE := --configuration release --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked
BINARY := .build/release/martlet
SEEDS ?= 1000
# The first seed of `make simulate`; another each time, and printed.
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d " ")
FUZZ_SECONDS ?= 60

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: ## Install what is missing: Debian packages and the clients for the tests (asks for root rights)
	@Tools/scripts/install

.PHONY: build
build: ## Build the program: .build/release/martlet
	@swift build $(RELEASE) --product martlet

.PHONY: run
run: install build ## Install, build, and start one broker on 127.0.0.1:9092 with its data in ./data
	@exec $(BINARY) broker

.PHONY: cluster
cluster: install build ## Install, build, and start three brokers on 127.0.0.1:9092, 9192 and 9292, data in ./data-cluster
	@exec Tools/scripts/cluster

.PHONY: test
test: ## Run all tests but the long ones
	@Tools/scripts/test

.PHONY: check
check: ## Run the tests in full counts
	@MARTLET_FULL=1 Tools/scripts/test

.PHONY: mutants
mutants: ## Take each rule of Tests/Mutations away and expect a failing seed
	@Tools/scripts/mutants

.PHONY: bench
bench: ## Measure the broker beside a floor program in C
	@Tools/scripts/bench
	@Tools/scripts/bench-storage
	@Tools/scripts/bench-groups
	@Tools/scripts/bench-cluster

.PHONY: simulate
simulate: ## Run SEEDS simulated worlds from SEED on, ONLY=kind those of one kind; TRACE=1 prints every event
	@swift build --configuration release --product simulate
	@.build/release/simulate --seeds $(SEEDS) --from $(SEED) --rate --revision "$$(git describe --always --dirty)" $(if $(TRACE),--trace) $(if $(ONLY),--only $(ONLY))

.PHONY: fuzz
fuzz: ## Fuzz decoders and parsers, FUZZ_SECONDS seconds each
	@FUZZ_SECONDS=$(FUZZ_SECONDS) Tools/scripts/fuzz

.PHONY: format
format: ## Format the sources
	@swift format --in-place --parallel --recursive Sources Tests Tools Package.swift
