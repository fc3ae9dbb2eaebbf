# Everything that people and CI do here. `make` alone lists it.
# Needs Python 3.11 or newer and make; a cluster for tests also needs Docker, or Go with root on Debian.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help venv test test-unit test-contract test-e2e crash faults soak bench profile demo demo-down image cluster-up cluster-down lint audit generate clean

PYTHON ?= python3
# Extra words for pytest, as in: make test-unit ARGS="-k durations"
ARGS ?=
# How long `make soak` takes, and its seed: another one each time.
MINUTES ?= 30
SEED ?=
# The cluster of cluster-up and cluster-down; several run side by side.
NAME ?= stanch

# The same place as tests/cluster/paths.py: downloads and built programs are kept outside the checkout.
CACHE := $(or $(STANCH_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/stanch)
UV_VERSION := 0.13.8
OWN_UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
# A uv that is on the path and works; else one of our own.
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),$(OWN_UV))

BIN := .venv/bin
SYNCED := .venv/.synced
PYTEST := $(BIN)/pytest $(ARGS)
# On every core; of what waits for a cluster most of the time, two for each core.
PARALLEL := -n auto --dist worksteal
WAITING := -n $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN)))) --dist worksteal
# Its progress is shown before the tests begin: of what one of several processes says nothing is seen.
ON_CLUSTER := $(BIN)/python -m tests.cluster with --name "$(or $(STANCH_TEST_CLUSTER),stanch-test)" --

export PYTHONUNBUFFERED := 1

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(SYNCED) ## Install the Python environment into .venv (gets uv where it is missing)

$(SYNCED): pyproject.toml uv.lock | $(UV)
	@echo "installing the locked Python packages into .venv"
	@$(UV) sync --frozen
	@touch $@

$(OWN_UV):
	@echo "uv is not on the path: installing uv $(UV_VERSION) into $(CACHE)"
	@$(PYTHON) -m venv --clear "$(CACHE)/uv-$(UV_VERSION)" || \
		{ echo "python3 -m venv does not work here: install uv, or Debian's python3-venv" >&2; exit 1; }
	@"$(CACHE)/uv-$(UV_VERSION)/bin/python" -m pip install "uv==$(UV_VERSION)"

test: lint ## Lint, audit, then all tests below bench, on a real cluster that comes and goes; at the end what is proven
	@$(BIN)/python -m tests.advisories --where-reachable
	@echo "building what the test cluster is made of, Helm and an S3 server, fetching CRDs (kept in $(CACHE); minutes the first time)"
	@$(BIN)/python -m tests.cluster build
	@$(BIN)/python -m tests.chart --helm >/dev/null
	@$(BIN)/python -m tests.s3 >/dev/null
	@$(BIN)/python -m tests.others >/dev/null
	@STANCH_MUTATIONS=all $(ON_CLUSTER) $(PYTEST) tests --ignore=tests/bench --requirements $(WAITING)

test-unit: venv ## Tests without a cluster but the long ones, searching less far, on every core; changes nothing on the machine
	@$(PYTEST) tests/unit -m "not long" --hypothesis-profile=quick $(PARALLEL)

test-contract: venv ## Tests against a real API server
	@$(BIN)/python -m tests.chart --helm >/dev/null
	@$(BIN)/python -m tests.s3 >/dev/null
	@$(BIN)/python -m tests.others >/dev/null
	@$(PYTEST) tests/contract

test-e2e: venv ## Tests on real pods
	@$(BIN)/python -m tests.chart --helm >/dev/null
	@$(BIN)/python -m tests.s3 >/dev/null
	@$(BIN)/python -m tests.others >/dev/null
	@$(ON_CLUSTER) $(PYTEST) tests/e2e $(WAITING)

crash: venv ## Kill the operator after every single API write of an incident's life, in each of four stories (an hour or two)
	@STANCH_CRASH_POINTS=all $(PYTEST) tests/e2e/test_crash.py -s -o faulthandler_timeout=0

faults: venv ## Whole incidents while requests to the API server go wrong, several for each kind of fault (minutes)
	@STANCH_FAULT_LIVES=5 $(PYTEST) tests/e2e/test_faults.py -s -o faulthandler_timeout=0

soak: venv ## Random incidents, faults and kills for a while, judged from the API server's audit log (MINUTES=30)
	@STANCH_SOAK_MINUTES="$(MINUTES)" STANCH_SOAK_SEED="$(or $(SEED),$(shell date +%s))" $(PYTEST) tests/e2e/test_soak.py -s -o faulthandler_timeout=0

bench: venv ## Measure stanch against a Go operator and a script: table, JSON, SVG (hours; ARGS="--scale brief" minutes)
	@$(ON_CLUSTER) $(BIN)/python -m tests.bench $(ARGS)

profile: venv ## Where the operator's processor time goes in a burst of Incidents (ARGS="--incidents 500")
	@$(ON_CLUSTER) $(BIN)/python -m tests.bench.profiling $(ARGS)

demo: venv ## A broken release on a real cluster, mitigated before your eyes; leaves the cluster up
	@$(BIN)/python -m tests.demo

demo-down: venv ## Remove the demo's cluster
	@$(BIN)/python -m tests.demo down

image: venv ## Build the container image and its SBOM into dist/ (Debian and root; no Docker, no registry)
	@$(BIN)/python -m tests.image

cluster-up: venv ## Bring a cluster up for yourself (NAME=stanch)
	@$(BIN)/python -m tests.cluster up --name "$(NAME)"

cluster-down: venv ## Remove that cluster and all that belongs to it (NAME=stanch)
	@$(BIN)/python -m tests.cluster down --name "$(NAME)"

lint: venv ## Style, layers, and whether what is generated is up to date
	@$(BIN)/ruff check operator tests
	@$(BIN)/ruff format --check operator tests
	@$(BIN)/lint-imports
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(BIN)/python -m stanch.api.crds "$$fresh" && \
		diff -ru --exclude=README.md crds "$$fresh" || \
		{ echo "crds/ is not what the models say (or they do not load): run 'make generate'" >&2; exit 1; }
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(BIN)/python -m tests.chart "$$fresh" && \
		diff -ru --exclude=NOTES.txt manifests/chart "$$fresh" || \
		{ echo "manifests/chart is not what the kustomizations say: run 'make generate'" >&2; exit 1; }
	@$(BIN)/python -m stanch.engine.diagram --check README.md

audit: venv ## What is publicly known to be wrong with the locked packages; fails where nobody can be asked
	@$(BIN)/python -m tests.advisories

generate: venv ## Write what is generated: the CRDs, the Helm chart, the README's diagram
	@$(BIN)/python -m stanch.api.crds crds/
	@$(BIN)/python -m tests.chart manifests/chart
	@$(BIN)/python -m stanch.engine.diagram README.md

clean: ## Remove what was made inside the checkout; clusters and caches outside stay
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis dist
	find operator tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "kept: $(CACHE)"
