# make demo    the main job on a small live service, in a temporary repository
# make test    the tests, with branch coverage
# make check   everything else that CI does: lint, types, imports, schemas, our own safety gate
# make oldest  what knows pytest from inside, on the oldest pytest that we support
# make bench   the figures that we hold to

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

OLD := .venv-oldest
NOT_OF_PYTEST := test_reuse.py test_neighbours.py canary checks fixtures
OLD_READY := $(OLD)/.ready

.PHONY: demo test oldest check bench lint types imports schemas gate clean

demo: $(READY)
	@$(BIN)/pytest-rollback demo

test: $(READY)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

oldest: $(OLD_READY)
	$(OLD)/bin/pytest -q -n auto tests/session $(patsubst %,--ignore=tests/session/%,$(NOT_OF_PYTEST))

bench: $(READY)
	cd benchmarks && ../$(BIN)/python idle.py && ../$(BIN)/python active.py && ../$(BIN)/python ledger.py && ../$(BIN)/python staged.py \
	  && ../$(BIN)/python performance.py && ../$(BIN)/python memory.py && ../$(BIN)/python canaries.py

check: lint types imports schemas gate

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy
	cd examples/chat && MYPYPATH=.:tests ../../$(BIN)/mypy --strict chat tests
	cd examples/library && ../../$(BIN)/mypy --strict money.py tests
	cd examples/evidence && MYPYPATH=. ../../$(BIN)/mypy --strict conftest.py greeting.py tests

imports: $(READY)
	$(BIN)/lint-imports

schemas: $(READY)
	@for subject in policy report; do \
	  $(BIN)/pytest-rollback schema $$subject | diff docs/$$subject.schema.json - \
	    || { echo "docs/$$subject.schema.json is stale; run: $(BIN)/pytest-rollback schema $$subject > docs/$$subject.schema.json"; exit 1; }; \
	done

gate: $(READY)
	$(BIN)/pytest --safety-gate -q

# One environment for all, made when there is none and made anew when what it holds has changed.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed; run: make PYTHON=python3.11 ..." if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

$(OLD_READY): pyproject.toml
	$(PYTHON) -m venv --clear $(OLD)
	$(OLD)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' 'pytest==9.0.*'
	@touch $(OLD_READY)

clean:
	rm -rf $(VENV) $(OLD) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
