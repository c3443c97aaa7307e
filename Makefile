# pagesim: `make help` lists what can be made.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STORE := sqlite:///demo/store.db
PROTOS := $(shell find protos/pagesim -name '*.proto')
PYTEST_FLAGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements/dev.lock pyproject.toml
	@echo "Setting up $(VENV) (about 600 MB, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "pagesim needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "Compiling the kernels (about a minute, once)"
	@$(BIN)/python -m services.warm_up
	@$(BIN)/python -m experiments.metrics.warm_up
	@touch $@

.PHONY: install
install: $(INSTALLED) ## Build the environment from the lock

.PHONY: own-service-node
own-service-node: ## Install the packages of the example in Node, which its tests need
	@npm ci --prefix examples/own-service-node --ignore-scripts --no-audit --no-fund

.PHONY: demo
demo: $(INSTALLED) ## Run an experiment on a synthetic world, to its HTML report
	@scripts/demo $(BIN) $(STORE)

IN_TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: test
test: check $(INSTALLED) ## Check everything and run the everyday tests
	$(BIN)/pytest $(IN_TWO) -m "not long" $(PYTEST_FLAGS)

.PHONY: test-long
test-long: test-processes ## Run what takes long, and the laws with many more examples
	$(BIN)/pytest $(IN_TWO) -m "(hypothesis or scaled) and not long" --hypothesis-profile long \
		$(PYTEST_FLAGS)

.PHONY: test-processes
test-processes: $(INSTALLED) ## Run what takes long: processes killed, real data, many sizes
	$(BIN)/pytest $(IN_TWO) -m "long" --hypothesis-profile long $(PYTEST_FLAGS)

.PHONY: test-fast
test-fast: $(INSTALLED) ## Run the tests that start no process
	$(BIN)/pytest $(IN_TWO) -m "not integration and not postgres and not long" $(PYTEST_FLAGS)

.PHONY: test-postgres
test-postgres: $(INSTALLED) ## Run the PostgreSQL tests against a server of their own
	@scripts/with-postgres $(BIN)/pytest -m postgres $(PYTEST_FLAGS)

.PHONY: check
check: $(INSTALLED) ## Format, lint, types, import layers, protos, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory protos-check docs-check

.PHONY: format
format: $(INSTALLED) ## Format the code and fix what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write protos

.PHONY: protos
protos: $(INSTALLED) ## Generate the stubs in protos/gen
	@scripts/generate-stubs $(BIN) protos/gen

.PHONY: protos-check
protos-check: $(INSTALLED)
	$(BIN)/buf lint protos
	$(BIN)/buf format --diff --exit-code protos
	$(BIN)/buf breaking protos --against protos/released.binpb
	@scripts/generate-stubs $(BIN) build/stubs
	@diff --recursive --brief --exclude=__pycache__ protos/gen build/stubs || \
		{ echo "protos/gen is stale: run 'make protos'" >&2; exit 1; }

.PHONY: protos-release
protos-release: $(INSTALLED) ## Record the protos as released: later changes must not break them
	$(BIN)/buf build protos --output protos/released.binpb

.PHONY: docs
docs: $(INSTALLED) ## Write the references of commands and experiment files from the code
	$(BIN)/python -m experiments.cli.reference > docs/commands.md
	$(BIN)/python -m experiments.spec.reference > docs/experiment-file.md

.PHONY: docs-check
docs-check: $(INSTALLED)
	@mkdir -p build
	@$(BIN)/python -m experiments.cli.reference > build/commands.md
	@$(BIN)/python -m experiments.spec.reference > build/experiment-file.md
	@for page in commands experiment-file; do diff docs/$$page.md build/$$page.md || \
		{ echo "docs/$$page.md is stale: run 'make docs'" >&2; exit 1; }; done

RIVALS := build/rivals
$(RIVALS)/.installed: requirements/rivals.lock
	@echo "Setting up $(RIVALS) (about 900 MB, once)"
	@$(PYTHON) -m venv $(RIVALS)
	@$(RIVALS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/rivals.lock
	@touch $@

.PHONY: bench-store
bench-store: $(INSTALLED) $(RIVALS)/.installed ## Compare ways to read the past, Feast and pandas among them (3 GB of disk)
	@$(BIN)/python -m benchmarks.store --rivals $(RIVALS)/bin/python
	@$(BIN)/python -m benchmarks.ingest

RPCS := 1000000
.PHONY: bench-experiment
bench-experiment: $(INSTALLED) ## Run experiments of 10,000, 100,000 and 1,000,000 pages (3 GB of disk)
	@$(BIN)/python -m benchmarks.experiment

.PHONY: bench-mesh
bench-mesh: $(INSTALLED) ## Kill all that may die under RPCS calls, and measure a mesh of 300 stacks
	@$(BIN)/python -m benchmarks.mesh --rpcs $(RPCS)

.PHONY: golden-update
golden-update: $(INSTALLED) ## Rewrite the golden files; read the diff before committing
	$(BIN)/pytest --golden-update -m "not integration and not postgres"

.PHONY: lock
lock: ## Resolve the dependencies again and write requirements/*.lock
	@scripts/lock $(PYTHON)

.PHONY: clean
clean: ## Remove what was built, but not runs
	rm -rf $(VENV) build demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
