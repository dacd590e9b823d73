# make env        the environment, from the lock, into .venv
# make reproduce  all results: Table 1, Figure 5 and the rest, into figures/
# make test       linter, tests of the package and of the notebooks
# make lint       the linter alone
# make lab        JupyterLab on the notebooks
# make weights    trains the weights of `toon` in data/pretrained/ again
# make paper      the paper's own experiment, on its own data; hours on a GPU. SOURCE=ZIP where the set lies here
# make clean      removes caches and build products; .venv and runs/ stay
# make help       this list

.PHONY: env reproduce test lint lab weights paper clean help check-python
.DEFAULT_GOAL := env

# The first Python on the path that fits; another one: make env PYTHON=/path/to/python3.12
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c "$(FITS)" >/dev/null 2>&1 && echo "$$python" && exit; done; echo python3)
FOUND = $(shell "$(PYTHON)" -c "import platform; print(platform.python_version())" 2>/dev/null)
BIN := .venv/bin

env: .venv/.ready

# The stamp is written last. Without it an earlier install was cut short, and the folder starts afresh; with an outdated
# one the lock or pyproject.toml has changed, and pip brings the folder up to date. setuptools is in the lock, so that
# the package itself builds without another download.
.venv/.ready: requirements.txt pyproject.toml | $(if $(wildcard .venv/.ready),,check-python)
	test -f $@ || "$(PYTHON)" -m venv --clear .venv
	rm -f $@
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

check-python:
	@$(if $(filter 3.11.% 3.12.% 3.13.%,$(FOUND)),:,$(error lineart needs Python 3.11, 3.12 or 3.13, got \
	$(or $(FOUND),none that runs) from PYTHON=$(PYTHON)))

# A person at a terminal may name a wrong Python although the environment is there: say so, too
ifneq ($(filter command%,$(origin PYTHON)),)
env: check-python
.venv/.ready: | check-python
endif

reproduce: env
	$(BIN)/lineart reproduce

# The committed figures stay as they are: results of the tests go to a folder that is removed at the end.
# Unit tests in two processes with one thread each: their networks are so small that threads only wait for each other.
# Notebooks one after the other: the last reads what another has written.
test: env lint
	@set -e; LINEART_FIGURES="$$(mktemp -d)"; export LINEART_FIGURES; \
	trap 'rm -rf "$$LINEART_FIGURES"' EXIT; trap 'exit 1' INT TERM; set -x; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests/; \
	$(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout=300 --nbval-current-env notebooks/

lint: env
	$(BIN)/ruff check

lab: env
	$(BIN)/jupyter lab notebooks/

weights: env
	$(BIN)/python benchmarks/train_weights.py

paper: PAPER := $(if $(SOURCE),--source "$(SOURCE)")
paper: env
	$(BIN)/lineart data prepare kaggle $(PAPER)
	$(BIN)/python benchmarks/train_weights.py --data kaggle $(PAPER) --out runs/paper $(if $(PRECISION),--precision $(PRECISION))
	$(BIN)/python benchmarks/extended_table.py --data kaggle --weights runs/paper
	$(BIN)/lineart compare figures/extended_kaggle.csv

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache htmlcov .coverage
	find . -name .venv -prune -o -name .git -prune -o -type d \
		\( -name __pycache__ -o -name .ipynb_checkpoints -o -name .pytest_cache \) -prune -exec rm -rf {} +

help:
	@sed -n '/^#/!q; s/^# //p' $(firstword $(MAKEFILE_LIST))
