# Each target works from nothing but python3.11 with pip.
PYTHON ?= python3.11
CORES ?= 2
BIN := .venv/bin
SNAKEMAKE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --workflow-profile workflow/profiles/local --cores $(CORES)

.DEFAULT_GOAL := help
.PHONY: help env env-allensdk demo test lint format report benchmark lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

env: .venv/.ready ## install everything into .venv

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

env-allensdk: .venv-allensdk/.ready ## install AllenSDK into .venv-allensdk (downloads and cross-checks only)

.venv-allensdk/.ready: envs/allensdk.lock
	$(PYTHON) -m venv .venv-allensdk
	.venv-allensdk/bin/pip install --quiet --disable-pip-version-check -r envs/allensdk.lock
	touch $@

demo: env ## run everything on simulated recordings: figures and results/report.zip
	$(SNAKEMAKE)
	$(SNAKEMAKE) --report results/report.zip

test: env env-allensdk ## run the tests
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n $(CORES) --dist loadfile

lint: env ## check style, rules and types of files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --lint

format: env ## rewrite files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

report: env ## write results/report.zip from the results that are there
	$(SNAKEMAKE) --report results/report.zip

benchmark: env ## time our binning against other packages, and an Allen-size recording
	$(SNAKEMAKE) benchmark

lock: ## resolve pyproject.toml anew into requirements.lock (needs uv on the PATH)
	# torch's CUDA packages stay out: pip adds those that fit the machine.
	uv pip compile pyproject.toml --all-extras --python-version 3.11 --no-header --no-annotate -q \
	  | sed 's/+cpu//' | grep -vE '^(nvidia|cuda|triton)' > build.lock
	{ head -1 requirements.lock; cat build.lock; } > requirements.new && rm build.lock
	mv requirements.new requirements.lock
	$(BIN)/python tests/tools/conda_from_lock.py

clean: ## delete results and Snakemake's memory of them, keep downloads
	rm -rf .snakemake && find results -mindepth 1 -maxdepth 1 ! -name README.md ! -name downloads -exec rm -rf {} +
