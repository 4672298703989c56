# The doors of the repository. `make help` lists them; each makes .venv first if it is missing.
# Whatever else a stage understands goes through ARGS: make train EXP=linknet34 ARGS="trainer.max_epochs=3".
# What a stage does, and its keys: .venv/bin/maskfold <stage> --help.

SHELL := /bin/bash
.DEFAULT_GOAL := help

EXP ?= linknet34
FOLD ?= 0
SPLIT ?= test
DATA ?= carvana
ENS ?= carvana
TRUTH ?= data/studio/test_truth
SUB ?= submissions/$(ENS)/submission.csv.gz
ROUTES ?= submissions/$(ENS)/quality/routes.parquet
ARGS ?=

PYTHON ?= python3
PY := .venv/bin/python
STAGE := $(PY) -m maskfold
STAMP := .venv/.installed

# Several processes of one training: when one is lost all start again, each time with a new store of their addresses
# (pytorch#135712), and go on from what was saved last.
TORCHRUN = TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 $(PY) -m torch.distributed.run --standalone --nproc-per-node=$(RANKS) \
  --max-restarts=10 -m maskfold.stages.train

# What a campaign tells its stages, such as TRAIN="data=pairs data.root=/photos" PREDICT="trainer.batch_size=16".
told = $(if $(TRAIN),"train='$(TRAIN)'") $(if $(PREDICT),"predict='$(PREDICT)'") $(if $(MERGE),"merge='$(MERGE)'")

# What `make join` is told of: each of these variables that is given, as key=value.
keyed = $(foreach variable,$(1),$(if $($(variable)),$(shell echo $(variable) | tr A-Z a-z)=$($(variable))))

# A plan is of the ensemble when it is given, of the experiment when it is or nothing is; without EXP, cards are all.
given = $(if $(filter file,$(origin $(1))),,$($(1)))
planned = $(if $(or $(call given,EXP),$(if $(call given,ENS),,yes)),experiments=[$(EXP)]) $(if $(call given,ENS),ensemble=$(ENS))
card = $(filter-out all,$(call given,EXP))

# A report is of an ensemble, or of the experiment where that alone is given.
looked_at = $(if $(and $(call given,EXP),$(if $(call given,ENS),,yes)),name=$(EXP),ensemble=$(ENS))

# What masks photos to cut out: an exported model where there is one, else an ensemble.
masked = $(if $(MODEL),exported=$(MODEL),ensemble=$(ENS))

# A stage whose keys all go through ARGS needs no line below: its door is here.
DOORS := $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))
OTHERS := $(filter-out $(DOORS) $(subst -,_,$(DOORS)),$(basename $(notdir $(wildcard src/maskfold/stages/[a-z]*.py))))

.PHONY: $(DOORS) $(OTHERS)

##@ To begin with
help: ## list the doors
	@awk -F ':.*## ' '/^##@/ {print substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	$(if $(OTHERS),@printf 'Others\n$(OTHERS:%=  make %\n)')

setup: $(STAMP) ## make .venv and install the pinned requirements

demo: $(STAMP) ## the whole pipeline on a generated studio set: CPU, minutes
	$(PY) -m maskfold.demo $(ARGS)

demo-recognition: $(STAMP) ## recognition on generated packages: train, grow, refuse, publish; CPU, minutes
	$(PY) -m maskfold.demo_recognition $(ARGS)

##@ Data
data: $(STAMP) ## download and unpack DATA=carvana, or any COMPETITION=<its name at Kaggle>, with the Kaggle CLI
	$(STAGE) data $(if $(COMPETITION),competition=$(COMPETITION) $(if $(call given,DATA),folder=$(DATA)),data=$(DATA)) $(ARGS)

studio: $(STAMP) ## generate a labelled studio set: ARGS="cars=24 height=640 width=960"
	$(STAGE) studio $(ARGS)

packages: $(STAMP) ## generate labelled photos of grocery packages: ARGS="products=[35,5] unknown=3"
	$(STAGE) packages $(ARGS)

join: $(STAMP) ## understand a competition: SAMPLE=... TRAIN=... IMAGES=... MASKS=... TEST=... [NAME= METRIC= COMPETITION=]
	$(STAGE) join sample=$(SAMPLE) $(call keyed,TRAIN IMAGES MASKS TEST NAME METRIC COMPETITION) $(ARGS)

clean: $(STAMP) ## find masks that do not fit, twins and the like in DATA, without touching it
	$(STAGE) clean data=$(DATA) $(ARGS)

