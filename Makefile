# Everything from a bare clone: each target sets up what it needs in .venv and remembers it with stamp files.

PYTHON ?= python3
TASK ?= digits
ARGS ?=

# Compiling dominates the tests; a file stays on one worker, so that its tests share what was compiled. Files keep their
# order: by their numbers of tests, as is the default, the slowest few tests would come last, on one core.
COVERAGE ?=
PYTEST := -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(if $(COVERAGE),--cov=cajax --cov-append --cov-report=)
# Most programs of the tests run once: not optimised, they take half the time in all. What must hold of optimised ones
# too (bits, gradients, orders of convergence, training) is tested first as users get it, unless ARGS chooses tests;
# test-all tests everything so. What takes long is left to test-all, and to test-share, which runs a fortieth of it: all
# of it in forty commits, with other random models each time.
PLAIN := --xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true
PURE := laws/test_invariance.py laws/test_convergence.py laws/test_physics.py laws/test_kinks.py
OPTIMISED := laws/test_gradients.py laws/test_invariance.py laws/test_convergence.py train/test_fit.py tasks/test_reading.py

VENV := .venv
BIN := $(VENV)/bin
# Python compiles what it imports; pip would compile everything.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install --no-compile -c constraints.txt
# The build tools are in .venv and the objects stay in build/, so that a rebuild takes seconds. CMake remembers a missing
# compiler for ever; forget that, for it may have been installed since.
PACKAGE = @if grep -qs 'CMAKE_CXX_COMPILER.*NOTFOUND' build/make/CMakeCache.txt; then rm -rf build/make; fi; \
  $(PIP) --no-build-isolation --config-settings=build-dir=build/make
# Directories are listed too: deleting a file changes nothing else.
SOURCES := pyproject.toml CMakeLists.txt README.md $(shell find src -name __pycache__ -prune -o ! -name '*.so' -print)

export MPLBACKEND ?= Agg
unexport PYTHONPATH
# What Python compiles is kept, wherever else it should not be: a test starts hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help train test test-all test-share sanitize lint format bench clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  PYTHON=python3.12 chooses the interpreter of .venv; ARGS='...' goes to the program that runs."

train: $(VENV)/.train $(VENV)/.package ## Train the digit classifier (TASK=name for another task)
	@$(BIN)/cajax train $(TASK) $(ARGS)

test: lint ## Lint, type-check and run the tests
	@$(if $(ARGS),,$(BIN)/python $(PYTEST) -q $(addprefix tests/,$(OPTIMISED)))
	@XLA_FLAGS="$(PLAIN) $$XLA_FLAGS" $(BIN)/python $(PYTEST) $(ARGS)

test-all: lint ## The same, with the slow tests, and every program optimised
	@$(BIN)/python $(PYTEST) -m '' $(ARGS)

COMMIT := $(shell git rev-list --count HEAD 2>/dev/null || echo 0)
test-share: $(VENV)/.dev $(VENV)/.package ## Run a fortieth of the slow tests, chosen by the commit, and laws without native code
	@$(BIN)/python $(PYTEST) -m slow --share $$(($(COMMIT) % 40))/40 \
	  --hypothesis-profile=rotating --hypothesis-seed=$(COMMIT) $(ARGS)
	@XLA_FLAGS="$(PLAIN) $$XLA_FLAGS" CAJAX_SOLVE=jax $(BIN)/python $(PYTEST) -q $(addprefix tests/,$(PURE))

sanitize: $(VENV)/.dev $(VENV)/.package ## Test the kernels under the address and undefined-behaviour sanitizers
	@$(BIN)/python -m pytest -m slow tests/solve/test_sanitized.py $(ARGS)

lint: $(VENV)/.dev $(VENV)/.package ## Check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run 'make format'" >&2; exit 1; }
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/pyright --pythonpath $(BIN)/python --project pyright.strict.json

format: $(VENV)/.dev ## Fix style and format in place
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev $(VENV)/.package ## Run the benchmarks (ARGS='--jaxley PYTHON --neuron PYTHON --arbor PYTHON')
	@$(BIN)/python benchmarks/run.py $(ARGS)

clean: ## Remove build products and caches
	@rm -rf build dist .cache .hypothesis .pytest_cache .ruff_cache
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove .venv as well
	@rm -rf $(VENV)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Cajax needs Python 3.11 or newer as '$(PYTHON)'; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@echo "* creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.tools: constraints.txt $(VENV)/.made
	@echo "* installing JAX and the build tools (about 150 MB to download)"
	@$(PIP) scikit-build-core cmake ninja jax
	@touch $@

$(VENV)/.train: pyproject.toml constraints.txt $(VENV)/.tools
	@echo "* building cajax and installing what training needs (about 120 MB)"
	$(PACKAGE) '.[train]'
	@touch $@ $(VENV)/.package

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.tools
	@echo "* building cajax and installing what the tests need (about 200 MB)"
	$(PACKAGE) '.[dev]'
	@touch $@ $(VENV)/.train $(VENV)/.package

$(VENV)/.package: $(SOURCES) $(VENV)/.tools
	@echo "* sources changed: rebuilding cajax"
	$(PACKAGE) --no-deps .
	@touch $@
