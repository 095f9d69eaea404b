# The same commands for a person and for CI. `make` alone lists them.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
NODE = tests/clients/node
PYTEST_ARGS ?=
WORKERS ?= 2
SERVE_ARGS ?=
BENCH_ARGS ?=
PYTHONS ?= 3.11 3.12 3.13
FUZZ_SECONDS ?= 600

# Compiled modules are kept, whatever the caller's environment says: tests start the gateway hundreds of times.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup serve demo test test-postgres lint test-all fuzz contract bench image-constraints clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.demo ## install the gateway and what the demo needs into .venv

serve: $(VENV)/.demo ## run the gateway (SERVE_ARGS="--port 8081")
	$(BIN)/gateway serve $(SERVE_ARGS)

demo: $(VENV)/.demo$(STORE) ## start the main job over SOAP, watch it over REST (STORE=postgres NODES=3: kill a node half-way)
	$(BIN)/python -m gateway.demo $(if $(STORE),--store $(STORE)) $(if $(NODES),--nodes $(NODES))

test: $(VENV)/.test $(NODE)/node_modules/.made lint ## lint, then all tests with their branch coverage (PYTEST_ARGS="-k keys")
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term $(PYTEST_ARGS)

test-postgres: $(VENV)/.test ## the tests of the engine and of both doors, over PostgreSQL instead of SQLite
	GATEWAY_TEST_STORE=postgres $(BIN)/pytest -n $(WORKERS) $(PYTEST_ARGS) tests/engine tests/wire

lint: $(VENV)/.test ## style, types and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-all: ## the tests with every Python of PYTHONS that is on this machine
	@PYTHONS="$(PYTHONS)" PYTEST_ARGS="$(PYTEST_ARGS)" ./.ci/test-all

fuzz: $(VENV)/.test ## arbitrary messages for the SOAP door (FUZZ_SECONDS=600)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m tests.fuzz

contract: $(VENV)/.demo ## renew wsdl/, the OpenAPI document and the README's table
	$(BIN)/gateway contract --write

bench: $(VENV)/.bench ## measure the performance goals (QUICK=1 is rough and short, ROWS=1,4 are some of them)
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS)) $(BENCH_ARGS)

image-constraints: $(VENV)/.made ## renew the versions of what the container image has
	PYTHON=$(BIN)/python docker/make-constraints.sh

clean: ## remove what the commands above made, but for the data folder
	rm -rf $(NODE)/node_modules bench/.cache .venv* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: they are renewed when the dependencies change, so that a second run installs nothing.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[demo]"
	touch $@

$(VENV)/.demopostgres: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[demo-postgres]"
	touch $@ $(VENV)/.demo

$(VENV)/.test: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@ $(VENV)/.demo

# A client stack of the tests. Without npm, or when it fails, the tests leave the stack out and say so.
$(NODE)/node_modules/.made: $(NODE)/package.json
	@command -v npm >/dev/null || exit 0; \
	cd $(NODE) && npm install --no-package-lock --no-audit --no-fund --fetch-retries=1 --silent \
	&& touch node_modules/.made || echo "npm could not install what $< names"

$(VENV)/.bench: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[bench]"
	touch $@ $(VENV)/.demo
