# The two commands: `make compare` runs the main job, `make test` the tests; both make .venv first if it is missing.
#   make compare CORPUS=my.jsonl      your own traffic (several files: CORPUS="a.jsonl b.jsonl.gz")
#   make fuzz SECONDS=600             damaged bytes for everything that reads
#   make attack SECONDS=600           the message that costs most per byte
#   make lab ARGS=--no-browser        the notebooks; make notebooks ARGS=--check executes them on the stored run
#   make stored ARGS="--only wire"    remake what is published: runs, README, notebooks, picture; or one part of it
#   make compare ARGS="--rigorous"    more options of `serlab compare`
#   make test ARGS="-m 'not slow'"    the quick part of the tests; ARGS="-n 0 tests/codecs" one part, in one process
PYTHON ?=
CORPUS ?=
ARGS ?=
SECONDS ?= 60
SEED ?=
VENV := .venv
STAMP := $(VENV)/.ready
BIN := $(VENV)/bin

.PHONY: compare test setup extras lint lab notebooks stored fuzz attack bench schemas clean help

compare: $(STAMP)
	@$(BIN)/serlab compare --quick $(foreach file,$(CORPUS),--corpus "$(file)") $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist worksteal $(ARGS)

setup: $(STAMP)

# The stamp is written last: a set-up that was interrupted is made anew.
$(STAMP): requirements.lock pyproject.toml
	@python=$$(sh scripts/find-python "$(PYTHON)") || exit 1; \
	echo "serlab: making $(VENV) with $$python"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@echo "serlab: installing the pinned dependencies (about 600 MB of disk)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@echo "serlab: ready, try $(BIN)/serlab list"

# What only a part needs comes in addition: Jupyter for the notebooks, servers and clients for the service.
$(VENV)/.%: $(STAMP) requirements-%.lock
	@echo "serlab: installing what the $* need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-$*.lock
	@touch $@

extras: $(VENV)/.notebooks $(VENV)/.service

lab: $(VENV)/.notebooks
	$(BIN)/jupyter lab notebooks $(ARGS)

notebooks: $(VENV)/.notebooks
	$(BIN)/python scripts/notebooks.py $(ARGS)

stored: extras
	$(BIN)/python -m scripts.stored $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

attack: $(STAMP)
	$(BIN)/python -m tests.attack --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

bench: $(STAMP)
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-json=benchmarks.json $(ARGS)

schemas: $(STAMP)
	$(BIN)/python -m schemas.generate

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

help:
	@echo "make compare [CORPUS=FILE] [ARGS=...]  compare the codecs"
	@echo "make lab                                open the notebooks in JupyterLab"
	@echo "make notebooks [ARGS=--check]           execute them all; with --check write nothing, fail on stale outputs"
	@echo "make stored [ARGS=--only ...]           remake stored runs, README, notebooks and picture, on a quiet machine"
	@echo "make extras                             what notebooks and the service need; make test then skips nothing"
	@echo "make test | setup | lint | fuzz [SECONDS=60] | attack [SECONDS=60 SEED=] | bench | schemas | clean"
