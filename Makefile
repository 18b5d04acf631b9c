# make demo   predict tracks of held-out yeast chromosomes from the data in examples/
# make test   install what the tests need and run them
# make test-galaxy   run the Galaxy tools' tests in a real Galaxy server
# make docs   build the documentation site into build/docs/
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Exact versions that are known to work: make test CONSTRAINTS=constraints.txt
CONSTRAINTS ?=
PIP = $(BIN)/python -m pip install --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS))

.PHONY: demo test test-galaxy check docs bench clean

demo: $(VENV)/.inference
	$(BIN)/chromputer demo --out demo-output

# One thread a process: as many processes as cores run side by side.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto

# The Galaxy tools in a real Galaxy server; see galaxy/README.md.
test-galaxy: .has-samtools $(VENV)/.dev $(VENV)/galaxy/.installed
	$(BIN)/python galaxy/testing/check.py --galaxy $(VENV)/galaxy/bin --programs $(BIN)

# Told before anything is installed.
.PHONY: .has-samtools
.has-samtools:
	@command -v samtools >/dev/null || \
	  { echo "samtools is missing. Debian: apt-get install samtools; conda: conda install -c bioconda samtools" >&2; exit 1; }

$(VENV)/galaxy/.installed: galaxy/testing/requirements.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/galaxy
	$(VENV)/galaxy/bin/python -m pip install --quiet -r galaxy/testing/requirements.txt
	touch $@

# What CI runs beside the tests.
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Warnings are errors; opens from the disk: build/docs/index.html.
docs: $(VENV)/.dev
	$(BIN)/python -m mkdocs build

# The figures in the README; see benchmarks/README.md.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/fragments.py
	$(BIN)/python benchmarks/vplots.py
	$(BIN)/python benchmarks/sliding.py models/yeast-atac
	$(BIN)/python benchmarks/genome.py models/yeast-atac
	$(BIN)/python benchmarks/explain.py models/yeast-atac models/yeast-atac.toml

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "chromputer-tracks needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 (Debian: apt-get install python3.12-venv; conda: conda create -n chromputer python=3.12)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. Debian: apt-get install python3-venv; conda: conda install python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# An environment of before holds the runtime for GPUs, whose files lie at the same places. To use a GPU,
# run afterwards what `chromputer doctor` says.
ONE_RUNTIME = ! $(BIN)/python -m pip show --quiet onnxruntime-gpu 2>/dev/null || \
  $(BIN)/python -m pip uninstall --quiet --yes onnxruntime onnxruntime-gpu

$(VENV)/.inference: pyproject.toml | $(VENV)/bin/python
	@$(ONE_RUNTIME)
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@command -v bedtools >/dev/null || \
	  { echo "bedtools is missing. Debian: apt-get install bedtools; conda: conda install -c bioconda bedtools" >&2; exit 1; }
	@$(ONE_RUNTIME)
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/.inference

clean:
	rm -rf $(VENV) demo-output
