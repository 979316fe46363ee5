# What people type. `make` lists it; nothing outside this folder is changed.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SIZE ?= 100MB
EVERY ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test test-wide faults audit lint format perf report docs ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.for-users ## set up, generate OdibiEats (SIZE=100MB) and run it from raw files to gold tables
	@$(BIN)/odibi demo demo --size $(SIZE)

test: $(VENV)/.for-developers ## set up and run the tests
	@$(BIN)/pytest -n auto -m "not wide" -o faulthandler_timeout=300

test-wide: $(VENV)/.for-developers ## the slow tests that CI runs after the others
	@$(BIN)/pytest -n auto -m wide -o faulthandler_timeout=600; code=$$?; test $$code -eq 5 && echo "no test is marked wide" || exit $$code

faults: $(VENV)/.for-developers ## kill, fill, break and flood real runs, and print what survived (EVERY=1: kill at each place)
	@$(BIN)/python -m tests.faults --every $(EVERY)

lint: $(VENV)/.for-developers ## ruff, strict mypy and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: $(VENV)/.for-developers ## ask PyPI for known vulnerabilities of what is installed
	@$(BIN)/pip check
	@test -x $(VENV)/audit/bin/pip-audit || { $(BIN)/python -m venv $(VENV)/audit && $(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	@$(VENV)/audit/bin/pip-audit --strict --skip-editable --path $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

format: $(VENV)/.for-developers ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

perf: $(VENV)/.for-developers ## measure the framework's overhead, as ratios of CPU seconds
	@$(BIN)/python perf/startup.py
	@$(BIN)/python perf/history.py
	@$(BIN)/python perf/layout.py
	@$(BIN)/python perf/top_start.py
	@$(BIN)/python perf/top.py
	@$(BIN)/python perf/top_logs.py
	@$(BIN)/python perf/overhead.py
	@$(BIN)/python perf/simulation.py
	@$(BIN)/python perf/engines.py
	@$(BIN)/python perf/reference.py --size $(SIZE)

report: $(VENV)/.for-developers ## OdibiEats on each engine, measured: perf/REPORT.md (FULL=1: up to 10 GB, for an hour or more)
	@$(BIN)/python perf/report.py $(if $(FULL),--full)

docs: $(VENV)/.for-developers ## write the generated pages of docs/ anew
	@$(BIN)/python docs/make_reference.py

ci: ## what CI does, in a fresh clone of HEAD
	@clone=$$(mktemp -d) && trap 'rm -rf "$$clone"' EXIT && \
		git clone --quiet . "$$clone/odibi" && "$$clone/odibi/.ci/run"

clean: ## remove the virtual environment, caches and the demo
	rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "odibi needs Python 3.11 or newer and found none; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) can't make virtual environments (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }

$(VENV)/.for-users: pyproject.toml | $(BIN)/python
	@echo "Installing odibi into $(VENV) (once, about a minute) …"
	@$(PIP) -e '.[all]'
	@touch $@

$(VENV)/.for-developers: pyproject.toml | $(BIN)/python
	@echo "Installing odibi and its development tools into $(VENV) (once, about a minute) …"
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.for-users $@
