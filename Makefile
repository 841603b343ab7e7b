.DEFAULT_GOAL := help
.PHONY: help setup demo demo-run test test-slow laws soak mutants check minio images docs bench bench-smoke
SHELL := /bin/sh
BIN := .venv/bin
KEEP ?=
PYTHON ?=
JOBS ?= 2
export PYTHON

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

setup: ## make .venv with everything for work on hutch
	@scripts/setup all

demo: ## the main job of hutch on a real scan, visibly (KEEP=1 leaves it running)
	@scripts/setup demo
	@$(BIN)/python examples/demo.py $(if $(KEEP),--keep)

demo-run: setup ## a reconstruction by containers, visibly (needs podman and make images)
	@$(BIN)/python examples/demo_run.py

test: setup ## the test suite without the slow tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m 'not slow' --ignore tests/laws

test-slow: setup ## the slow tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m slow --ignore tests/laws

laws: setup ## the proofs of the laws: attacks, kills, faults, models (22 minutes)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/laws

soak: setup ## the same at length (hours), all mutants; writes docs/reference/soak.md
	@scripts/soak

mutants: setup ## remove guards one by one, see tests go red (CHANGED=1: of changed files)
	@$(BIN)/python tests/meta/mutants.py $(if $(CHANGED),--changed)

check: setup ## format, lint, types, layers, documents
	@scripts/check

minio: ## build MinIO into a cache outside the checkout (needs Go)
	@scripts/minio

images: setup ## build the images that derivations run in (ENGINE=); needs no registry
	@scripts/images

bench: setup minio ## hutch beside other tools (ROUNDS= WORKS= TOOLS= STORES= OWN= SCALE= PLACE=)
	@scripts/peers
	@$(BIN)/python -m bench --rounds $(or $(ROUNDS),3) --works $(or $(WORKS),all) \
	    --tools $(or $(TOOLS),all) --stores $(or $(STORES),all) --own $(or $(OWN),all) \
	    --scale $(or $(SCALE),full) $(if $(PLACE),--place $(PLACE))

bench-smoke: setup minio ## see that the bench works; says nothing of speed
	@scripts/peers s5cmd
	@$(BIN)/python -m bench --rounds 1 --works large,small --tools hutch,s5cmd \
	    --stores default --scale smoke

docs: setup ## write the generated pages, build the site into site/
	@scripts/docs write
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "docs: site/index.html"
