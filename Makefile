# make demo   the quickstart notebook, executed: build/quickstart.html and build/runs.csv
# make lab    JupyterLab on the notebook
# make test   every test; `make test-core` leaves out browser and contract tests
# make bench  speed, as ratios against the official SDK
# make lint   ruff and mypy

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check --editable

.PHONY: demo lab test test-core bench lint clean

demo: $(VENV)/.notebook
	$(RUN) notebooks/run.py notebooks/01_quickstart.ipynb

lab: $(VENV)/.notebook
	$(RUN) -m jupyterlab notebooks/01_quickstart.ipynb

test: $(VENV)/.test
	$(RUN) -m pytest --cov

test-core: $(VENV)/.test
	$(RUN) -m pytest -m "not browser and not contract"

bench: $(VENV)/.test
	$(RUN) tests/benchmarks/run.py

lint: $(VENV)/.test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# A stamp for each set of dependencies, so that a second run installs nothing.
$(VENV)/.notebook: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[notebook]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[test]'
	@touch $@ $(VENV)/.notebook

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build .coverage .mypy_cache .ruff_cache .hypothesis
