# Two environments: .venv runs the flow (.env-* hold packages of single front ends that do not go
# together with its own); .venv-board is the twin's, with the genuine pynq, whose
# numpy (< 2) does not go together with TensorFlow's. Twins with other versions of pynq have their
# own, .venv-board-VERSION. Exact versions are in constraints/. pynq comes as source: older versions
# of pip would build it another way than newer ones, and complain.
PYTHON ?= python3
VENV := .venv
BOARD_VENV := .venv-board
OTHER_PYNQ := 3.0.1 4.0.0
# pynq 3.1 pins packages that have no wheels for Python 3.13 and later.
BOARD_PYTHON ?= $(firstword $(foreach python,$(PYTHON) python3.12 python3.11,\
  $(shell $(python) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
  2>/dev/null && echo $(python))))
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest --no-loadscope-reorder
PIP_INSTALL := -m pip --disable-pip-version-check install --quiet

.PHONY: help env mlflow-env env-qkeras env-keras2 env-pytorch board-env board-envs envs demo up down test suite test-slow lint docs results bench chaos twin-stop clean
.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml constraints/host.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "overlayflow needs Python 3.11 or later; say which: make PYTHON=python3.11"; exit 1; }
	@echo "setting up $(VENV) (once; about 4 GB, a few minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) --constraint constraints/host.txt --editable '.[dev]'
	@touch $@

define set-up-board
	@test -n "$(BOARD_PYTHON)" || { echo "the twin needs Python 3.11 or 3.12 beside this one;" \
	  "say which: make BOARD_PYTHON=python3.12"; exit 1; }
	@echo "setting up $(@D) (once)"
	$(BOARD_PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP_INSTALL) --use-pep517 --requirement $<
	@touch $@
endef

$(BOARD_VENV)/.installed: constraints/board.txt
	$(set-up-board)

$(BOARD_VENV)-%/.installed: constraints/board-%.txt
	$(set-up-board)

.env-%/.installed: constraints/%.txt $(VENV)/.installed
	$(BIN)/python $(PIP_INSTALL) --no-deps --upgrade --target $(@D) --requirement $<
	@touch $@

.env-pytorch/.installed: $(VENV)/.installed
	$(BIN)/python $(PIP_INSTALL) --constraint constraints/host.txt --editable '.[pytorch]'
	@mkdir -p $(@D) && touch $@

env: $(VENV)/.installed  ## set up the host's environment
env-qkeras: .env-qkeras/.installed  ## read QKeras models in files of Keras 3, too
env-keras2: .env-keras2/.installed  ## read QKeras 0.9, HGQ 1, GarNet and pruned models of Keras 2, too
env-pytorch: .env-pytorch/.installed  ## read programs of torch.export, too (700 MB)
board-env: $(BOARD_VENV)/.installed  ## set up the twin's environment
board-envs: board-env $(OTHER_PYNQ:%=$(BOARD_VENV)-%/.installed)  ## the same for every pynq
envs: env board-envs mlflow-env env-qkeras env-keras2 env-pytorch  ## all environments (6 GB)

.venv-mlflow/.installed: constraints/mlflow.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP_INSTALL) --requirement $<
	@touch $@

mlflow-env: .venv-mlflow/.installed  ## set up the MLflow server of `overlayflow up --mlflow` (900 MB)

demo: env board-env  ## the main job: a digits model, from Keras to numbers from the twin board
	@$(BIN)/overlayflow twin start
	@$(BIN)/overlayflow run examples/digits/digits.keras \
	  --data examples/digits/digits.npz --board twin

up: env board-env  ## Prefect server, workers and twin, with all deployments; prints the address
	@$(BIN)/overlayflow up

down: env  ## stop what `make up` started; runs and schedules stay
	@$(BIN)/overlayflow down

test: env board-env  ## lint, and every test but the slow ones
	@$(MAKE) --no-print-directory --jobs 2 lint suite

suite:
	$(PYTEST) -n 3 -m 'not slow'

test-slow:  ## what needs root, another Python, a browser, a container or > 20 s
	@$(MAKE) --no-print-directory --jobs 2 envs
	$(PYTEST) -n 4 -m slow

lint: env  ## ruff, mypy --strict, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: env  ## the documentation as a site, site/index.html; a broken link fails
	$(BIN)/python -m deployments.cli.reference docs/reference
	$(BIN)/zensical build --strict

bench: env board-env  ## measure speed and size against their budgets
	$(BIN)/python -m bench

results: env board-env env-keras2  ## measure the figures of docs/results.md again, and write them there
	@$(BIN)/overlayflow twin start
	$(BIN)/python -m bench.results

chaos: env board-env  ## kill runs, race for boards and load the store; count what went wrong
	$(BIN)/python -m bench.chaos

twin-stop: env  ## stop the twin
	$(BIN)/overlayflow twin stop

clean:  ## remove all environments
	rm -rf $(VENV) .env-qkeras .env-keras2 .env-pytorch $(BOARD_VENV) $(OTHER_PYNQ:%=$(BOARD_VENV)-%) .venv-mlflow
