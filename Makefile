# `make run` and `make test` set up what they need: .venv from constraints.txt, and Debian's packages.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false

DEBIAN_PACKAGES := apertium-eng-spa wordnet-base
MLFLOW_PORT ?= 5000
PREFECT_PORT ?= 4200

.DEFAULT_GOAL := help
.PHONY: help setup debian run test check ui bench torture

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: .venv/installed debian  ## .venv from constraints.txt, and Debian's packages

.venv/installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed; $(PYTHON) is another. Use make PYTHON=/path/to/python3.11"; exit 4; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call as_root,python3-venv); }
	@echo "Setting up .venv (once; a few minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[images,labels,marian,peft,sql,writing,test]'
	@touch $@

# apt-get, as root or with sudo; where neither can be, the run itself says what is missing before anything starts
define as_root
	command -v apt-get >/dev/null || { echo "No apt-get here: install $(1) by hand."; exit 0; }; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else \
	echo "Neither root nor sudo here: ask for the Debian packages $(1)."; exit 0; fi; \
	echo "Installing Debian's $(1) ..."; \
	{ $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $(1); } >/dev/null 2>&1 \
	|| echo "apt-get could not install $(1)."
endef

debian:
	@for package in $(DEBIAN_PACKAGES); do \
	dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	[ -z "$$missing" ] || { $(call as_root,$$missing); }

run: setup  ## the whole pipeline on the data that params.yaml names, as the Prefect flow
	@python -m flows.finetune

check: .venv/installed  ## ruff and mypy
	@ruff check . && ruff format --check --quiet . && mypy

test: setup check  ## the tests, in two processes
	@OMP_NUM_THREADS=1 python -m pytest --numprocesses 2

torture: setup  ## every fault injected and counted, in a scoreboard; about 20 minutes
	@OMP_NUM_THREADS=1 python -m tests.torture

BENCHMARKS := training tokenizing synonyms near_duplicates data_scale prediction cold_start back_translation overhead

bench: setup .venv/bench .venv-peers/installed  ## the benchmarks, as ratios measured side by side; about 20 minutes
	@for name in $(BENCHMARKS); do echo "== $$name"; \
	python -m benchmarks.$$name $$([ $$name != prediction ] || echo --peer-python .venv-peers/bin/python) || exit 1; done
	@python -m benchmarks.table

.venv/bench: .venv/installed  # what is compared with, as far as it goes with the project's versions
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

.venv-peers/installed: benchmarks/peers.txt  # and what does not
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $@

ui: setup  ## the MLflow and the Prefect page on loopback; Ctrl-C ends both
	@echo "MLflow  http://127.0.0.1:$(MLFLOW_PORT)"; echo "Prefect http://127.0.0.1:$(PREFECT_PORT)"; \
	trap 'kill 0' INT TERM EXIT; \
	mlflow server --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}" --host 127.0.0.1 --port $(MLFLOW_PORT) & \
	prefect server start --host 127.0.0.1 --port $(PREFECT_PORT) & wait
