VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One more than the cores of a small machine: many tests wait for a server, a disk or a browser.
WORKERS ?= 3

.PHONY: demo test check clients fix faults bench

demo: $(STAMP)  ## make a sample history, serve it and print the first answers
	@$(BIN)/tallymark demo

test: check clients  ## everything that must hold before a change is merged
	$(BIN)/pytest --numprocesses $(WORKERS)

check: $(STAMP)  ## lint, format, types and imports, without changing anything
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clients: $(STAMP)  ## the SDKs and the browser that the journey tests run
	@scripts/clients $(VENV)

fix: $(STAMP)  ## mend what can be mended by machine, and write the reference pages again
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python -m scripts.reference

faults: $(STAMP)  ## the long form of the fault tests
	TALLYMARK_LONG=1 $(BIN)/pytest -m "" --capture=no tests/faults tests/log

bench: $(STAMP)  ## print the speed budgets, as ratios measured in one run
	$(BIN)/python -m benchmarks

$(STAMP): pyproject.toml constraints.txt scripts/setup
	@PYTHON="$(PYTHON)" MAKECMDGOALS="$(MAKECMDGOALS)" scripts/setup $(VENV)
	@touch $(STAMP)
