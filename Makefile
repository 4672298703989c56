# The doors of the repository. `make help` lists them; each makes .venv first if it is missing.
# Whatever else a stage understands goes through ARGS: make train EXP=linknet34 ARGS="trainer.max_epochs=3".

SHELL := /bin/bash
.DEFAULT_GOAL := help

EXP ?= linknet34
FOLD ?= 0
SPLIT ?= test
DATA ?= carvana
ENS ?= carvana
TRUTH ?= data/studio/test_truth
SUB ?= submissions/$(ENS)/submission.csv.gz
ARGS ?=

PYTHON ?= python3
PY := .venv/bin/python
STAGE := $(PY) -m maskfold.stages
STAMP := .venv/.installed

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "maskfold needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into .venv (once; several GB, most of it PyTorch)"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# FOLD=all is, one after another, every fold of the split that EXP trains on, or every fold that has been trained.
to_train = $(if $(filter all,$(FOLD)),$$($(STAGE).list_folds experiment=$(EXP) $(ARGS)),$(FOLD))
trained = $(if $(filter all,$(FOLD)),$$(cd experiments/$(EXP) && ls -d fold* | tr -d a-z),$(FOLD))

# Without EXP, every card.
card = $(if $(filter file,$(origin EXP)),all,$(EXP))

.PHONY: help setup demo test lint data studio folds train predict fuse evaluate ensemble blend pseudo plan campaign card doctor submit pick score report notebook bench

help: ## list the doors
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv and install the pinned requirements

demo: $(STAMP) ## the whole pipeline on a generated studio set: CPU, minutes
	$(PY) -m maskfold.demo $(ARGS)

test: $(STAMP) ## the test suite, in two processes; ARGS="-n 0 --pdb" in one
	$(PY) -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(STAMP) ## style and types: ruff check and format, pyrefly
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyrefly check --summary=none

CHALLENGE := carvana-image-masking-challenge
PIECES := train train_masks test metadata.csv sample_submission.csv

data: ## download and unpack DATA=carvana with the Kaggle CLI
	@[ "$(DATA)" = carvana ] || { echo "DATA=$(DATA): only carvana can be downloaded"; exit 1; }
	@command -v kaggle >/dev/null || { echo "The Kaggle CLI is missing: pip install kaggle, put your API token \
	into ~/.kaggle/kaggle.json (kaggle.com, Settings, API), and accept the rules of $(CHALLENGE)."; exit 1; }
	@set -e; new=data/carvana/.download; for piece in $(PIECES); do \
	  [ -e data/carvana/$$piece ] && continue; \
	  kaggle competitions download -c $(CHALLENGE) -f $$piece.zip -p $$new; \
	  $(PYTHON) -m zipfile -e $$new/$$piece.zip $$new; \
	  mv $$new/$$piece data/carvana/$$piece; rm $$new/$$piece.zip; done

studio: $(STAMP) ## generate a labelled studio set: ARGS="cars=24 height=640 width=960"
	$(STAGE).studio $(ARGS)

folds: $(STAMP) ## write the split of DATA
	$(STAGE).folds data=$(DATA) $(ARGS)

train: $(STAMP) ## train EXP, FOLD=<k> or all
	@set -e; folds="$(to_train)"; for fold in $$folds; do \
	  $(STAGE).train experiment=$(EXP) fold=$$fold $(ARGS); done

predict: $(STAMP) ## predict SPLIT=oof or test with EXP, FOLD=<k> or all
	@set -e; folds="$(trained)"; for fold in $$folds; do \
	  $(STAGE).predict name=$(EXP) fold=$$fold split=$(SPLIT) $(ARGS); done

fuse: $(STAMP) ## predict the test photos with all networks of ENS in one pass; then make ensemble ARGS=fused=true
	$(STAGE).fuse ensemble=$(ENS) $(ARGS)

evaluate: $(STAMP) ## score the out-of-fold maps of EXP
	$(STAGE).evaluate name=$(EXP) $(ARGS)

ensemble: $(STAMP) ## average, rank, post-process and write the submission of ENS
	$(STAGE).ensemble ensemble=$(ENS) $(ARGS)

blend: $(STAMP) ## fit the weights of ENS out of fold, and say whether that is worth it
	$(STAGE).blend ensemble=$(ENS) $(ARGS)

pseudo: $(STAMP) ## label the test photos that ENS is sure of, for training
	$(STAGE).pseudo ensemble=$(ENS) $(ARGS)

# What a campaign tells its stages, such as TRAIN="data=pairs data.root=/photos" PREDICT="trainer.batch_size=16".
told = $(if $(TRAIN),"train='$(TRAIN)'") $(if $(PREDICT),"predict='$(PREDICT)'") $(if $(MERGE),"merge='$(MERGE)'")

# Of the ensemble when it is given, of the experiment when it is or nothing is.
given = $(if $(filter file,$(origin $(1))),,$($(1)))
planned = $(if $(or $(call given,EXP),$(if $(call given,ENS),,yes)),experiments=[$(EXP)]) $(if $(call given,ENS),ensemble=$(ENS))

plan: $(STAMP) ## what EXP=..., ENS=... or both will cost, before it runs
	$(STAGE).plan $(planned) $(told) $(ARGS)

campaign: $(STAMP) ## train, predict, evaluate and merge all that ENS lacks; ARGS="jobs=2" at once
	$(STAGE).campaign ensemble=$(ENS) $(told) $(ARGS)

card: $(STAMP) ## write what was measured into the card of EXP, or into all, and into the tables
	$(STAGE).card $(if $(filter all,$(card)),,name=$(card)) $(ARGS)

score: $(STAMP) ## score SUB against TRUTH, a folder of masks
	$(STAGE).score submission=$(SUB) truth=$(TRUTH) $(ARGS)

doctor: $(STAMP) ## check SUB before an upload
	$(STAGE).doctor submission=$(SUB) $(ARGS)

submit: $(STAMP) ## check SUB, upload it with MESSAGE="..." to Kaggle, record its score
	$(STAGE).submit submission=$(SUB) $(ARGS)

pick: $(STAMP) ## choose the two submissions to select at the end
	$(STAGE).pick $(ARGS)

report: $(STAMP) ## pictures and tables of ENS in one HTML file
	$(STAGE).report ensemble=$(ENS) $(ARGS)

notebook: $(STAMP) ## run the error analysis of ENS, a notebook beside its report
	$(STAGE).notebook ensemble=$(ENS) $(ARGS)

bench: $(STAMP) ## the measurements behind the README's numbers
	for bench in tests/benchmarks/bench_*.py; do $(PY) $$bench || exit 1; done
