# make env        the environment, from the lock, into .venv; without a network from a wheelhouse: WHEELS=wheelhouse
# make wheelhouse all that the lock names for this platform and this Python, into wheelhouse/ or WHEELS=FOLDER
# make reproduce  all results: Table 1, Figure 5 and the rest, compared with those in figures/
# make test       linter, tests of the package and of the notebooks
# make lint       the linter alone
# make lab        JupyterLab on the notebooks
# make studio     the page in the browser, as a folder for any static host: site/studio; needs npm
# make student    the notebooks without solutions, to work in, into student/; again after git pull
# make slides     the notebooks as slides, into slides/; needs npm
# make site       the course as web pages, in site/_build/html; with the studio, where that is built
# make weights    trains the networks of `toon` again, with the whole loss, into data/pretrained/; hours
# make paper      the paper's own experiment, on its own data; hours on a GPU. SOURCE=ZIP where the set lies here
# make clean      removes caches and build products; .venv and runs/ stay
# make help       this list

.PHONY: env wheelhouse reproduce test lint lab studio site student slides weights paper clean help check-python
.DEFAULT_GOAL := env

# The first Python on the path that fits; another one: make env PYTHON=/path/to/python3.12
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c "$(FITS)" >/dev/null 2>&1 && echo "$$python" && exit; done; echo python3)
FOUND = $(shell "$(PYTHON)" -c "import platform; print(platform.python_version())" 2>/dev/null)
BIN := .venv/bin
FROM := $(if $(WHEELS),--no-index --find-links "$(WHEELS)")

env: .venv/.ready

# The stamp is written last. Without it an earlier install was cut short, and the folder starts afresh; with an outdated
# one the lock or pyproject.toml has changed, and pip brings the folder up to date. setuptools is in the lock, so that
# the package itself builds without another download.
.venv/.ready: requirements.txt pyproject.toml | $(if $(wildcard .venv/.ready),,check-python)
	@test -z "$(WHEELS)" || test -d "$(WHEELS)" || { echo 'WHEELS must be a folder of wheels, got $(WHEELS)'; exit 1; }
	test -f $@ || "$(PYTHON)" -m venv --clear .venv
	rm -f $@
	$(BIN)/python -m pip install --disable-pip-version-check $(FROM) --require-hashes -r requirements.txt
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

# By the Python of .venv, which need not be ready. setuptools, which builds the package itself, is in the lock.
wheelhouse: check-python
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip download --disable-pip-version-check --require-hashes -r requirements.txt \
		--dest "$(or $(WHEELS),wheelhouse)"

reproduce: env
	$(BIN)/lineart reproduce

# Results of the tests go to a folder that is removed at the end. It starts as a copy of the committed ones, so that the
# notebook on claims finds a Table 1 without waiting for the one that makes it. Everything runs in two processes with one
# thread each: what is so small only waits for other threads. Three notebooks take longer than all others together and
# compare nothing that depends on how long they train and how many pictures they measure: they run at the smallest size.
NBVAL := -m pytest --nbval-lax --nbval-cell-timeout=300 --nbval-current-env -n 2 --dist loadscope
LONG := $(sort $(wildcard $(addprefix notebooks/,08*.ipynb 09*table_1.ipynb 11*.ipynb)))

test: env lint
	@set -e; folder="$$(mktemp -d)"; trap 'rm -rf "$$folder"' EXIT; trap 'exit 1' INT TERM; cp -R figures "$$folder"; \
	export LINEART_FIGURES="$$folder/figures" LINEART_STATIC=1 OMP_NUM_THREADS=1; \
	export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=1073741824; set -x; \
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/; \
	LINEART_PROFILE=smoke $(BIN)/python $(NBVAL) $(LONG); \
	$(BIN)/python $(NBVAL) $(filter-out $(LONG),$(wildcard notebooks/*.ipynb))

lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check

lab: env
	$(BIN)/jupyter lab notebooks/

studio: env
	$(BIN)/lineart studio build

student: env
	$(BIN)/lineart course student student

slides: env teaching/slides/node_modules
	$(BIN)/lineart course slides slides

teaching/slides/node_modules: teaching/slides/package-lock.json
	npm ci --prefix teaching/slides --ignore-scripts --no-audit --no-fund
	touch $@

site: env
	$(BIN)/python site/build.py

weights: env
	$(BIN)/python benchmarks/train_weights.py

paper: PAPER := $(if $(SOURCE),--source "$(SOURCE)")
paper: env
	$(BIN)/lineart data prepare kaggle $(PAPER)
	$(BIN)/python benchmarks/train_weights.py --data kaggle $(PAPER) --out runs/paper $(if $(PRECISION),--precision $(PRECISION))
	$(BIN)/python benchmarks/extended_table.py --data kaggle --weights runs/paper
	$(BIN)/lineart compare runs/classroom/figures/extended_kaggle.csv

clean:
	rm -rf build dist site/_build *.egg-info .pytest_cache .ruff_cache htmlcov .coverage
	find . -name .venv -prune -o -name .git -prune -o -type d \
		\( -name __pycache__ -o -name .ipynb_checkpoints -o -name .pytest_cache \) -prune -exec rm -rf {} +

help:
	@sed -n '/^#/!q; s/^# //p' $(firstword $(MAKEFILE_LIST))
