# Needs only make and Python 3.11 or newer; works with the make and shell that macOS brings.
# Everything it installs goes into .venv, everything it builds into _build.

PYTHON ?= python3
# More arguments for pip, say another package index (see README.md).
PIP_ARGS ?=
# How many processes run the tests.
WORKERS ?= 2

# requirements-site.txt instead builds the book without torch, requirements-pdf.txt the PDF too
# (publishing does this).
REQUIREMENTS ?= requirements.txt

# What builds here takes turns with other makes in this folder.
ALONE := $(PYTHON) _ext/alone.py

DONE := .venv/.done-$(REQUIREMENTS)
SITE := _build/html/index.html
NOTEBOOKS := $(wildcard chapters/*.ipynb)
PYTEST := .venv/bin/python -m pytest -n $(WORKERS)
# Runs notebooks and compares texts and pictures with the stored ones.
COMPARE := .venv/bin/python tests/book/portable.py --workers $(WORKERS) --notebooks-only

include tests/environment.mk
export OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS ROBUSTLIB_BUDGET PIP_ARGS

.PHONY: set-up help book pdf colab colab-run handout test quick portable far execute bench mutants serve clean \
  lint types proofs library pages notebooks assignments grade hostile slides
.NOTPARALLEL:

help:
	@echo "make book      set up, then build the book from the stored notebook outputs"
	@echo "make pdf       the book, then all of it as one PDF and as a zip; needs Chromium or Chrome"
	@echo "make colab     the book, then its notebooks for Colab, with and without solutions"
	@echo "make colab-run run these in Colab's versions of everything; needs Python 3.13"
	@echo "make handout   pages and notebooks of one chapter without solutions: CHAPTER=07"
	@echo "make test      set up, then run every check; its steps can be run alone:"
	@echo "                 make lint | types | proofs | library | notebooks | pages"
	@echo "make quick     a part of every check, in two minutes"
	@echo "make portable  run notebooks and claims under other arithmetics, list what differs"
	@echo "make far       notebooks and library tests in the arithmetic of an old processor"
	@echo "make execute   run the notebooks and store their outputs (needed after an edit)"
	@echo "make bench     measure speed beside limits and peers, write chapters/speed.md"
	@echo "make mutants MODULE=attacks  which small changes do the tests not notice?"
	@echo "make assignments  build student notebooks, solution pages, Gradescope zips (needs otter)"
	@echo "make grade SUBMISSIONS=folder  mark the notebooks in a folder"
	@echo "make slides    slides and figures from the chapters, in _build/slides"
	@echo "make serve     look at the built book on http://localhost:8000"
	@echo "make clean     remove what was built and the environment"

$(DONE): requirements.txt requirements-site.txt requirements-pdf.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "FAILED: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12"; exit 1; }
	@$(ALONE) $(MAKE) --no-print-directory set-up

set-up:
	@echo "== setting up .venv (about a minute, more on a slow network)"
	@{ $(PYTHON) -m venv .venv && \
	  .venv/bin/pip install -q --disable-pip-version-check -r $(REQUIREMENTS) -c constraints.txt $(PIP_ARGS) && \
	  .venv/bin/pip install -q --disable-pip-version-check --no-deps -e . $(PIP_ARGS); } || \
	  { echo "FAILED: set-up of .venv"; exit 1; }
	@touch $(DONE)

book: $(DONE)
	@start=$$(date +%s); \
	$(ALONE) .venv/bin/jupyter-book build . -W -n --keep-going || { echo "FAILED: build of the book"; exit 1; }; \
	echo "Built in $$(( $$(date +%s) - start )) s. Open this file in a browser:"; \
	echo "  $$(pwd)/$(SITE)"

# PDF_ARGS=--without-solutions leaves these out of the PDF.
pdf: book
	@.venv/bin/python _ext/paper.py $(PDF_ARGS) || { echo "FAILED: PDF of the book"; exit 1; }

# Read with the tables of the build of the book, so that both have the same numbers.
colab: book
	@$(ALONE) .venv/bin/jupyter-book build . -W -n --keep-going -q --builder custom --custom-builder colab || \
	  { echo "FAILED: notebooks for Colab"; exit 1; }
	@echo "Notebooks for Colab: _build/colab/chapters, and without solutions _build/colab/students"

handout: colab
	@.venv/bin/python _ext/handout.py "$(CHAPTER)" || { echo "FAILED: make handout CHAPTER=07"; exit 1; }

# Downloads Colab's torch, several gigabytes, at the first run.
COLAB_PYTHON ?= python3.13
colab-run: colab
	@.venv/bin/python tests/book/colab.py --python $(COLAB_PYTHON) --workers $(WORKERS) || \
	  { echo "FAILED: notebooks in Colab's versions"; exit 1; }

test: lint types proofs library notebooks pages
	@echo "All checks passed."

lint: $(DONE)
	@echo "== style (ruff)"
	@{ .venv/bin/ruff check . && .venv/bin/ruff format --check .; } || { echo "FAILED: style"; exit 1; }

types: $(DONE)
	@echo "== types (mypy)"
	@.venv/bin/mypy || { echo "FAILED: types"; exit 1; }

# Needs no .venv, only Coq; where that is missing it says how to get it and passes.
proofs:
	@echo "== formal proofs (coqc)"
	@$(PYTHON) proofs/check.py || { echo "FAILED: formal proofs"; exit 1; }

library: $(DONE)
	@echo "== tests of the library"
	@$(PYTEST) --dist loadfile tests --ignore=tests/book || { echo "FAILED: tests of the library"; exit 1; }

# Strict: every stored output, pictures too, is compared with what the cell gives now.
notebooks: $(DONE)
	@test -n "$(NOTEBOOKS)" || { echo "FAILED: no notebooks in chapters/"; exit 1; }
	@echo "== notebooks, executed and compared with their stored outputs"
	@$(COMPARE) --arithmetic own $(basename $(notdir $(NOTEBOOKS))) || { echo "FAILED: notebooks"; exit 1; }

pages: colab
	@echo "== tests of the book: sources, built pages in a browser, the notebooks as on Colab"
	@$(PYTEST) --dist loadgroup -rs tests/book || { echo "FAILED: tests of the book"; exit 1; }

# One file of tests for each room of the library (a test keeps the list complete), one notebook,
# one page.
QUICK := tests/test_architecture.py tests/test_activations.py tests/test_checks.py \
  tests/test_diagnosis.py tests/test_files.py tests/test_losses.py tests/test_numerics.py \
  tests/test_progress.py tests/test_samples.py tests/attacks/test_steps.py tests/capacity/test_capacity.py \
  tests/claims/test_registry.py \
  tests/expressivity/test_expressivity_report.py tests/kernels/test_regression.py \
  tests/online/test_comparator.py tests/sets/test_perturbation_steps.py \
  tests/solvers/test_shortest_vector.py tests/sweeps/test_settings.py tests/test_commands.py \
  tests/training/test_setting.py tests/training/test_checkpoint.py \
  tests/verification/test_robust_accuracy.py

quick: lint types book
	@$(PYTEST) --dist loadfile $(QUICK) || { echo "FAILED: quick tests of the library"; exit 1; }
	@$(PYTEST) --dist loadscope --nbval --nbval-current-env --nbval-cell-timeout=300 \
	  --nbval-sanitize-with tests/sanitize.cfg chapters/03-lazy.ipynb || \
	  { echo "FAILED: one notebook"; exit 1; }
	@$(PYTEST) tests/book/test_browser.py -k "sound and notation" || { echo "FAILED: one page"; exit 1; }
	@echo "A part of every check passed; make test runs all of them."

portable: $(DONE)
	@.venv/bin/python tests/book/portable.py || { echo "FAILED: numbers that do not travel"; exit 1; }

far: $(DONE)
	@$(COMPARE) --arithmetic old || \
	  { echo "FAILED: notebooks in the arithmetic of an old processor"; exit 1; }
	@env $$(.venv/bin/python tests/book/portable.py --variables old) \
	  $(PYTEST) --dist loadfile tests --ignore=tests/book || \
	  { echo "FAILED: tests of the library in the arithmetic of an old processor"; exit 1; }

execute: $(DONE)
	@.venv/bin/python tests/book/execute.py $(NOTEBOOKS) || { echo "FAILED: execution"; exit 1; }

# JAX=no leaves out neural-tangents, whose environment takes 2.7 GB.
bench: $(DONE)
	@.venv/bin/python benchmarks/peers.py $(if $(filter no,$(JAX)),--no-jax) && \
	  .venv/bin/python -m robustlib bench --out benchmarks/bench.json --page chapters/speed.md || \
	  { echo "FAILED: benchmarks"; exit 1; }

# For teachers only; otter has an environment of its own, since no student needs it.
.venv-teach/.done: pyproject.toml constraints.txt
	@echo "== setting up .venv-teach"
	@{ $(PYTHON) -m venv .venv-teach && \
	  .venv-teach/bin/pip install -q --disable-pip-version-check -e ".[teach]" -c constraints.txt $(PIP_ARGS); } || \
	  { echo "FAILED: set-up of .venv-teach"; exit 1; }
	@touch $@

assignments: .venv-teach/.done
	@.venv-teach/bin/python teaching/build.py || { echo "FAILED: assignments"; exit 1; }

grade: $(DONE)
	@test -n "$(SUBMISSIONS)" || { echo "FAILED: say make grade SUBMISSIONS=folder"; exit 1; }
	@.venv/bin/python teaching/grade.py "$(SUBMISSIONS)" $(GRADE_ARGS) || { echo "FAILED: marking"; exit 1; }

# All hostile submissions; make test takes a few of them.
hostile: $(DONE)
	@ROBUSTLIB_HOSTILE=all .venv/bin/python -m pytest -q tests/book/assignments || { echo "FAILED: hostile submissions"; exit 1; }

slides: $(DONE)
	@.venv/bin/python teaching/slides.py || { echo "FAILED: slides"; exit 1; }

# MODULE=attacks or attacks/gradient.py, DRAW=60 changes; goes on where it was stopped.
mutants: $(DONE)
	@test -n "$(MODULE)" || { echo "FAILED: say which part: make mutants MODULE=attacks"; exit 1; }
	@test -x _build/mutants/env/bin/cosmic-ray || { $(PYTHON) -m venv _build/mutants/env && \
	  _build/mutants/env/bin/pip install -q cosmic-ray==8.7.0 coverage==7.17.0 $(PIP_ARGS); }
	@_build/mutants/env/bin/python tests/mutants.py $(MODULE) --python "$(CURDIR)/.venv/bin/python" \
	  --draw $(or $(DRAW),60)

serve:
	@$(PYTHON) -m http.server 8000 --bind 127.0.0.1 --directory _build/html

clean:
	rm -rf _build .venv .venv-teach .pytest_cache .mypy_cache .ruff_cache .hypothesis