folds: $(STAMP) ## write the split of DATA
	$(STAGE) folds data=$(DATA) $(ARGS)

clusters: $(STAMP) ## sort the photos of DATA into kinds, and make a page to correct them by
	$(STAGE) clusters data=$(DATA) $(ARGS)

##@ Members
train: $(STAMP) ## train EXP, FOLD=<k>, all or full; RANKS=2 processes, a GPU each, and all again when one is lost
	$(if $(RANKS),$(TORCHRUN),$(STAGE) train) experiment=$(EXP) fold=$(FOLD) $(ARGS)

soup: $(STAMP) ## average the weights of EXP's best checkpoints, FOLD=<k> or all, into EXP_soup; KEEP=5 ARGS="greedy=true"
	$(STAGE) soup name=$(EXP) fold=$(FOLD) $(call keyed,KEEP) $(ARGS)

predict: $(STAMP) ## predict SPLIT=oof or test with EXP, FOLD=<k>, all or full
	$(STAGE) predict name=$(EXP) fold=$(FOLD) split=$(SPLIT) $(ARGS)

evaluate: $(STAMP) ## score the out-of-fold maps of EXP
	$(STAGE) evaluate name=$(EXP) $(ARGS)

promote: $(STAMP) ## put NAME's best fold, or FOLD=<k>, in the champion's place if a judge set allows it; ARGS=back=true goes back
	$(STAGE) promote $(call keyed,NAME) $(if $(call given,FOLD),fold=$(FOLD)) $(ARGS)

card: $(STAMP) ## pages of what was measured here; cards, tables and keys anew; ARGS=publish=true: EXP's scores into its card
	$(STAGE) card $(card:%=name=%) $(ARGS)

##@ Ensembles
ensemble: $(STAMP) ## average, rank, post-process and write the submission of ENS
	$(STAGE) ensemble ensemble=$(ENS) $(ARGS)

fuse: $(STAMP) ## predict the test photos with all networks of ENS in one pass; then make ensemble ARGS=fused=true
	$(STAGE) fuse ensemble=$(ENS) $(ARGS)

blend: $(STAMP) ## fit the weights of ENS out of fold, and say whether that is worth it
	$(STAGE) blend ensemble=$(ENS) $(ARGS)

tune: $(STAMP) ## choose thresholds and when a photo is empty, for ENS out of fold, and say whether that is worth it
	$(STAGE) tune ensemble=$(ENS) $(ARGS)

pseudo: $(STAMP) ## label the test photos that ENS is sure of, for training
	$(STAGE) pseudo ensemble=$(ENS) $(ARGS)

recipe: $(STAMP) ## experiments and an ensemble for DATA that fit HOURS=12 on this machine, in words why; edit and run them
	$(STAGE) recipe data=$(DATA) $(call keyed,HOURS NAME) $(ARGS)

plan: $(STAMP) ## what EXP=..., ENS=... or both will cost, before it runs
	$(STAGE) plan $(planned) $(told) $(ARGS)

campaign: $(STAMP) ## train, predict, evaluate and merge all that ENS lacks; ARGS="jobs=2" at once
	$(STAGE) campaign ensemble=$(ENS) $(told) $(ARGS)

techniques: $(STAMP) ## what each technique gains over EXP on DATA, and costs: ARGS="seeds=3 only=[mixup,d4]"
	$(STAGE) techniques data=$(DATA) base=$(EXP) $(told) $(ARGS)

report: $(STAMP) ## pictures and tables of ENS in one HTML file; of a recogniser, EXP does as well
	$(STAGE) report $(looked_at) $(ARGS)

notebook: $(STAMP) ## run the error analysis of ENS, a notebook beside its report; of a recogniser, EXP does as well
	$(STAGE) notebook $(looked_at) $(ARGS)

##@ Submissions
doctor: $(STAMP) ## check SUB before an upload
	$(STAGE) doctor submission=$(SUB) $(ARGS)

score: $(STAMP) ## score SUB against TRUTH, a folder of masks or a CSV of labels
	$(STAGE) score submission=$(SUB) truth=$(TRUTH) $(ARGS)

submit: $(STAMP) ## check SUB, upload it with MESSAGE="..." to Kaggle, record its score
	$(STAGE) submit submission=$(SUB) $(ARGS)

