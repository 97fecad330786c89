VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Twice the cores of a small machine: many tests wait for a server, a disk or a browser.
WORKERS ?= 4

.PHONY: demo test check clients fix tracker faults bench screenshots web web-dev web-check web-types

demo: $(STAMP)  ## make a sample history, serve it and print the first answers
	@$(BIN)/tallymark demo

test: check clients  ## everything that must hold before a change is merged
	@# Hundreds of processes are started, and compiling costs each half a second where its result may not be kept.
	@# Nor does anything of ours multiply matrices: the threads for it only wait, by spinning at first.
	PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS)

check: $(STAMP)  ## lint, format, types and imports, without changing anything
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory web-check; else echo "No npm: the tests of the pages are left out."; fi

clients: $(STAMP)  ## the SDKs and the browser that the journey tests run
	@scripts/clients $(VENV)

fix: $(STAMP)  ## mend what can be mended by machine, and write the reference pages again
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python -m scripts.reference

tracker:  ## build the browser script; needs Node.js
	cd tracker && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error && npm run --silent build

web: $(STAMP)  ## build the pages of web/ into the package; needs Node, as nothing else of the product does
	cd web && npm ci --ignore-scripts --loglevel=error && npm run --silent build
	$(BIN)/python -m scripts.web built

web-check: $(STAMP)  ## types and tests of the pages; needs Node
	cd web && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --loglevel=error; } && npm run --silent check

web-types: $(STAMP)  ## write the types of the API for the pages again
	cd web/tools && npm ci --ignore-scripts --loglevel=error
	$(BIN)/python -m scripts.web types > web/tools/api.json
	cd web/tools && npx openapi-typescript api.json --output ../src/api/schema.d.ts && rm api.json

web-dev:  ## serve the pages as they are being written, in front of a server on port 8410
	cd web && npx vite

faults: $(STAMP)  ## the long form of the fault tests
	TALLYMARK_LONG=1 $(BIN)/pytest -m "" --capture=no tests/faults tests/log

bench: $(STAMP)  ## print the speed budgets, as ratios measured in one run
	$(BIN)/python -m benchmarks

screenshots: $(STAMP) clients  ## make the pictures of every screen in docs/screenshots again
	$(BIN)/python -m scripts.screenshots

$(STAMP): pyproject.toml constraints.txt scripts/setup
	@PYTHON="$(PYTHON)" MAKECMDGOALS="$(MAKECMDGOALS)" scripts/setup $(VENV)
	@touch $(STAMP)
