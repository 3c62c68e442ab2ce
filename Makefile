# SPDX-License-Identifier: Apache-2.0
# `make help` lists what there is. Each target is a few lines; CI runs the same ones.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GUEST := .cache/guest/guest.qcow2

.DEFAULT_GOAL := help
.PHONY: help install packages deps guest up down test check bench bench-images bench-identity bench-objects bench-fairness bench-upstream schema wire clients legacy-clients tempest sdk gabbits osc-placement bench-placement matrix

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

$(BIN)/virga: requirements/run.txt pyproject.toml
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "  python packages"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/build.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(BIN)/virga

install: $(BIN)/virga ## the program in .venv, without root

packages:
	@scripts/deps real

deps: packages $(BIN)/virga ## Debian packages and bindings of a real cloud (root)
	@$(BIN)/python -c 'import libvirt' 2>/dev/null || $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/libvirt.txt
	@$(BIN)/python -c 'import botocore' 2>/dev/null || $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/s3.txt

$(GUEST): src/virga/node/guest/build.sh
	@echo "  build the tiny guest image (about half a minute)"
	@mkdir -p .cache/guest/new && DEBCACHE=$(CURDIR)/.cache/guest/debs src/virga/node/guest/build.sh .cache/guest/new > .cache/guest/build.log 2>&1 || { tail -20 .cache/guest/build.log; exit 1; }
	@mv .cache/guest/new/guest.* .cache/guest/ && touch $@

guest: deps $(GUEST) ## the tiny guest image, from Debian packages

up: deps $(GUEST) ## a real cloud with a machine you can ssh into (root)
	@scripts/up

down: ## stop the cloud; machines keep running
	@$(BIN)/virga down

clients: .venv-clients/bin/openstack ## the openstack client, in a venv of its own
.venv-clients/bin/openstack: requirements/clients.txt
	@echo "  openstack client"
	@.venv-clients/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-clients
	@.venv-clients/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/clients.txt
	@touch $@

legacy-clients: ## the clients of 2013 and 2015 in .cache/legacy (needs a Python 2.7)
	@scripts/legacy-clients

$(BIN)/pytest: requirements/dev.txt requirements/s3.txt $(BIN)/virga
	@echo "  test tools"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/s3.txt
	@touch $@

test: deps $(BIN)/pytest clients $(GUEST) ## everything that CI runs (root; installs the engines that tests need)
	@scripts/deps test && scripts/deps ceph
	@$(MAKE) --no-print-directory check
	@VIRGA_NETWORK_UPLINK=none $(BIN)/pytest tests -n 2 -m "not real" && VIRGA_NETWORK_UPLINK=none $(BIN)/pytest tests -m real

check: $(BIN)/pytest ## ruff, mypy strict, who may import whom
	@$(BIN)/ruff check src tests
	@$(BIN)/ruff format --check --quiet src tests scripts
	@$(BIN)/mypy
	@$(BIN)/pytest tests/promises/test_walls.py

bench: install ## measure a simulated cloud, write bench.json; AGAINST=earlier.json prints ratios to it
	@$(BIN)/python scripts/bench.py $(if $(AGAINST),--against $(AGAINST))
	@$(BIN)/python scripts/bench_fairness.py --short

bench-fairness: install ## what floods take from a quiet tenant; prints a table, writes bench_fairness.json
	@$(BIN)/python scripts/bench_fairness.py

bench-identity: install ## measure identity: logins, checks, 10,000 users, 100,000 tokens
	@$(BIN)/python scripts/bench_identity.py $(if $(AGAINST),--against $(AGAINST))

# the lock names every package, so none is looked for: pip takes SQLAlchemy's extra for another, unpinned one otherwise
.venv-upstream/bin/keystone-manage: requirements/upstream.txt
	@echo "  keystone, glance, placement, nova, neutron (some minutes)"
	@.venv-upstream/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-upstream
	@.venv-upstream/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/upstream.txt
	@touch $@

bench-upstream: install ## upstream's services beside ours in one run; rewrites docs/performance.* (root; half an hour)
	@scripts/deps bench
	@$(MAKE) --no-print-directory .venv-upstream/bin/keystone-manage .venv-swift/bin/swift-proxy-server
	@$(BIN)/python scripts/bench_upstream.py $(ARGS)

.venv-tempest/bin/tempest: requirements/tempest.txt
	@echo "  tempest"
	@.venv-tempest/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-tempest
	@.venv-tempest/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/tempest.txt
	@touch $@

tempest: install .venv-tempest/bin/tempest ## OpenStack's own API cases: make tempest SERVICE=identity
	@scripts/tempest $(or $(SERVICE),identity)

.venv-sdk/bin/pytest: requirements/sdk.txt
	@echo "  openstacksdk with its tests"
	@.venv-sdk/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-sdk
	@.venv-sdk/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/sdk.txt
	@touch $@

sdk: install .venv-sdk/bin/pytest ## openstacksdk's functional cases: make sdk SERVICE=image
	@$(BIN)/python scripts/sdk-functional $(or $(SERVICE),image)

.venv-gabbits/bin/gabbi-run: requirements/gabbits.txt
	@echo "  gabbi, placement's stories, osc-placement"
	@.venv-gabbits/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-gabbits
	@.venv-gabbits/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/gabbits.txt
	@touch $@

gabbits: install .venv-gabbits/bin/gabbi-run ## placement's own HTTP stories: make gabbits STORIES="granular reshaper"
	@.venv-gabbits/bin/python scripts/gabbits $(STORIES)

osc-placement: install .venv-gabbits/bin/gabbi-run ## osc-placement's own cases: the openstack commands of placement
	@.venv-gabbits/bin/python -W ignore scripts/osc-placement

bench-placement: $(BIN)/pytest ## where a machine goes, among 10,000 hosts with 50,000 machines; prints a table, writes bench_placement.json
	@$(BIN)/python -W ignore scripts/bench_placement.py

matrix: $(BIN)/pytest ## rewrite who may call what, and with what (docs/*-matrix.txt), after a change of routes or rules
	@PYTHONPATH=tests $(BIN)/python -W ignore tests/policy_matrix.py
	@PYTHONPATH=tests $(BIN)/python -W ignore tests/delegation_matrix.py

bench-images: install ## a gigabyte up and down, memory, lists; prints a table, writes bench_images.json
	@$(BIN)/python scripts/bench_images.py

bench-objects: install .venv-swift/bin/swift-proxy-server ## objects beside upstream's Swift (memcached; some minutes)
	@scripts/deps bench
	@$(BIN)/python scripts/bench_objects.py

.venv-swift/bin/swift-proxy-server: requirements/swift.txt
	@echo "  swift"
	@.venv-swift/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-swift
	@.venv-swift/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/swift.txt
	@touch $@

wire: $(BIN)/pytest ## rewrite the golden samples of what is on the wire
	@cd tests && ../$(BIN)/python -W ignore samples.py

schema: install ## rewrite the golden schema after a migration
	@$(BIN)/python -m virga.golden
