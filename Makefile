# `make run` and `make test` are all a newcomer needs. Everything goes into .venv; pip's own settings (pip.conf,
# PIP_INDEX_URL, …) are honoured, and every file is checked against the hash in requirements/*.lock.

PYTHON ?= python3
WORKERS ?= 3
TESTS ?=
VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all:

# A stamp is named after what it stands for, so a changed lock installs again. Python, as macOS has no sha256sum.
hash_of = $(shell $(PYTHON) -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:16])' requirements/$(1).lock 2>&1 | tail -n 1)
RUN_STAMP := $(VENV)/.run-$(call hash_of,run)
DEV_STAMP := $(VENV)/.dev-$(call hash_of,dev)
TYPESCRIPT := $(VENV)/node/.done

.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------------------------------------------ run
.PHONY: run install install-dev
run: $(RUN_STAMP) ## The gateway, a database, four carriers and a fleet, in one process
	@exec $(PY) -m app.cli run

install: $(RUN_STAMP) ## Only .venv with what the gateway needs; afterwards: .venv/bin/simgate --help

install-dev: $(DEV_STAMP) ## Only .venv with what the tests need too

$(PY):
	@command -v $(PYTHON) >/dev/null || { echo "SimGate needs Python 3.11 to 3.14, and there is no '$(PYTHON)' here: install python3, or name one with make PYTHON=…"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' || { echo "SimGate needs Python 3.11 to 3.14, and $$($(PYTHON) --version) is not: name another with make PYTHON=…"; exit 2; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "No virtual environment could be made: on Debian, apt install python3-venv"; exit 2; }

$(RUN_STAMP): requirements/run.lock ops/simgate | $(PY)
	@echo "Installing into $(VENV) (half a minute, once) …"
	@$(PIP_INSTALL) -r requirements/run.lock
	@install -m 755 ops/simgate $(VENV)/bin/simgate
	@rm -f $(VENV)/.run-*
	@touch $@

# dev.lock holds run.lock whole, in the same versions.
$(DEV_STAMP): requirements/dev.lock ops/simgate | $(PY)
	@echo "Installing into $(VENV), tests and checks included (half a minute, once) …"
	@$(PIP_INSTALL) -r requirements/dev.lock
	@install -m 755 ops/simgate $(VENV)/bin/simgate
	@rm -f $(VENV)/.run-* $(VENV)/.dev-*
	@touch $(RUN_STAMP) $@

# ---------------------------------------------------------------------------------------------------------------- check
.PHONY: test check lint types fmt cover test-properties test-crash test-ingest test-import-fleet test-year test-two-years test-divided test-alerts test-sdk test-clients test-contract test-extremes test-recovery test-distributed test-faults soak
test: $(DEV_STAMP) ## Every test, import contracts included; no service needed (TESTS=tests/domain for some)
	@$(MAKE) --no-print-directory $(TYPESCRIPT) || echo "The TypeScript client is not checked: npm ci did not work (see above)"
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal -q $(TESTS)

check: lint types test ## ruff, mypy, and make test: what must pass before a commit

lint: $(DEV_STAMP) ## ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "Not formatted: make fmt"; exit 1; }

types: $(DEV_STAMP) ## mypy --strict on app/
	@$(PY) -m mypy

fmt: $(DEV_STAMP) ## Formats, and fixes what ruff can fix safely
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

cover: $(DEV_STAMP) ## make test with branch coverage: a summary here, pages in htmlcov/
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal -q --cov --cov-report=term --cov-report=html $(TESTS)

test-properties: $(DEV_STAMP) ## Every property-based test with twenty times the examples of make test
	@THOROUGH=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal -m "hypothesis and not (crash or ingest or sdk or contract or clients or fleet or year or two_years or extremes or upgrade or recovery or faults or soak)" -q --timeout=7200 $(TESTS)

test-crash: $(DEV_STAMP) ## kill -9 at every point of every operation, as a table; then of gateway and database at seeded moments
ifeq ($(TESTS),)
	@$(PY) -m pytest -m crash -q -s --timeout=3600 tests/e2e/crash/test_grid.py
	@$(PY) -m pytest -m crash -q -s --timeout=1800 --ignore=tests/e2e/crash/test_grid.py tests/e2e/crash
else
	@$(PY) -m pytest -m crash -q -s --timeout=3600 $(TESTS)
endif

test-faults: $(DEV_STAMP) ## Faults of database, disks, processes, carriers and clocks under load, with the time to recover
	@$(PY) -m pytest -m faults -q -s -rs --timeout=1800 $(or $(TESTS),tests/e2e/faults)

soak: $(DEV_STAMP) ## Ten minutes of mixed load on all roles: memory and file handles stay flat (MINUTES=60 for more)
	@MINUTES=$(or $(MINUTES),10) $(PY) -m pytest -m soak -q -s --timeout=36000 tests/e2e/faults/test_soak.py

test-ingest: $(DEV_STAMP) ## Usage ingest with crashes, duplicates and late reports
	@$(PY) -m pytest -m ingest -q --timeout=1800 $(TESTS)

test-import-fleet: $(DEV_STAMP) ## Ten thousand stopped and running SIMs imported beside a running gateway: no effect at a carrier
	@$(PY) -m pytest -m fleet -q -s --timeout=3600 $(or $(TESTS),tests/e2e)

test-year: $(DEV_STAMP) ## A year of 5,000 SIMs, day by day, in the sandbox (CARDS=500 DAYS=60 for less)
	@CARDS=$(or $(CARDS),5000) DAYS=$(or $(DAYS),365) $(PY) -m pytest -m year -q -s --timeout=14400 tests/e2e/years/test_year.py tests/e2e/years/test_as_of.py

test-two-years: $(DEV_STAMP) ## Two years of renewals, fees and balances of 5,000 SIMs (CARDS=300 for less)
	@CARDS=$(or $(CARDS),5000) DAYS=$(or $(DAYS),730) $(PY) -m pytest -m two_years -q -s --timeout=14400 tests/e2e/years/test_two_years.py

test-recovery: $(DEV_STAMP) ## A thousand stopped cards brought back in the sandbox by following their recovery plans
	@$(PY) -m pytest -m recovery -q --timeout=3600 $(or $(TESTS),tests/e2e/recovery)

test-extremes: $(DEV_STAMP) ## Every request at the extremes of its schema; then every job twice, and everything read
	@$(PY) -m pytest -m extremes -q --timeout=900 $(or $(TESTS),tests/e2e/test_extremes.py)

test-upgrade: $(DEV_STAMP) ## Processes replaced one by one under load: from the release before, and to one that adds to the schema
	@$(PY) -m pytest -m upgrade -q -s --timeout=900 $(or $(TESTS),tests/upgrade)

test-divided: $(DEV_STAMP) ## Routes and use-cases once more, API and worker as roles that own no table
	@DIVIDED=1 $(PY) -m pytest -q -n auto $(or $(TESTS),tests/routers tests/usecases)
# Citus is in no registry of ours: the coordinator, with a worker or more, is the developer's own. One process, one database.
test-distributed: $(DEV_STAMP) ## The usage suite on a coordinator of Citus (SIMGATE_TEST_DATABASE_URL), distributed first
	@if [ -z "$$SIMGATE_TEST_DATABASE_URL" ]; then \
		echo "Skipped: SIMGATE_TEST_DATABASE_URL names no database. With the address of a Citus coordinator, its usage tables are distributed and the usage suite runs on it."; \
	else $(PY) -m pytest -q -rs --timeout=300 $(or $(TESTS),tests/db/usage tests/usecases/usage tests/usecases/limits tests/usecases/pools tests/usecases/carrier_sync); fi

test-alerts: $(DEV_STAMP) ## Conditions in a running gateway, until a real Prometheus fires their alerts (apt install prometheus)
	@$(PY) -m pytest -m alerts -q -rs --timeout=1200 $(or $(TESTS),tests/e2e/test_prometheus.py)

test-sdk: $(DEV_STAMP) $(VENV)/sdk/.done ## Huawei's own client against our sandbox, from its own environment
	@SIMGATE_SDK_PYTHON=$(VENV)/sdk/bin/python $(PY) -m pytest -m sdk -q --timeout=300 $(TESTS)

$(VENV)/sdk/.done: requirements/sdk.lock | $(PY)
	@echo "Installing Huawei's client into $(VENV)/sdk …"
	@$(PYTHON) -m venv --clear $(VENV)/sdk
	@$(VENV)/sdk/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: -r requirements/sdk.lock
	@touch $@

test-clients: $(DEV_STAMP) ## Clients generated from the OpenAPI document: type-checked, and driven through the README's tour
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(TYPESCRIPT); fi
	@$(PY) -m pytest -m "clients or not clients" -q -rs --timeout=300 $(or $(TESTS),tests/clients)

$(TYPESCRIPT): tests/clients/typescript/package-lock.json | $(PY)
	@command -v npm >/dev/null || { echo "There is no npm on this machine"; exit 1; }
	@mkdir -p $(dir $@) && cp tests/clients/typescript/package.json $< $(dir $@)
	@npm ci --prefix $(dir $@) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test-contract: $(DEV_STAMP) ## At least 5,000 generated requests against the OpenAPI document, with every check
	@$(PY) -m pytest -m "contract or not contract" -q --timeout=3600 $(or $(TESTS),tests/conformance)

# ---------------------------------------------------------------------------------------------------------------- bench
.PHONY: bench-operations bench-accept bench-start bench-ingest bench-reads bench-import bench-lists bench-carriers bench-freshness bench-sweep bench-forecast bench-findings bench-advance
bench-operations: $(DEV_STAMP) ## Operations per second, from 202 to succeeded
	@$(PY) -m bench.operations

bench-accept: $(DEV_STAMP) ## Operations accepted per second by one API process, against the statements alone
	@$(PY) -m bench.accept

bench-start: $(DEV_STAMP) ## Start until ready and idle memory, beside a bare FastAPI process
	@$(PY) -m bench.start

bench-ingest: $(DEV_STAMP) ## Usage reports per second, after commit
	@$(PY) -m bench.ingest

bench-reads: $(DEV_STAMP) ## Reads per second on a large fleet
	@$(PY) -m bench.reads

bench-import: $(DEV_STAMP) ## The import of a million cards against a bare COPY of the same rows
	@$(PY) -m bench.import_fleet

bench-lists: $(DEV_STAMP) ## Lists, counts and summaries of a million cards by every documented filter, p99 each
	@$(PY) -m bench.lists

bench-carriers: $(DEV_STAMP) ## Carrier calls per second under their limits
	@$(PY) -m bench.carriers

bench-freshness: $(DEV_STAMP) ## Age of carrier figures of a million cards against the arithmetic bound, by simulation
	@$(PY) -m bench.freshness

bench-forecast: $(DEV_STAMP) ## Errors of forecasts on generated traffic, beside naive linear
	@$(PY) -m bench.forecast

bench-findings: $(DEV_STAMP) ## The daily look for findings over 100,000 cards, and forecasts of a large pool
	@$(PY) -m bench.findings

bench-sweep: $(DEV_STAMP) ## The expiry sweep of a million cards, 20,000 due, against bare SQL of the same rows
	@$(PY) -m bench.sweep

bench-advance: $(DEV_STAMP) ## The demo fleet's clock moved by a year: seconds, processor time, stops, jobs, carrier calls
	@$(PY) -m bench.advance

sizing: $(DEV_STAMP) ## Bytes of a card, a report, an operation; what fleets come to (docs/sizing.md); ten minutes
	@$(PY) -m bench.sizing

# ------------------------------------------------------------------------------------------------------------- maintain
.PHONY: sizing docs lock audit clean
docs: $(DEV_STAMP) ## Writes again what docs/ takes from the code
	@$(PY) -m app.texts.rulebook
	@$(PY) -m app.cli openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	@echo "docs/openapi.json written"

# uv only here: users need pip alone. Public PyPI whatever this machine's settings are, as a mirror's address must not
# get into a lock; hashes of every platform.
lock: $(PY) ## Resolves requirements/*.in anew (maintainers; needs the public index)
	@$(PY) -m venv $(VENV)/lock && $(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@for name in service run tracing dev sdk; do env -u UV_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_DEFAULT_INDEX -u UV_FIND_LINKS UV_SYSTEM_CERTS=1 \
		$(VENV)/lock/bin/uv pip compile --quiet --no-config --default-index https://pypi.org/simple --no-emit-index-url \
		--universal --python-version 3.11 --only-binary :all: --generate-hashes --custom-compile-command 'make lock' \
		requirements/$$name.in -o requirements/$$name.lock || exit 1; done

audit: $(DEV_STAMP) ## Licences of the locks, and known vulnerabilities where the registry tells them
	@$(PY) requirements/audit.py

clean: ## Removes environments and caches; data (.local) stays
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage*