bundle: $(STAMP) ## one folder for a competition without internet, of ENS, rehearsed; [HOURS=9 PHOTOS=20 HIDDEN=<photos> WHEELS=download TO=]
	$(STAGE) bundle ensemble=$(ENS) $(call keyed,HOURS PHOTOS HIDDEN WHEELS TO) $(ARGS)

winners-pack: $(STAMP) ## the documents that hosts ask of winners, of ENS, filled from its runs: TO=<folder>
	$(STAGE) winners_pack ensemble=$(ENS) $(call keyed,TO) $(ARGS)

pick: $(STAMP) ## choose the two submissions to select at the end
	$(STAGE) pick $(ARGS)

##@ Cut-outs
export: $(STAMP) ## one ONNX file, and safetensors, of EXP=..., its best FOLD or FOLD=<k> or all, or of a whole ENS=...
	$(STAGE) export $(if $(call given,ENS),ensemble=$(ENS),name=$(EXP) $(if $(call given,FOLD),fold=$(FOLD))) $(ARGS)

quality: $(STAMP) ## how good the masks of ENS are without their truth: ship, review or reject; SPLIT=test routes the test photos
	$(STAGE) quality ensemble=$(ENS) $(if $(filter command line,$(origin SPLIT)),split=$(SPLIT)) $(ARGS)

cutout: $(STAMP) ## remove the background of the photos in SRC, into OUT, with ENS or MODEL=<exported model.onnx>
	$(STAGE) cutout $(if $(SRC),source=$(SRC)) $(if $(OUT),target=$(OUT)) $(masked) $(ARGS)

serve: $(STAMP) ## answer photos over HTTP with MODEL=exports/<name>/model.onnx, or the networks of ENS
	$(STAGE) serve $(masked) $(ARGS)

review: $(STAMP) ## correct in the browser what ROUTES sent to review, cutouts/routes.parquet; without ROUTES that of make quality ENS
	$(STAGE) review routes=$(ROUTES) $(ARGS)

store: $(STAMP) ## add what was reviewed and shipped of ROUTES to STORE, without JUDGE's; SNAPSHOT=2026-11 freezes a month
	$(STAGE) store $(if $(call given,ROUTES),routes=$(ROUTES)) $(call keyed,STORE JUDGE SNAPSHOT) $(ARGS)

drift: $(STAMP) ## compare ROUTES of now with the promise of QUALITY, and print the one command that retrains
	$(STAGE) drift $(if $(call given,ROUTES),routes=$(ROUTES)) $(call keyed,QUALITY STORE NAME) $(ARGS)

##@ Recognition
shards: $(STAMP) ## write the photos of DATA as shards, a folder a month, into TO=<folder or s3://...>; MONTHS=[2026-03] only these
	$(STAGE) shards data=$(DATA) $(call keyed,TO MONTHS) $(ARGS)

enroll: $(STAMP) ## let the products of MONTH=2026-03 join the network of EXP, FOLD=<k>, without a training
	$(STAGE) enroll name=$(EXP) $(call keyed,MONTH) $(if $(call given,FOLD),fold=$(FOLD)) $(ARGS)

grow: $(STAMP) ## teach the champion the products of MONTH, by LEVEL=enroll, finetune or full, behind a gate; TRAIN="..." for its training
	$(STAGE) grow name=$(EXP) $(call keyed,MONTH LEVEL UNKNOWN) $(if $(call given,FOLD),fold=$(FOLD)) $(if $(TRAIN),"train='$(TRAIN)'") $(ARGS)

publish: $(STAMP) ## bring MODEL=exports/<name> to TO=<folder or s3://bucket/models> as a version that is whole or absent
	$(STAGE) publish $(MODEL:%=exported=%) $(call keyed,TO VERSION) $(ARGS)

##@ The repository
# Bytecode is kept whatever the environment says: each of the suite's processes would compile all modules anew.
test: $(STAMP) ## the test suite, in two processes; ARGS="-n 0 --pdb" in one
	PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(STAMP) ## style and types: ruff check and format, pyrefly
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m pyrefly check --summary=none

bench: $(STAMP) ## the measurements behind the documents' numbers
	$(foreach bench,$(wildcard tests/benchmarks/bench_*.py),$(PY) $(bench) &&) true

$(OTHERS): $(STAMP)
	$(STAGE) $@ $(ARGS)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "maskfold needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into .venv (once; several GB, most of it PyTorch)"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(PY) -m maskfold.cutout.matting || true  # compiled once, and not while the first photo waits
	@touch $@
