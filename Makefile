# The two commands: make demo, make test. Everything else is for people who work on the project.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Of pytest, a file of tests each at a time: most tests wait for boards, servers and windows of time.
WORKERS ?= 2

.PHONY: demo test check bench soak audit ui clean lock format wheel
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up, then run mobilenetv2 and digits x four optimizations on this machine"
	@echo "make test    set up, then run all tests"
	@echo "make check   formatter, linter, types"
	@echo "make bench   speed of the orchestrator itself, as ratios"
	@echo "make soak    faults of every kind until 200 have hit, and a fuzz of all readers (about 45 minutes)"
	@echo "make audit   known vulnerabilities of the locked packages (asks a service on the internet)"
	@echo "make ui      open the results in MLflow (http://127.0.0.1:5000)"
	@echo "make clean   remove what these made here (results stay)"

# Hashed and without dependency resolution: what is installed is what was locked.
$(READY): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	$(BIN)/python -m orchestrator -m +experiment=quickstart

test: $(READY)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m benchmarks

soak: $(READY)
	FUZZ_INPUTS=10000 $(BIN)/python -m pytest tests/fuzz
	$(BIN)/python -m tests.faults --faults $(or $(FAULTS),200) --seed $(or $(SEED),1)

audit: $(READY)
	$(BIN)/pip-audit --requirement requirements.txt --no-deps --disable-pip --progress-spinner off

ui: $(READY)
	@echo "the runs: http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(or $(ORCHESTRATOR_HOME),$(CURDIR))/mlflow.db --host 127.0.0.1 --port 5000

wheel: $(READY)
	$(BIN)/python -m build --wheel --no-isolation

# Names neither an index nor a host: whatever pip is configured for is used.
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade --output-file requirements.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
