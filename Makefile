# `make` or `make help` lists what can be done.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH ?= ../shared/bench
# Each process collects all tests, and loads the service, before it runs its share of them.
JOBS ?= 2

.PHONY: help run dev plain quick migration test nightly check lint format bench growth lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 16

run: $(VENV)/run ## serve on the embedded database at http://127.0.0.1:8000
	@$(BIN)/atelier serve $(if $(MIGRATE),--migrate)

dev: $(VENV)/run ## serve like run, and start again whenever a module in src changes
	@$(BIN)/atelier migrate
	@$(BIN)/uvicorn --factory bootstrap:application --reload --reload-dir src --port $(or $(PORT),8000)

test: $(VENV)/dev ## run all tests, on SQLite and on a real PostgreSQL (JOBS=how many at once)
	@echo "$(if $(TESTS),Running $(TESTS) …,Running all tests: about 25 minutes on two processors. \`make test TESTS=tests/unit\` takes two.)"
	@$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder $(TESTS)

nightly: $(VENV)/dev ## run what takes too long to wait for
	@$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder $(or $(TESTS),tests/nightly)
	@TEST_POSTGRES=package $(BIN)/python -m pytest -n $(JOBS) tests/contract -k postgres
	@TEST_LANE=plain $(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder
	@$(MAKE) plain
	@for newer in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13.*/bin/python; do \
		if "$$newer" -c '' 2>/dev/null; then \
			$(MAKE) check PYTHON="$$newer" VENV=.venv-newer \
				TESTS="tests/unit tests/contract tests/integration/test_process.py" || exit 1; \
			break; \
		fi; \
	done

plain: $(VENV)/dev ## run the tests on a copy without the fast lane
	@$(BIN)/python tests/plain_copy.py build/plain
	@cd build/plain && PYTHONPATH=src:. $(abspath $(BIN))/python -m pytest -n $(JOBS) \
		--no-loadscope-reorder $(TESTS)

quick: $(VENV)/dev ## run the tests of one context on memory and SQLite (CONTEXT=tasks)
	@$(BIN)/python -m pytest -q -n $(JOBS) --context $(CONTEXT) tests/unit tests/contract

check: lint test ## everything that must hold: format, lint, types, import rules, tests

lint: $(VENV)/dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(VENV)/dev ## put the code in shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/run ## time this service beside its peers (BENCH=folder of the side-by-side bench)
	@BENCH=$(BENCH) benchmarks/run $(ARGS)

growth: $(VENV)/run ## time this service with more workers and with more rows
	@$(BIN)/python benchmarks/growth.py --bench $(BENCH) $(ARGS)

migration: $(VENV)/dev ## write the migration of what has changed in the tables (NAME=task_colour)
	@$(BIN)/python -m migrations.make "$(NAME)"
	@$(BIN)/ruff format -q "migrations/versions/$(NAME).py"
	@$(BIN)/ruff check -q --fix "migrations/versions/$(NAME).py"

lock: ## pin the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade -q \
		pyproject.toml --group dev --group build -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q \
		pyproject.toml --group build -c requirements-dev.lock -o requirements.lock

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say PYTHON=... where it is.")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The lock files pin every package by its hash; the service itself is installed as it stands here.
# A module that is new beside these has to be made known to Python.
$(VENV)/run: requirements.lock pyproject.toml $(wildcard src/*.py) $(VENV)/made
	@echo "Installing what the service needs …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/run
	@echo "Installing what the tests need …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
