# make demo: the app on http://127.0.0.1:7860     make test: the tests     make lint: ruff and mypy
# Another Python than python3: make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint fuzz load audit lock torture chromium

demo: $(VENV)/runtime-installed
	$(BIN)/python app.py

test: $(VENV)/dev-installed chromium
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Training, killed 20 times and worse; ARGS="--kills 5 --only kills clock" for a part of it.
torture: $(VENV)/dev-installed
	$(BIN)/python tests/stress/torture.py $(ARGS)

# Ten minutes of inputs that nobody meant; ARGS="--seconds 60 --only photo" for less.
fuzz: $(VENV)/dev-installed
	$(BIN)/python tests/stress/fuzz.py $(ARGS)

# 50 clients for 3 minutes; ARGS="--clients 8 --seconds 20" for less.
load: $(VENV)/runtime-installed
	$(BIN)/python tests/stress/load.py $(ARGS)

# Known vulnerabilities of what requirements.lock names; exit status 3 where advisories can't be reached.
audit: $(VENV)/audit/installed
	$(BIN)/python tools/audit.py --pip-audit $(VENV)/audit/bin/pip-audit $(ARGS)

# After a change of the packages in pyproject.toml.
lock: $(VENV)/audit/installed
	$(BIN)/python tools/pins.py > requirements.txt
	{ head -2 requirements.lock; $(VENV)/audit/bin/uv pip compile --quiet --generate-hashes --no-annotate --no-header \
		--python-version 3.12 --python-platform x86_64-manylinux_2_28 requirements.txt; } > $(VENV)/audit/lock
	mv $(VENV)/audit/lock requirements.lock

$(VENV)/audit/installed: | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit==2.10.1 uv==0.13.9
	touch $@

# -c: the tested versions of what pyproject.toml gives a lower bound; -e: the code that runs is this folder's.
$(VENV)/runtime-installed: pyproject.toml requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c requirements.txt -e ".[app]"
	touch $@

$(VENV)/dev-installed: pyproject.toml requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c requirements.txt -e ".[dev]"
	touch $@ $(VENV)/runtime-installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# The test of the app drives a browser.
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	else \
		echo "No chromium: the test of the app in a browser is skipped. On Debian: sudo apt-get install chromium"; \
	fi
