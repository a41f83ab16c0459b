# Everything happens in a virtual environment of this checkout; the system's Python lends its
# interpreter and is not touched, whether it is externally managed or not.
#
#   make demo     fit and judge maps between the bundled face models (ARGS=--quick: a taste)
#   make test     run the tests, all but slow ones                  (ARGS="-k rotation -x")
#   make test-all run the slow ones, too
#   make lint     ruff and pyright
#   make bench    time against NumPy, write benchmarks/RESULTS.md   (ARGS=--tiny)
#   make docs     build the site into site/, running its tutorials  (ARGS="-d FOLDER")
#   make clean    remove the environment and what tools left behind; results stay

VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

.PHONY: demo test test-all lint bench docs clean

demo: $(VENV)/.base
	$(PY) -m experiments.canonical_faces $(ARGS)

test: $(VENV)/.test
	$(PY) -m pytest -n 2 --dist loadscope $(ARGS)

test-all: ARGS += -m "slow or not slow"
test-all: test

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright --pythonpath $(PY)

bench: $(VENV)/.test
	$(PY) -m benchmarks $(ARGS)

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(VENV)/.docs
	$(PY) -m mkdocs build --strict $(ARGS)

clean:
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each set of extras: installed again only when pyproject.toml has changed.
$(VENV)/.test: EXTRAS := [test]
$(VENV)/.dev: EXTRAS := [dev]
$(VENV)/.docs: EXTRAS := [docs]
$(VENV)/.base $(VENV)/.test $(VENV)/.dev $(VENV)/.docs: pyproject.toml | $(PY)
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip
	$(PY) -m pip install -e '.$(EXTRAS)'
	@touch $@

# Debian and Ubuntu ship Python without `ensurepip`: such a one cannot make an environment.
$(PY):
	@found=; \
	for python in python3.13 python3.12 python3.11 python3; do \
	  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    >/dev/null 2>&1 || continue; \
	  found=$${found:-$$python}; \
	  $$python -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	  echo "$$python -m venv $(VENV)"; \
	  exec $$python -m venv $(VENV); \
	done; \
	if [ -n "$$found" ]; then \
	  echo "$$found has no venv: install it (Debian, Ubuntu: apt install $$found-venv)." >&2; \
	else \
	  echo "jfacemap needs Python 3.11, 3.12 or 3.13, and there is none on the PATH." >&2; \
	fi; \
	exit 1
