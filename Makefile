# The two commands of the README, and their parts. `make` alone lists them.
# PYTHON=python3.12 names another Python for the set-up.
PYTHON ?= python3
MAKEFLAGS += --no-print-directory

.PHONY: help demo test check environment clean

help:
	@echo "make demo         measure this machine's layers, fit the predictor, search a network (sets itself up)"
	@echo "make test         all checks and tests (sets itself up)"
	@echo "make check        the same without the set-up"
	@echo "make environment  only the set-up: .venv and the runner"
	@echo "make clean        remove the environment and the caches; runs/, models/ and searches/ stay"

demo: environment
	@.venv/bin/python tools/demo.py

test: environment
	@$(MAKE) check

# The checkout's own environment where there is one, else the one that is active.
check: export PATH := $(CURDIR)/.venv/bin:$(PATH)
check:
	ruff format --check .
	ruff check .
	mypy
	pytest

environment:
	@$(PYTHON) tools/environment.py

# The stamp goes first: an environment that is half deleted must not look whole.
clean:
	rm -f .venv/complete-*
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
