# Bare `make` prints this list. LE_HOME and LE_KEY_FILE may be set to work on another home.

export LE_HOME ?= $(CURDIR)/le_home
export DAGSTER_HOME = $(LE_HOME)/dagster
export DO_NOT_TRACK = 1

# the first interpreter of 3.11 or newer
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run ui view test lint bench samples lock clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: .venv/.run $(LE_HOME)/landing ## bring what has landed through the whole line and print the headline figures
	@$(BIN)/python -m assets

ui: .venv/.run $(LE_HOME)/landing ## serve Dagster on http://127.0.0.1:3000 with the same home, schedule and sensor included
	@$(BIN)/python -m assets prepare
	$(BIN)/dagster dev --workspace workspace.yaml --host 127.0.0.1 --port 3000

view: .venv/.run $(LE_HOME)/landing ## serve Dagster read-only on http://127.0.0.1:3001, for viewers (SECURITY.md)
	@$(BIN)/python -m assets prepare
	$(BIN)/dagster-webserver --read-only --workspace workspace.yaml --host 127.0.0.1 --port 3001

test: lint ## lint, types, import contracts and every test
	$(BIN)/pytest -n auto --dist loadfile

lint: .venv/.test ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.test ## time the line on data of its real size, and check its answers; PART=estimator runs one part
	PYTHONPATH=tests:data_samples $(BIN)/python -m bench $(PART)

samples: .venv/.test ## write data_samples/ anew from its seed
	$(BIN)/python data_samples/generate.py

lock: ## renew both locks (needs uv)
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate --extra build \
		pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate --extra build \
		--group dev pyproject.toml --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove .venv and caches; LE_HOME stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# a home that is new starts with the samples, and with the rights that `le init` gives (SECURITY.md); what is there is never touched
$(LE_HOME)/landing:
	@test -d $(LE_HOME) || mkdir -p -m 711 $(LE_HOME)
	@cp -R data_samples/landing $(LE_HOME)/.landing && chmod 700 $(LE_HOME)/.landing && mv $(LE_HOME)/.landing $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with make PYTHON=/path/to/python3"; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { echo "the venv module is missing; on Debian: apt install python3-venv"; rm -rf .venv; exit 1; }

.venv/.run: .venv/bin/python requirements.lock pyproject.toml
	@echo "installing from requirements.lock (a minute or two, once)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.test: .venv/.run requirements-dev.lock
	@echo "installing the tools for tests from requirements-dev.lock"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
