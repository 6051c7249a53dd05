# make run      set up what is missing, then run the agent (Ctrl-C ends it)
# make test     set up, check, and run every test
# make help     the rest

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

python := .venv/bin/python
agent := .venv/bin/otel-killsnoop
program := otel_killsnoop/tracer/killsnoop.bpf.json
compiler := otel_killsnoop/tracer/compile.py otel_killsnoop/tracer/program.py

.PHONY: help setup setup-run run check test nightly bench collector install image image-test kernels lock sbom clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## everything that development and tests need; quiet when it is all there
	@tools/setup dev
	@$(MAKE) --no-print-directory --silent $(program)

setup-run: ## what the agent alone needs
	@tools/setup run
	@$(MAKE) --no-print-directory --silent $(program)

# The kernel program: made again only when its sources or the compile step change.
$(program): $(shell find bpf -name '*.[ch]') $(compiler)
	@tools/packages python3-bpfcc
	@echo 'setup: compiling the kernel program' >&2
	@$(python) -m otel_killsnoop.tracer.compile

run: setup-run ## run the agent with its defaults; OTEL_* and KILLSNOOP_* variables configure it
	@exec $(python) tools/foreground.py $(agent) run

check: setup ## formatting, lint, types, import rules
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy
	@.venv/bin/lint-imports

test: check ## the checks and every test but the image's; ARGS= goes to pytest
	@tools/collector >/dev/null
	@$(python) -m pytest $(ARGS)

nightly: setup ## what takes too long for `make test`: a million samples, ten minutes of outage
	@$(python) -m pytest -m nightly $(ARGS)

bench: setup ## the figures: cost in the kernel and in the agent, beside Debian's sigsnoop
	@tools/packages libbpf-tools
	@$(python) tests/bench $(ARGS)

collector: ## print the path of an OpenTelemetry Collector, building one if there is none
	@tools/collector

install: setup-run ## install it here, as a service of systemd that is not started yet (needs root)
	@tools/install

image: ## build the container image on a base image made here by debootstrap
	@tools/image

image-test: setup image ## build the image, run it beside a real Collector, see a signal arrive
	@$(python) -m pytest -m image tests/image $(ARGS)

kernels: setup ## try Debian's other kernels under qemu; KERNELS= names suites, ARGS= tests
	@tools/kernels $(KERNELS)

lock: ## write the lock files anew, within what pyproject.toml allows (needs uv)
	@tools/lock

sbom: ## write dist/otel-killsnoop.cdx.json: what the agent is made of, as CycloneDX
	@tools/sbom

clean: ## remove what make made here; the user's cache directory is left alone
	@rm -rf .venv $(program) .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache build dist
	@find . -name __pycache__ -prune -exec rm -rf {} +
