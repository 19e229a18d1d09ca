# make demo       the quickstart notebook, executed: build/quickstart.html and build/runs.csv
# make lab        JupyterLab on the notebook
# make test       the tests without a browser; TESTS="tests/fetch tests/decode" for a
#                 part, OPTIONS=--hypothesis-profile=long for longer searches
# make lint       ruff, mypy, and TypeScript on page.js (needs Node.js)
# make coverage   the branches that no test of the core takes; fails below 95 %
# make browsers   the pages in Chromium: JupyterLab, Notebook 7, Voilà, marimo, the widget loaders of
#                 VS Code and Colab, and a saved notebook on GitHub
# make docs       the pages, every cell executed: build/docs/index.html, and the README's picture;
#                 fails on an error, a warning or a dead link
# make bench      speed, as ratios against the official SDK
# make mutants    breaks the library on purpose, for nine minutes; SEED=1 for other places, and
#                 ROOM=comparison.gate MINUTES=30 for all places of a room
#
# And now and then: `make rates` (the study that finds the rates in the pages; commit first), `make
# studies` (whether these rates hold their bounds, and whether the benchmarks run), `make dashboard`
# (all workflows on one page, as an app), `make soak` (faults, forks, worlds: eight minutes), `make
# test-floors` (the lowest versions that pyproject.toml allows), `make test-slim` (the small
# installation for CI), `make test-newest-sdk` (whether the newest SDK agrees with the contract),
# `make dist` (wheel and sdist), `make clean`.

PYTHON ?= python3
VENV ?= .venv
FLOORS = .venv-floors
NEWEST = .venv-newest-sdk
SLIM = .venv-slim
VOILA ?=
SEED ?= 0
MINUTES ?= 9
ROOM ?=
SUITES ?= 60
# Those of the procedures that the pages recommend.
MANY ?= 400
PROCESSES ?= 2
# A closed page does not end its kernel: cull it after ten minutes.
CULL = --MappingKernelManager.cull_idle_timeout=600 --MappingKernelManager.cull_interval=60
RUN = $(VENV)/bin/python
# One more than the cores: tests wait for a server or a program a quarter of the time. A file's tests
# go to one process, which makes their shared fixtures only once.
WORKERS = $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
PARALLEL = --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder
TESTS ?=
OPTIONS ?=
CORE = -m "not browser and not contract and not study"
PIP = $(RUN) -m pip install --quiet --disable-pip-version-check
INSTALL = $(PIP) --editable

.PHONY: demo lab dashboard docs test browsers studies rates coverage test-floors test-newest-sdk test-slim dist soak bench lint node node-hosts mutants clean

demo: $(VENV)/.notebook
	$(RUN) notebooks/run.py notebooks/01_quickstart.ipynb

lab: $(VENV)/.notebook
	$(RUN) -m jupyterlab notebooks/01_quickstart.ipynb

dashboard: $(VENV)/.dashboard
	$(RUN) -m voila notebooks/04_dashboard.ipynb --Voila.ip=127.0.0.1 $(CULL) $(VOILA)

docs: $(VENV)/.docs docs/answer.png
	rm -rf build/docs
	$(RUN) -m sphinx --fail-on-warning --keep-going --nitpicky --jobs=2 --quiet docs build/docs

