# make demo and make test do all their own set-up in .venv; both need only Python >= 3.11, make and a package index.
# make demo installs what the demo needs; make test adds the tools and extras for development.
PYTHON ?= python3
BIN := .venv/bin
DEMO_READY := .venv/.demo-ready
READY := .venv/.ready
# Without --no-compile pip would translate 23,000 files of which a run loads a few thousand, one after the other.
# Those that are loaded are kept, also where the environment says otherwise: without them a start took 2.5 times as long.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile --constraint constraints.txt

# Where PyTorch comes from besides the package index, which has the build for CUDA on Linux. Without an NVIDIA driver, and
# unless pip was told of other sources, it is PyTorch's index of builds for CPUs. `make demo TORCH_INDEX=` asks no other.
ifeq ($(shell uname -s)$(shell command -v nvidia-smi)$(PIP_INDEX_URL)$(PIP_EXTRA_INDEX_URL)$(PIP_FIND_LINKS),Linux)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif

.PHONY: demo test check-long coverage soak-runs soak-live system lint train second card real results bench bench-all fuzz docs notebook clean backbones

demo: $(DEMO_READY)
	$(BIN)/hiprobe demo
	@echo "to use the command hiprobe in this shell: . .venv/bin/activate"

test: lint system
	$(BIN)/python -m pytest

# Every slow check: the commands of the documentation, the notebooks and the site. Run it before a release.
# It ends with the date, the commit and what was left out, for the note.
check-long: $(READY)
	$(BIN)/python -m pytest -n 0 -m long

# How much of src/ the tests run, lines and branches, child processes included. Some tests fail under it: those that limit the
# size of files, and those that time how fast a child is killed.
coverage: $(READY) system
	@mkdir -p build/coverage
	$(BIN)/python -m pytest -p tests.support.soft_kills --cov --cov-report=term --cov-report=json:build/coverage/total.json

# Long repetitions of what short tests show: many kills, whole grids. Not part of make test.
soak-runs: $(READY) system
	$(BIN)/python -m pytest -m soak

# Four cameras for ten minutes, with injected faults; it prints memory, lag and what was reported.
soak-live: $(READY) system
	HIPROBE_SOAK_S=600 $(BIN)/python -m pytest -n 0 -s -m soak tests/live/test_soak.py

$(DEMO_READY): pyproject.toml constraints.txt
	@echo "installing into .venv what the demo needs. With PyTorch for CPUs: 0.4 GB to download, 1.6 GB on disk, a few minutes;"
	@echo "with PyTorch for CUDA: 2.9 GB to download, 5.3 GB on disk. From: the package index$(if $(TORCH_INDEX), and $(TORCH_INDEX))"
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	$(PIP) --editable '.[review]'
	touch $@

$(READY): $(DEMO_READY)
	@echo "installing the tools and extras for development into .venv: 0.9 GB more on disk; a few minutes more"
	$(PIP) --editable '.[dev]'
	touch $@

define FIND_RTSP
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert Gst.ElementFactory.find("x264enc") and Gst.ElementFactory.find("rtph264pay")
endef
export FIND_RTSP
APT := apt-get install -y -qq --no-install-recommends
RTSP := gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly

# The pages are tested in real browsers, alerts are sent to a real broker, and the cameras are streams of a real RTSP server,
# which the system's Python runs. As root, Debian's are installed first where one is missing; without them tests are skipped.
system:
	@PATH="$$PATH:/usr/sbin"; missing=; \
	for one in chromium firefox-esr mosquitto; do command -v $$one >/dev/null || missing="$$missing $$one"; done; \
	/usr/bin/python3 -c "$$FIND_RTSP" 2>/dev/null || missing="$$missing $(RTSP)"; \
	[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  { $(APT) $$missing >/dev/null || for one in $$missing; do $(APT) $$one >/dev/null; done; }; } || \
	  echo "where one of these is missing, its tests will be skipped:$$missing"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The embedded model, from scratch, in $$HIPROBE_RUNS (~/.cache/hiprobe-training). Each command continues where it was stopped.
# The weights that are shipped come from a chain of such runs, see docs/embedded.md.
train: $(READY)
	$(BIN)/python -m training.world.places.textures
	$(BIN)/python -m training.prepare --held-out --clips 500
	$(BIN)/python -m training.prepare --clips 40000
	$(BIN)/python -m training.train embedded

# A model of another architecture on the same clips, for the comparisons in docs/data/results.md (74 minutes on 2 busy cores).
second: $(READY)
	HIPROBE_RUNS=runs $(BIN)/python -m training.train llava --family llava_onevision --drawn 1 --steps 2300 --threads 2
	$(BIN)/python -m training.evaluate runs/llava/model docs/data/llava_card.json --jobs 2

card: $(READY)
	$(BIN)/python -m training.evaluate src/hiprobe/embedded/model docs/data/card.json
	$(BIN)/python -m training.evaluate src/hiprobe/embedded/model docs/data/final.json --final
	$(BIN)/python -m training.card docs/data/run.json docs/data/card.json docs/data/final.json docs/data/llava_card.json docs/data/real_footage.json

# The embedded model on real clips: CLIPS is a CSV with the columns path, label and group, NORMAL a folder of normal videos.
real: $(READY)
	$(BIN)/python -m experiments.real_footage $(CLIPS) --normal $(NORMAL) --json docs/data/real_footage.json > docs/data/real_footage.md

# docs/data/results.md: every experiment on rendered scenes, which are rendered first if they are missing. Resumable; one thread.
results: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.results

# The table of docs/backbones.md, family by property, as the conformance test finds it.
backbones: $(READY)
	HIPROBE_WRITE_TABLE=1 $(BIN)/python -m pytest tests/backbones/test_conformance.py

# How cost grows and what is promised, on two cores; the tables go into docs/performance.md. Under 10 minutes at rest.
bench: $(READY)
	$(BIN)/python -m benchmarks

# The other benchmarks too; their tables go into docs/performance_parts.md.
bench-all: $(READY)
	$(BIN)/python -m benchmarks --all

# Damaged files of every kind that is read, for 5 minutes; only named errors may result.
fuzz: $(READY)
	timeout 600 $(BIN)/python -m fuzz --seconds 300

# The site of docs/ in build/site, strictly: a broken link, a page that is not in mkdocs.yml or a call to another server is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The notebook from start to end; what it shows is stored in it.
notebook: $(READY)
	$(BIN)/jupyter-execute --inplace --timeout=600 examples/first_look.ipynb
	$(BIN)/python -m website.tidy_notebook examples/first_look.ipynb

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
