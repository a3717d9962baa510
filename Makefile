PY ?= python3
VENV ?= .venv
RUN := $(VENV)/bin
T ?=
M ?=
SECONDS_EACH ?= 30

.DEFAULT_GOAL := help
.PHONY: help deps demo format check lint types architecture test coverage fuzz mutate bench lock build

help: ## Show these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

$(RUN)/uv:
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Assay needs Python 3.11 or later as '$(PY)'. Install it: sudo apt-get install python3;" \
			"or name another one: make PY=python3.12" >&2; exit 1; }
	@$(PY) -c 'import ensurepip' 2>/dev/null || { \
		echo "'$(PY)' cannot make virtual environments. Install what is missing:" \
			"sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV), once; takes about a minute"
	@$(PY) -m venv $(VENV)
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.13"

$(VENV)/.deps: requirements/dev.txt pyproject.toml | $(RUN)/uv
	@$(RUN)/uv pip install --python $(RUN)/python --quiet --require-hashes -r requirements/dev.txt
	@$(RUN)/uv pip install --python $(RUN)/python --quiet --no-deps --editable .
	@touch $@

deps: $(VENV)/.deps ## Install the locked dependencies and this package into .venv

demo: $(VENV)/.deps ## See it work: server, simulated SGX evidence, explained verdict, verified token
	@$(RUN)/assay demo

format: $(VENV)/.deps ## Rewrite to the house style
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

check: lint types architecture test ## Everything CI runs except the fuzzers

lint: $(VENV)/.deps ## Style
	$(RUN)/ruff format --check --quiet .
	$(RUN)/ruff check --quiet .

types: $(VENV)/.deps ## Types
	$(RUN)/mypy

architecture: $(VENV)/.deps ## Layers and dependencies
	$(RUN)/lint-imports --no-logo
	$(RUN)/deptry --no-ansi src

test: $(VENV)/.deps ## Tests with the coverage gates; narrow with T=tests/unit/test_wire.py
ifneq ($(T),)
	$(RUN)/pytest -q $(T)
else
	$(RUN)/coverage erase
	$(RUN)/coverage run -m pytest -q
	$(RUN)/coverage combine --quiet
	@$(MAKE) --no-print-directory coverage
endif

coverage:
	$(RUN)/coverage report
	$(RUN)/coverage report --fail-under=100 --include='*/assay/wire.py,*/assay/x509/*,*/assay/evidence/*,*/assay/appraisal/*,*/assay/token/*'

fuzz: $(VENV)/.deps ## Fuzz every parser for SECONDS_EACH seconds (30), one target per core
	@$(RUN)/python -m fuzz --seconds $(SECONDS_EACH) $(if $(CI),--seed 1)

mutate: $(VENV)/.deps ## Change what decides, one place at a time, and see a test fail; narrow with M='assay.policy.meter*'
	@$(RUN)/uv pip install --python $(RUN)/python --quiet --require-hashes -r requirements/mutation.txt
	@$(RUN)/mutmut run $(if $(M),'$(M)')
	@$(RUN)/mutmut results | grep -v ': not checked$$' || echo 'Every change was noticed'

bench: $(VENV)/.deps ## Measure against the bare crypto of the same run
	$(RUN)/python -m benchmarks

lock: $(RUN)/uv ## Re-resolve requirements/*.txt
	$(RUN)/uv pip compile --quiet --universal --all-extras --generate-hashes --no-emit-index-url --no-header -o requirements/run.txt pyproject.toml
	$(RUN)/uv pip compile --quiet --universal --all-extras --group dev --generate-hashes --no-emit-index-url --no-header -o requirements/dev.txt pyproject.toml
	$(RUN)/uv pip compile --quiet --universal --all-extras --group dev --group mutation -c requirements/dev.txt --generate-hashes --no-emit-index-url --no-header -o requirements/mutation.txt pyproject.toml

build: $(RUN)/uv ## Build the distributions
	$(RUN)/uv build --quiet --out-dir dist
