# `make demo` and `make test` do all the set-up on a machine with Python 3.11+ and a C++ compiler.
# pyjet builds under Python 3.11 and 3.12; under newer ones fastjet reclusters the jets.
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$python && exit; \
	done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint benchmark env lock clean

demo: $(STAMP)
	$(BIN)/python -m hepcs.analysis demo.yaml --overwrite

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Some ten minutes on two idle cores; writes analysis/benchmarks/latest.json.
benchmark: $(STAMP)
	$(BIN)/python -m analysis.benchmarks

env: $(STAMP)

# pyjet's wheel would be built against NumPy 1: it is built here, against the NumPy that is installed.
# Its compiler's complaints would hide ours; without a compiler, fastjet does the reclustering.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hepcs needs Python 3.11 or newer; try make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps pyjet==1.9.0 \
		|| echo "pyjet could not be built (it needs a C++ compiler and Python 3.11 or 3.12): fastjet will recluster the jets"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

# Needs uv; pins every version for all supported Pythons.
lock:
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --upgrade \
		pyproject.toml build-requirements.in --extra pythia --extra test --extra lint -o requirements.lock

clean:
	rm -rf $(VENV) cache runs build *.egg-info
