# Everything from a bare python3 (>= 3.11) and make; the first call makes .venv, later calls are quick.
#   make demo    simulate a small execution block, calibrate it, compare with its truth
#   make test    the test suite
#   make peer    compare with the real CASA (builds its environment once, outside the clone: $ATACAL_PEER)
#   make whole   whole runs of the pipeline: killed and resumed, on broken input
#   make bench   time the recipe's steps (2.3 GB) and a raw block's against CASA
#   make lint    ruff, mypy, generated pages current
#   make docs    generate the task pages from the docstrings
#   make clean   remove .venv and what the tools leave behind

PYTHON ?= python3
VENV ?= .venv
export ATACAL_PEER ?= $(HOME)/.cache/atacal-peer
PYTEST_ARGS ?= -n auto --dist worksteal

BIN := $(VENV)/bin
PACKAGE := $(VENV)/.package
DEV := $(VENV)/.dev
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

.PHONY: demo test peer whole bench lint docs clean
.DEFAULT_GOAL := test

$(PACKAGE): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"atacal needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --editable .
	@touch $@

$(DEV): $(PACKAGE)
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

demo: $(PACKAGE)
	$(BIN)/atacal demo

test: $(DEV)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

peer: $(DEV)
	tools/setup_peer.sh "$(ATACAL_PEER)"
	$(BIN)/python -m pytest tests/peer $(PYTEST_ARGS)

whole: $(DEV)
	$(BIN)/python -m pytest tests/whole $(PYTEST_ARGS)

bench: $(DEV)
	tools/setup_peer.sh "$(ATACAL_PEER)"
	$(BIN)/python benchmarks/run.py

lint: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python tools/make_docs.py --check

docs: $(DEV)
	$(BIN)/python tools/make_docs.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
