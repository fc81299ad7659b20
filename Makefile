# Every target is one line that can be typed by hand too; the README lists them (Windows: .venv\Scripts\python).
PYTHON ?= python3
PY := .venv/bin/python
CPU_INDEX ?=
QUIET := OMP_NUM_THREADS=1 TQDM_DISABLE=1 KDCOURSE_PROGRESS=
CHECK := $(QUIET) KDCOURSE_RECORDS=check
NOTEBOOKS := notebooks solutions guides
ALONE := -m pytest -c tests/alone.ini --rootdir . --noconftest -p no:cacheprovider -W ignore -p no:randomly -p no:xdist -p no:nbval
WANTED-pfl := "pfl[pytorch]"
SITE := import sysconfig; print(sysconfig.get_path('purelib'))
ELSEWHERE := --ignore-glob='notebooks/A_*.ipynb'
NBVAL := -m pytest -p no:randomly --nbval --nbval-current-env --nbval-cell-timeout=300 --nbval-sanitize-with tests/sanitize.cfg

.PHONY: help setup pipeline test test-fast test-portable test-flower test-paddle test-trl mutants lab notebooks exercises experiments lint bench bench-federated book teacher course
help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet $(CPU_INDEX) -c constraints.txt -e ".[dev]"
	@touch .venv/.done
	@echo "Ready. make lab opens the first lesson; source .venv/bin/activate makes python that of the course."
setup: .venv/.done ## make .venv from pyproject.toml and constraints.txt
pipeline: setup  ## the article's four steps on real images
	@$(PY) -m kdcourse pipeline
test: setup      ## every test, the notebooks included
	@for engine in flower paddle trl; do \
	  if $(MAKE) --no-print-directory .venv-$$engine/.done; then $(MAKE) --no-print-directory test-$$engine || exit 1; \
	  else echo "Left out: the tests on $$engine, which cannot be installed here (make test-$$engine)."; fi; done
	@$(CHECK) $(PY) -m pytest tests $(NOTEBOOKS) $(ELSEWHERE) -n 2 --dist loadscope --nbval --nbval-current-env --nbval-cell-timeout=300 --nbval-sanitize-with tests/sanitize.cfg
test-fast: setup ## the quick tests, while working
	@$(QUIET) $(PY) -m pytest tests -n 2 --dist loadscope -m "not slow"
test-portable: setup ## the notebooks once more, with the plainest instruction set
	@$(CHECK) ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2 $(PY) $(NBVAL) $(NOTEBOOKS) $(ELSEWHERE)
# An engine whose pins clash gets an environment of its own: its packages come first, .venv's serve the rest.
.venv-%/.done: constraints-%.txt pyproject.toml .venv/.done
	$(PYTHON) -m venv .venv-$*
	@$(PY) -c "$(SITE)" > $$(.venv-$*/bin/python -c "$(SITE)")/course.pth
	.venv-$*/bin/python -m pip install --quiet $(CPU_INDEX) -c constraints-$*.txt $(or $(WANTED-$*),-e ".[$*]")
	@touch $@
test-flower: .venv-flower/.done ## the same owners on Flower, in an environment of its own
	@$(QUIET) FLWR_TELEMETRY_ENABLED=0 .venv-flower/bin/python $(ALONE) tests/test_flower.py
test-paddle: .venv-paddle/.done ## appendix A in PaddlePaddle, in an environment of its own
	@$(CHECK) .venv-paddle/bin/python $(NBVAL) -p no:xdist notebooks/A_paddle.ipynb
	@$(QUIET) .venv-paddle/bin/python $(ALONE) tests/test_paddle.py
test-trl: .venv-trl/.done ## the student of appendix B trained by TRL, in an environment of its own
	@$(QUIET) HF_HUB_OFFLINE=1 .venv-trl/bin/python $(ALONE) tests/test_trl.py
mutants: setup   ## break the package in named ways; the fast tests must notice each
	@$(PY) tools/mutants.py
lab: setup       ## JupyterLab on the first lesson
	@OMP_WAIT_POLICY=PASSIVE $(PY) -m jupyterlab notebooks/*_start_here.ipynb
notebooks: setup course ## run every lesson and every evidence again, and save them
	@$(QUIET) $(PY) -m jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False notebooks/[0-9]*.ipynb notebooks/B_*.ipynb notebooks/evidence/*.ipynb guides/*.ipynb
exercises: setup ## make the learners' notebooks from the solutions, which are run and saved first
	@$(PY) tools/exercises.py
	@$(QUIET) $(PY) -m jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False solutions/*.ipynb
	@$(PY) tools/exercises.py
experiments: setup ## bring recorded results up to date; ONLY=slug: of one evidence or record; AUDIT=n: run n rows again
	@$(PY) tools/experiments.py $(ONLY) $(if $(AUDIT),--audit $(AUDIT))
lint: setup      ## ruff, mypy, import layers, size limits
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy && .venv/bin/lint-imports && $(PY) tools/sizes.py
bench: setup     ## speed beside what a user would pick instead
	@$(QUIET) $(PY) tests/bench/training.py && $(QUIET) $(PY) tests/bench/importance.py
bench-federated: setup ## rounds of federated averaging beside a plain loop, Flower, pfl and PaddlePaddle
	@for engine in flower paddle pfl; do $(MAKE) --no-print-directory .venv-$$engine/.done || true; done
	@$(QUIET) $(PY) -m tests.bench.federated
book: setup      ## the course as a site in build/book/html; EPUB=1: as an EPUB, too
	@$(PY) tools/book.py $(if $(EPUB),--epub)
course: setup    ## number the lessons as course.toml says; links, README's table and the map follow
	@$(PY) tools/course.py
teacher: setup   ## train the shipped teacher again: make teacher FASHION=folder
	@$(PY) tools/train_teacher.py $(FASHION)
