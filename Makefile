# Everything from a bare clone. `make demo` and `make test` each do all the set-up that they need.
#
#   PYTHON=python3.12   another Python than python3 (3.11 or later)
#   SYNTHS=none         install no synths and use none but the built-in one

PYTHON ?= python3
SYNTHS ?= debian

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Where the demonstration keeps its library: never the user's own.
DEMO := $(CURDIR)/runs/demo-$(SYNTHS)

ifeq ($(SYNTHS),none)
DEMO_SYNTHS := faust
PYTEST_CHOICE := -m 'not plugin'
endif

.PHONY: help setup synths web demo test check lint types tests format clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    set everything up, match seven mixtures, write the page'
	@echo 'make test    set everything up, then lint, type-check and test'
	@echo 'make setup   only set everything up'
	@echo 'make web     bundle the page'\''s front end, if npm is there'
	@echo 'make lint | types | tests   one part of make test each'
	@echo 'make format  lay code out and mend what ruff can'
	@echo 'make clean   remove what was built; recorded sound and libraries stay'
	@echo 'SYNTHS=none  declines the Debian synths: the built-in synth serves'

setup: synths $(READY)

synths:
	@SYNTHS=$(SYNTHS) sh tools/install-synths.sh

# The stamp is younger than what decides the environment's contents, or the environment is brought up to date.
$(READY): setup.cfg pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo 'error: there is no $(PYTHON); install Python 3.11 or later.' >&2; exit 1; }
	@$(PYTHON) tools/prerequisites.py
	@echo 'Setting up the virtual environment in $(VENV); the first time this takes a few minutes.'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'setuptools>=77' -e '.[dev]'
	@# Without what it needs: PyAudio, which is built against PortAudio and only used to play sound live.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'tinysoundfont>=0.3.6' \
	    || echo 'tinysoundfont could not be installed: SoundFonts are not rendered, and their tests are skipped.'
	@touch $@

# The waveform of the page is other people's work, which npm fetches and esbuild bundles; without npm, the page has the
# browser's own player. Outside the package, so that no wheel takes it for data.
BUNDLER := .web
BUNDLE := synthmatch/web/bundle

web: $(BUNDLE)/main.js

$(BUNDLE)/main.js: $(wildcard synthmatch/web/frontend/*)
	@rm -rf $(BUNDLE); mkdir -p $(BUNDLER); cp synthmatch/web/frontend/* $(BUNDLER)/; \
	{ command -v npm >/dev/null && cd $(BUNDLER) && \
	  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && node build.js ../$(BUNDLE); } \
	|| echo 'The page goes without its waveform, since npm is missing or failed (on Debian: apt-get install npm).'

demo: setup web
	@SYNTHMATCH_HOME='$(DEMO)' $(BIN)/synthmatch library add $(DEMO_SYNTHS)
	@SYNTHMATCH_HOME='$(DEMO)' $(BIN)/synthmatch demo --out '$(DEMO)/demo.html'
	@echo 'To find presets for songs of yours, on a page or as a table:'
	@echo "  $(BIN)/synthmatch serve --library '$(DEMO)/library'"
	@echo "  $(BIN)/synthmatch match song.mp3 --library '$(DEMO)/library' --report found.html"

test: setup web
	@$(MAKE) --no-print-directory lint types tests SYNTHS=$(SYNTHS)

check: test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# What ships is what is checked: mypy sees the nested packages only in an installed copy.
types: $(READY)
	@rm -rf build
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    --target build/typed .
	cd build/typed && ../../$(BIN)/mypy --config-file ../../setup.cfg --cache-dir ../../.mypy_cache --strict -p synthmatch

# Two tests at a time, each on one core; one file stays in one process, so that what its tests share is made once.
tests: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile $(PYTEST_CHOICE)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist $(BUNDLER) $(BUNDLE) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(READY)
