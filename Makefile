# Every command of the project. `make` alone lists them.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
BENCH ?= exchange
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --quiet

.PHONY: help venv lock upgrade check lint types imports test demo tck bench soak fuzz requirements audit clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | awk -F '\t' '{ printf "  make %-8s %s\n", $$1, $$2 }'

venv: $(STAMP) ## create .venv with the locked packages and the project itself

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ashiato needs Python 3.11 or newer; set PYTHON=python3.x")'
	@echo "venv     installing the locked packages (a minute or two the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: $(STAMP) ## write both lock files again after a change in pyproject.toml
	@$(UV_COMPILE) --output-file requirements.lock
	@$(UV_COMPILE) --group dev --constraints requirements.lock --output-file requirements-dev.lock
	@echo "lock     requirements.lock and requirements-dev.lock written"

upgrade: $(STAMP) ## lock the newest versions that fit together
	@$(UV_COMPILE) --upgrade --output-file requirements.lock
	@$(UV_COMPILE) --upgrade --group dev --constraints requirements.lock --output-file requirements-dev.lock
	@echo "upgrade  requirements.lock and requirements-dev.lock written"

check: lint types imports test ## everything that must hold before a commit

lint: $(STAMP)
	@echo "lint     ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "run '$(BIN)/ruff format .'"; exit 1; }

types: $(STAMP)
	@echo "types    mypy --strict"
	@$(BIN)/mypy --strict --no-error-summary src tests bench

imports: $(STAMP)
	@echo "imports  the staircase"
	@report=$$($(BIN)/lint-imports --no-logo --config .importlinter) || { echo "$$report"; exit 1; }

test: $(STAMP)
	@echo "test     pytest on $(WORKERS) workers"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal || { [ $$? = 1 ] && echo "test     what failed, once more and alone" \
		&& $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --maxfail=1; }

demo: $(STAMP) ## two companies, one contract, real data: the main job from start to end
	@$(BIN)/ashiato demo --once

tck: $(STAMP) ## the official Dataspace Protocol kit against our server (needs Java 17 and Maven)
	@$(BIN)/python tests/tck/run.py

bench: $(STAMP) ## measure and print one JSON line: make bench BENCH=exchange|tenants|policy|rollup|lca|inversion|catalog|ledger|billing
	@$(BIN)/python bench/run.py $(BENCH)

soak: $(STAMP) ## the long crash and load runs
	@$(BIN)/python -m pytest -m soak -s -o faulthandler_timeout=3600

fuzz: $(STAMP) ## the long input searches
	@$(BIN)/python -m pytest -m fuzz

requirements: $(STAMP) ## write docs/requirements.md again after a change in tests/requirements/rows.toml
	@$(BIN)/python tests/requirements/matrix.py

audit: $(STAMP) ## known vulnerabilities in the locked run-time packages
	@$(BIN)/pip-audit --requirement requirements.lock --require-hashes --disable-pip --strict --progress-spinner off

clean: ## remove .venv, caches and build output
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
