# Multiturn's commands; `make` alone lists them. A machine needs Python 3.11 or newer, git, make and a package index.
#
#   PYTHON=python3.13   the interpreter that .venv is made with      ARGS="..."   handed on to the command
#   WORKERS=4           processes that test and test-fast run in, three for two cores: a good part of a test is waiting.
#                       --pdb and -s want ARGS="-n 0 ..."

PYTHON ?= python3
WORKERS ?= 3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

# Quiet, and quick: bytecode is written when a module is first used.
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile
# A file of tests stays in one process: its tests share a server. They go in their order, which has the quick ones (unit)
# last: by number of tests, the few long ones would be left to one process at the end.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --group build \
	--no-annotate --no-emit-index-url --custom-compile-command "make lock" --quiet $(UPGRADE)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run dev test test-fast test-models test-crash check format bench bench-context bench-knowledge bench-agents lock clean

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*##/\1 /p' $(MAKEFILE_LIST) | while read -r name text; do printf '%-12s %s\n' "$$name" "$$text"; done

run: $(RUNTIME)  ## start the server with models of its own, print a key, ask three questions over examples/collection
	@$(BIN)/multiturn serve --example examples/collection $(ARGS)

dev: $(RUNTIME)  ## start the server and restart it when a file changes
	@$(BIN)/multiturn serve --reload $(ARGS)

test: check  ## run the static checks and all tests but test-models, test-memory and test-crash
	@$(PYTEST) $(ARGS)

test-fast: $(DEV)  ## run what takes seconds: unit, house and contract tests, on SQLite
	@$(PYTEST) --ignore=tests/e2e -m "not (models or models_long or crash_long or postgres or node or slow)" $(ARGS)

test-models: $(DEV)  ## run the conversation over the default embedded model (fetches 491 MB once)
	@$(BIN)/python -m pytest -m models $(ARGS)

test-memory: $(DEV)  ## talk 300 turns with the default embedded model and ask for what turn 3 said
	@$(BIN)/python -m pytest -m models_long $(ARGS)

test-crash: $(DEV)  ## kill the server a hundred times and look for lost turns
	@$(BIN)/python -m pytest -m crash_long $(ARGS)

check: $(DEV)  ## run the static checks: ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(DEV)  ## format the code, and mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(DEV)  ## measure the server on this machine
	@$(BIN)/python -m tests.bench $(ARGS)

bench-context: $(DEV)  ## measure contexts and recall (public benchmarks, in ../shared/data unless ARGS="--data FOLDER")
	@$(BIN)/python -m tests.bench recall evidence prefix assembling recalling_turns strict $(ARGS)

bench-knowledge: $(DEV)  ## measure search, uploads, media and citations (public benchmarks, as bench-context)
	@$(BIN)/python -m tests.bench mtrag scale adding media upload citations $(ARGS)

bench-agents: $(DEV)  ## measure runs of agents: a step of the loop, 500 at once, pages of a long session
	@$(BIN)/python -m tests.bench loop many_runs messages $(ARGS)

lock: $(DEV)  ## pin what pyproject.toml and package.json ask for (UPGRADE=--upgrade takes the newest)
	@$(LOCK) --output-file constraints/runtime.txt
	@$(LOCK) --extra dev --constraints constraints/runtime.txt --output-file constraints/dev.txt
	@$(BIN)/python -m tests.node

clean:  ## remove the environment and everything that tools left here; the server's data stays
	@rm -rf $(VENV) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp a set of pins, made anew when the pins or the package's own metadata change.
$(VENV)/.%: constraints/%.txt pyproject.toml sdk/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@echo "Installing into $(VENV) what constraints/$*.txt pins ..."
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r constraints/$*.txt
	@$(PIP_INSTALL) --no-build-isolation --no-deps -e . $(if $(filter dev,$*),-e ./sdk)
	@touch $@
