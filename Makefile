# `make demo`, `make test` and `make docs` do all the set-up on a machine with Python 3.11+ and a C++ compiler.
# pyjet builds under Python 3.11 and 3.12; under newer ones fastjet reclusters the jets.
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$python && exit; \
	done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow lint docs benchmark env lock clean

demo: $(STAMP)
	$(BIN)/python -m hepcs.analysis demo.yaml --overwrite

# All but the slow ones, in some six minutes on two cores; `.ci/run` runs both.
test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/repo-review --show err .

# The site, in docs/_build/html: a warning is an error. Notebooks are executed when they change; NOTEBOOKS=off leaves
# them as they are.
NOTEBOOKS ?= cache
docs: $(STAMP)
	NOTEBOOKS=$(NOTEBOOKS) $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The site is in docs/_build/html/index.html"

# Some ten minutes on two idle cores; writes analysis/benchmarks/latest.json.
benchmark: $(STAMP)
	$(BIN)/python -m analysis.benchmarks

env: $(STAMP)

# pyjet's wheel would be built against NumPy 1: it is built here, against the NumPy that is installed.
# Its compiler's complaints would hide ours; without a compiler, fastjet does the reclustering.
$(STAMP): requirements.lock build-requirements.in pyproject.toml setup.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hepcs needs Python 3.11 or newer; try make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.lock
	$(PIP) install --no-build-isolation --no-deps pyjet==1.9.0 \
		|| echo "pyjet could not be built (it needs a C++ compiler and Python 3.11 or 3.12): fastjet will recluster the jets"
	$(PIP) install --no-build-isolation --no-deps -e .
	touch $@

# Needs uv; pins every version for all supported Pythons.
lock:
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --upgrade \
		pyproject.toml build-requirements.in --extra pythia --extra test --extra lint --extra docs -o requirements.lock

clean:
	rm -rf $(VENV) cache runs build dist docs/_build docs/generated *.egg-info
