# Every target makes .venv by itself when it is missing or older than pyproject.toml.
#
# TORCH is what pip is asked for when .venv has no PyTorch yet; any pip arguments will do. The pinned version is the one
# the tests run with. For a build of your own choice (a GPU, CPU only):  make clean && make demo TORCH='torch==2.13.0 …'
# ARGS goes to the command of demo, the tests, audit, bench and fuzz, for example  make test ARGS='tests/ledger -x'

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

TORCH ?= torch==2.13.0
ARGS ?=
PYTHONS ?= python3 python3.13 python3.12 python3.11

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready

# The tests need no network; two processes of one thread each are faster than one process of two.
TESTING := HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS=1
MKDOCS := NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs
PYTEST := $(TESTING) $(PYTHON) -m pytest
PARALLEL := -n auto --maxprocesses=4 --dist worksteal

.PHONY: help demo test test-slow test-faults test-lowest test-newest check fix bench fuzz house notebooks
.PHONY: docs docs-serve licences sbom audit venv clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## Find a fact in the embedded model, correct it, prove it, take it back.
	@$(VENV)/bin/errata demo $(ARGS)

test: $(READY)  ## Run the tests, except the slow ones.
	$(PYTEST) $(PARALLEL) -m "not slow and not faults" $(ARGS)

test-slow: $(READY)  ## Run the slow tests.
	$(PYTEST) -m slow $(ARGS)

test-faults: $(READY)  ## Kill, feed and flood it for half an hour, and count what it survived.
	ERRATA_RELIABILITY=benchmarks/results/reliability.json $(PYTEST) $(PARALLEL) tests/faults $(ARGS)

check: $(READY)  ## Lint, formatting, types, architecture.
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/pyright
	$(PYTEST) --noconftest tests/test_architecture.py

test-lowest: $(READY)  ## Run the core of the tests with every dependency at its lower bound.
	$(PYTHON) benchmarks/_resolutions.py lowest --torch '$(TORCH)' $(ARGS)

test-newest: $(READY)  ## Run the core of the tests with every dependency at its newest.
	$(PYTHON) benchmarks/_resolutions.py newest --torch '$(TORCH)' $(ARGS)

licences: $(READY)  ## Write docs/licences.md from what is installed.
	$(PYTHON) -m benchmarks._licences docs/licences.md

sbom: $(READY)  ## Write build/sbom.json: all that is installed, as CycloneDX.
	@mkdir -p build
	$(PYTHON) -m cyclonedx_py environment --pyproject pyproject.toml --mc-type library --output-format JSON \
		--output-reproducible --output-file build/sbom.json $(PYTHON)

audit: $(READY)  ## Ask for known vulnerabilities of what is installed.
	@$(PYTHON) -m benchmarks._audit $(ARGS)

fix: $(READY)  ## Repair what ruff can repair.
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

bench: $(READY)  ## Run every benchmark; the results go to benchmarks/results.
	@for script in $(filter-out benchmarks/fuzz.py,$(wildcard benchmarks/[a-z]*.py)); do \
		echo "$$script"; $(PYTHON) "$$script" $(ARGS); \
	done

fuzz: $(READY)  ## Fuzz every loader for an hour; needs pip install -e '.[fuzz]'.
	$(PYTHON) benchmarks/fuzz.py $(ARGS)

docs: $(READY)  ## Build the documentation into build/site, and fail for a dead link.
	$(MKDOCS) build --strict

docs-serve: $(READY)  ## Show the documentation at http://127.0.0.1:8000 and build it again at every change.
	$(MKDOCS) serve

house: $(READY)  ## Measure docstrings, types, length, duplicates, unused code; the table goes to CONTRIBUTING.md.
	$(PYTHON) -m benchmarks._house

notebooks: $(READY)  ## Run the notebooks of examples/ anew.
	$(TESTING) $(PYTHON) -m benchmarks._notebooks

venv: $(READY)  ## Make .venv and nothing else.

clean:  ## Remove .venv and everything generated; ledgers and checkpoints stay.
	rm -rf $(VENV) build dist errata-demo .pytest_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(READY): pyproject.toml
	@suits='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; \
	found=''; \
	for candidate in $(PYTHONS); do \
		if "$$candidate" -c "$$suits" >/dev/null 2>&1; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Errata needs Python 3.11 or newer with venv and found none of: $(PYTHONS)." >&2; \
		echo "Install one, or name it: make PYTHONS=/path/to/python3" >&2; exit 2; \
	fi; \
	if ! $(PYTHON) -c "$$suits" >/dev/null 2>&1; then "$$found" -m venv --clear $(VENV); fi
	@echo "Installing into $(VENV) (once, a few minutes)"
	@if ! $(PYTHON) -c 'import torch' >/dev/null 2>&1; then $(PYTHON) -m pip install --quiet $(TORCH); fi
	@$(PYTHON) -m pip install --quiet --editable '.[dev]'
	@touch $@
