# edgeseg: `make demo` shows it, `make test` checks everything, `make` lists the rest.
# Other Python:  make demo PYTHON=python3.12      CPU-only torch from PyTorch's own index:
# make demo PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
NEEDS = pyproject.toml constraints.txt
PIP = $(BIN)/python -m pip --disable-pip-version-check
ROOMS = edgeseg export runtime calibration scripts tests examples benchmarks docs

.DEFAULT_GOAL := help
.PHONY: help demo test test-long isa soak check lint types format wheel docs results gpu clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

demo: $(VENV)/.installed ## checkpoint -> ONNX -> proven INT8 -> masks on a clip, in runs/demo
	$(BIN)/edgeseg demo $(DEMO)

test: check ## lint, types, and every test but the long ones
	$(BIN)/python scripts/run_tests.py $(TESTS)

test-long: $(VENV)/.installed-dev ## the long tests: installations, every set of extras, trainings
	$(BIN)/python scripts/run_tests.py --long $(TESTS)

isa: $(VENV)/.installed-dev ## tests of engines and traps at each instruction set that this CPU can imitate
	$(BIN)/python scripts/run_isa.py $(TESTS)

soak: $(VENV)/.installed-dev ## half an hour of a camera that dies and comes back
	EDGESEG_SOAK_S=1800 $(BIN)/pytest tests/faults/test_soak.py -rP

check: lint types ## ruff and mypy --strict

lint: $(VENV)/.installed-dev ## ruff: rules and layout
	$(BIN)/ruff check $(wildcard $(ROOMS))
	$(BIN)/ruff format --check $(wildcard $(ROOMS))

types: $(VENV)/.installed-dev ## mypy --strict over all rooms, through the link tree
	$(BIN)/python scripts/link_tree.py
	$(BIN)/mypy --strict build/links/edgeseg

format: $(VENV)/.installed-dev ## let ruff rewrite the layout
	$(BIN)/ruff format $(wildcard $(ROOMS))
	$(BIN)/ruff check --fix $(wildcard $(ROOMS))

wheel: $(VENV)/.installed-dev ## build the wheel into dist/
	rm -rf build/lib
	$(BIN)/python -m build --wheel

docs: $(VENV)/.installed-dev ## these pages and the Python reference, with a search box, in build/site
	$(BIN)/sphinx-build -W --keep-going -E -q -b html docs build/site

results: $(VENV)/.installed-dev ## the tables of docs/results.md beside those that this machine can measure in 15 minutes
	$(BIN)/python scripts/reprint_results.py $(RESULTS)

gpu: $(VENV)/.installed-dev ## with an NVIDIA GPU and TensorRT: every GPU test, and docs/results-gpu.md
	BIN=$(BIN) sh benchmarks/gpu_results.sh

clean: ## remove what make made, the virtual environment too
	rm -rf $(VENV) build dist runs/demo *.egg-info .mypy_cache .ruff_cache .pytest_cache

# Stamps: a second call finds them newer than what they depend on and installs nothing.
$(VENV)/.installed: $(BIN)/python $(NEEDS)
	$(PIP) install -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python $(NEEDS)
	$(PIP) install -c constraints.txt -e '.[all,dev]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Install Python 3.10 to 3.13 (Debian: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3" >&2; exit 3; }
	@GOAL="$(MAKECMDGOALS)" $(PYTHON) scripts/check_python.py
	@rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