# The README's picture, if the answer may look different.
docs/answer.png: docs/picture.py README.md $(wildcard retab_analysis/comparison/*.py retab_analysis/render/*) | $(VENV)/.docs
	$(RUN) docs/picture.py
	@touch $@

# The frames of tests are small: polars' own threads would only wait for one another. `make coverage`
# and `make studies` have them.
test: $(VENV)/.test
	POLARS_MAX_THREADS=1 $(RUN) -m pytest $(PARALLEL) --ignore=tests/browser -m "not study" $(OPTIONS) $(TESTS)

# A browser and a kernel need a core each: two files run at a time.
browsers: $(VENV)/.test node-hosts
	$(RUN) -m pytest $(PARALLEL) --numprocesses=2 -m browser $(TESTS)

studies: $(VENV)/.test
	$(RUN) -m pytest $(PARALLEL) -m study $(TESTS)

# Writes docs/_rates.json, and renews the rates in README.md and in the pages. Run it after a change of
# the model or of the study. It takes half an hour of one core.
rates: $(VENV)/.test
	$(RUN) tests/simulation/musts.py --suites $(SUITES) --many $(MANY) --seed 101 --processes $(PROCESSES) --write
	$(RUN) docs/rates.py

# Separate, because a test takes half as long again while its branches are noted.
coverage: $(VENV)/.test
	$(RUN) -m pytest $(PARALLEL) $(CORE) --cov

# With the lowest versions of the dependencies that we name, not with the newest that fit.
test-floors: $(FLOORS)/.floors
	$(FLOORS)/bin/python -m pytest $(PARALLEL) $(CORE) $(TESTS)

# Whether `check` needs only the packages in slim.txt, in an environment with nothing else.
test-slim: $(VENV)/bin/python
	$(PYTHON) -m venv --clear --without-pip $(SLIM)
	$(RUN) -m pip --python $(SLIM)/bin/python install --quiet --disable-pip-version-check \
		--no-deps -r slim.txt .
	$(SLIM)/bin/python -I tests/slim.py

# The contract and the newest SDK's models, which may differ from the version of the tests.
test-newest-sdk: $(NEWEST)/.test
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade retab
	$(NEWEST)/bin/python -m pytest tests/test_official_sdk.py \
		-k "contract_has or words_that_we_compute"

# Into an empty folder: no old file may be published.
dist: $(VENV)/bin/python
	rm -rf dist
	$(PIP) 'pip>=25.1'
	$(PIP) --group release
	$(RUN) -m build --outdir dist
	$(RUN) -m twine check --strict dist/*

soak: $(VENV)/.test
	$(RUN) tests/soak/run.py

bench: $(VENV)/.test
	$(RUN) tests/benchmarks/run.py

lint: $(VENV)/.test node
	node_modules/.bin/tsc
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

mutants: $(VENV)/.mutants
	$(RUN) tests/mutants.py $(SEED) $(MINUTES) $(ROOM)

# A stamp for each set of dependencies: a second run installs nothing.
$(VENV)/.notebook: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[notebook]'
	@touch $@

$(VENV)/.dashboard: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[dashboard]'
	@touch $@ $(VENV)/.notebook

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(PIP) 'pip>=25.1'  # which knows groups
	$(INSTALL) '.[dashboard,excel]' --group test
	@touch $@ $(VENV)/.notebook $(VENV)/.dashboard

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/python
	$(PIP) 'pip>=25.1'
	$(INSTALL) '.[notebook,excel]' --group docs
	@touch $@ $(VENV)/.notebook

$(VENV)/.mutants: pyproject.toml | $(VENV)/bin/python
	$(PIP) 'pip>=25.1'
	$(INSTALL) '.[dashboard,excel]' --group mutants
	@touch $@ $(VENV)/.notebook $(VENV)/.dashboard $(VENV)/.test

$(NEWEST)/.test: pyproject.toml | $(NEWEST)/bin/python
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[dashboard,excel]' --group test
	@touch $@

$(FLOORS)/.floors: pyproject.toml | $(FLOORS)/bin/python
	$(FLOORS)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(FLOORS)/bin/python -m uv pip install --quiet --python $(FLOORS)/bin/python \
		--resolution lowest-direct --editable '.[dashboard,excel]' --group test
	@touch $@

# The checks of page.js, and of the views' accessibility. Versions are in package.json. Without
# Node.js the tests that need it are skipped, and `make lint` says so.
node node-hosts:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(STAMP_$@); \
	else echo "There is no Node.js here (apt-get install nodejs npm): $(UNCHECKED_$@)."; \
	test -z "$(findstring lint,$(MAKECMDGOALS))$(CI)"; fi

STAMP_node = node_modules/.installed
STAMP_node-hosts = node_modules/.hosts
UNCHECKED_node = page.js is not checked
UNCHECKED_node-hosts = VS Code, Colab and GitHub are left out

NPM = npm install --no-package-lock --no-audit --no-fund --silent

node_modules/.installed: package.json
	$(NPM) --omit=dev
	@touch $@

# The widgets' scripts of other hosts, which are large: only `make browsers` needs them.
node_modules/.hosts: package.json
	$(NPM)
	@touch node_modules/.installed $@

%/bin/python:
	$(PYTHON) -m venv $*

clean:
	rm -rf $(VENV) $(FLOORS) $(NEWEST) $(SLIM) node_modules build dist mutants .coverage .mypy_cache .ruff_cache .hypothesis
