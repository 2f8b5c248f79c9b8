# make demo    the main job on the shipped trained network: compile, run, simulate, compare
# make test    every test
# make check   style, types, layers
# make fuzz    damaged files, random networks and programs, hostile names (SECURITY.md); MINUTES=20,
#              SEED=7; FULL=1: the counts that a release needs, about 40 minutes on two cores
# make mutants small faults, one at a time: does a test notice? COUNT=300, SEED=7; about an hour
# make docs    the documentation site, in out/site
# make venv    .venv with all that the above need (they call it themselves)
# make clean   removes what was generated; make distclean removes .venv too
#
# PYTHON=python3.12 chooses the interpreter; PYTEST="-k thresholds -x" passes options to the tests,
# which use every core ("-n 0": one process).

PYTHON ?= python3
PYTEST ?=
BIN := .venv/bin
STAMP := .venv/.filled-from-pyproject
# Only torch is sought here first: PyPI's build for Linux brings gigabytes of CUDA libraries.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)

.DELETE_ON_ERROR:
.PHONY: demo test check fuzz mutants docs venv clean distclean

demo: venv
	$(BIN)/python -m n2uqc.demo

test: venv
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST)

check: venv
	$(BIN)/ruff check n2uqc $(addprefix n2uqc/,frontend passes backends models studies) tests benchmarks
	$(BIN)/ruff format --check frontend passes backends models studies n2uqc tests benchmarks
	$(BIN)/mypy -p n2uqc
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

fuzz: venv
	$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(FULL),--full)

mutants: venv
	$(BIN)/python -m tests.mutation $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

docs: venv
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

venv: $(STAMP)

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "n2uqc needs python3 3.11 or later: sudo apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "n2uqc needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V). Another one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: sudo apt install python3-venv" >&2; exit 1; }
	@command -v gcc >/dev/null || { echo "no gcc found, which links the generated programs: sudo apt install gcc libc6-dev" >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --no-deps --retries 0 --timeout 20 --extra-index-url $(TORCH_INDEX) '$(TORCH)'
	$(BIN)/python -m pip install -e '.[demo,test]'
	@touch $@

clean:
	rm -rf out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf .venv
