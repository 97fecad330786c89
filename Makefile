VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

$(STAMP): pyproject.toml constraints.txt
	@scripts/setup $(VENV)
	@touch $(STAMP)
