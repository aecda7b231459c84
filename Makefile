# make demo and make test do all their own set-up in .venv; both need only Python >= 3.11, make and a package index.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint train card clean

demo: $(READY)
	$(BIN)/hiprobe demo

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

# The embedded model, from nothing (about 80 minutes on 4 cores), and the figures of its card.
train: $(READY)
	$(BIN)/python -m training.train runs/embedded --steps 3600 --seed 1

card: $(READY)
	$(BIN)/python -m training.evaluate src/hiprobe/embedded/model runs/card.json
	$(BIN)/python -m training.evaluate src/hiprobe/embedded/model runs/final.json --final

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
