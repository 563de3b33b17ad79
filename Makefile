# Everything a person or a build machine does here. Nothing has to be installed by hand but make, git and Python 3.11.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
PROVINCES ?= 44,33,41
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed.stamp
BENCH_STAMP := $(VENV)/bench.stamp
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
UV := .jiexu/tools/uv

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-15s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(STAMP) ## Make .venv with what requirements/test.lock says; does nothing when it is there

# The venv is made anew when its Python has gone away, as after an upgrade of the machine.
$(STAMP): requirements/test.lock requirements/runtime.in pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is missing; install Python 3.11 or later: sudo apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), and 3.11 or later is needed; name another one: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@if ! $(BIN)/python -c 'import pip' 2> /dev/null; then \
	    if ! $(PYTHON) -c 'import ensurepip, venv' 2> /dev/null; then \
	        if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	            echo "installing python3-venv with apt-get"; \
	            export DEBIAN_FRONTEND=noninteractive; \
	            { apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv; } > /dev/null; \
	        else \
	            echo "Python's modules venv and ensurepip are missing; install them: sudo apt-get install python3-venv"; exit 1; \
	        fi; \
	    fi; \
	    echo "making $(VENV) with $$($(PYTHON) --version)"; \
	    $(PYTHON) -m venv --clear $(VENV); \
	fi
	@echo "installing the packages of requirements/test.lock (a minute or two, once)"
	@$(PIP) install --progress-bar off --require-hashes -r requirements/test.lock
	@$(PIP) install --progress-bar off --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: setup ## Show a transfer from beginning to end on real servers; STACK=compose: in containers
	@$(BIN)/jiexu demo $(ARGS)

.PHONY: test
test: check ## Check, then run all tests on real servers
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: bench
bench: setup $(BENCH_STAMP) ## Measure speed and cost beside a bare saga; FULL=1: 100,000 cases, a million accounts; DOCS=1 writes docs/bench.md
	@$(BIN)/python -m tests.bench $(if $(FULL),--full) $(if $(DOCS),--docs) $(ARGS)

$(BENCH_STAMP): requirements/bench.lock $(STAMP)
	@echo "installing the packages of requirements/bench.lock, which draw the curves"
	@$(PIP) install --progress-bar off --require-hashes -r requirements/bench.lock
	@touch $@

.PHONY: simulate
simulate: setup ## Run seeded worlds full of faults and audit each: SEEDS=n, SEED=first
	@$(BIN)/python -m tests.simulation.run --first $(or $(SEED),1) --seeds $(or $(SEEDS),$(if $(SEED),1,200))

.PHONY: up
up: setup ## Bring up Kafka, PostgreSQL and all services (PROVINCES=44,33,41) on this machine
	@$(BIN)/jiexu up --provinces $(PROVINCES)

.PHONY: down
down: setup ## Stop them and keep the data
	@$(BIN)/jiexu down

.PHONY: compose-secrets
compose-secrets: setup ## Make what `docker compose up --wait` needs: secrets and the signed directory, in .jiexu/compose
	@$(BIN)/python -m deploy.compose.home

.PHONY: compose-check
compose-check: setup ## Bring the containers up, look inside each, kill one, and take them down; needs Docker
	@$(BIN)/python -m deploy.compose.check

.PHONY: check
check: setup ## Style, types and who imports whom
	@echo "checking style"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "some files are not formatted; run: $(BIN)/ruff format ."; exit 1; }
	@echo "checking types"
	@$(BIN)/mypy --no-error-summary
	@echo "checking imports"
	@told=$$($(BIN)/lint-imports 2>&1) || { echo "$$told"; exit 1; }
	@echo "checking contracts"
	@$(BIN)/python -m contracts.generate --check
	@$(BIN)/python -m services.cli.openapi --check
	@$(BIN)/python -m services.cli.verbs --check
	@$(BIN)/python -m services.cli.scenario.schema --check

.PHONY: contracts
contracts: setup ## Generate schemas, AsyncAPI, OpenAPI and the table of verbs
	@$(BIN)/python -m contracts.generate
	@$(BIN)/python -m services.cli.openapi
	@$(BIN)/python -m services.cli.verbs
	@$(BIN)/python -m services.cli.scenario.schema

.PHONY: lock
lock: $(UV)/bin/uv ## Compile requirements/*.in to *.lock again; with UPGRADE=1 to newer versions
	@compile() { \
	    echo "compiling requirements/$$1.lock"; \
	    $(UV)/bin/uv pip compile --quiet --no-header --generate-hashes --python-version 3.11 $(if $(UPGRADE),--upgrade) \
	        --output-file "requirements/$$1.lock" "requirements/$$1.in" "$${@:2}"; \
	}; \
	compile runtime; \
	compile test; \
	compile native --constraints requirements/test.lock; \
	compile bench --constraints requirements/test.lock  # these two go into the same environment

$(UV)/bin/uv: | setup
	@echo "installing uv, which compiles lock files"
	@$(PYTHON) -m venv --clear $(UV)
	@$(UV)/bin/python -m pip --quiet --disable-pip-version-check install --progress-bar off uv
