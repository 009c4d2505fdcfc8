# Each command makes .venv when it is missing; Python 3.11 or newer and make are all
# that has to be there before.
PYTHON ?= python3
TORCH ?= 0
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := __init__.py layers callbacks zoo scripts tests

# what pytest runs on JAX and PyTorch too: all questions of the tables, the mathematics,
# and what reaches deepest into a training. Every test runs there that is named, as in
# make test TORCH=1 EVERYWHERE="tests/test_callback*.py"
EVERYWHERE := tests/conformance $(wildcard tests/test_*mathematics*.py) $(addprefix tests/test_, \
	$(addsuffix .py, attention_cache callback_best_weights callback_gradient_clipping \
	callback_learning_rate callback_training_monitor callback_weight_average callbacks \
	callbacks_together clipping_rules constrain distributed_training monte_carlo normalization_precision \
	transformer_decoding weight_wrappers zoneout_coins))
# JAX compiles every model of these anew, for minutes; by hand they are asked there, too
SLOW_ON_JAX := $(addprefix tests/test_, $(addsuffix .py, alexnet_vgg_nin_mathematics \
	attention_cache inception_mathematics \
	callback_best_weights callback_learning_rate callback_training_monitor \
	callback_weight_average callbacks_together transformer_decoding unet_mathematics))

# a file is one worker's, and files begin in the order of tests/conftest.py
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart=0

.PHONY: help train test lint bench clean
help:
	@echo "make train   train LeNet-5 on handwritten digits, offline: runs/lenet5_digits"
	@echo "make test    everything that CI runs; with TORCH=1 on PyTorch too"
	@echo "make lint    format, lint and types"
	@echo "make bench   measure ours against Keras' own: docs/benchmarks.md"

.venv/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kerasmith needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/.train: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

.venv/.test: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e ".[dev,jax,export]"
	mkdir -p .venv/typings && ln -sfn ../.. .venv/typings/kerasmith
	touch $@ .venv/.train

.venv/.torch: .venv/.test
	$(PIP) torch
	touch $@

train: .venv/.train
	$(BIN)/kerasmith train lenet5_digits

lint: .venv/.test
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/pyright --warnings

test: lint $(if $(filter 1,$(TORCH)),.venv/.torch)
	KERAS_BACKEND=tensorflow $(BIN)/pytest $(SIDE_BY_SIDE)
	KERAS_BACKEND=jax $(BIN)/pytest $(SIDE_BY_SIDE) $(filter-out $(SLOW_ON_JAX), $(EVERYWHERE))
ifeq ($(TORCH),1)
	KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(BIN)/pytest $(SIDE_BY_SIDE) $(EVERYWHERE)
endif

bench: .venv/.test
	$(BIN)/kerasmith bench

clean:
	rm -rf .venv build dist *.egg-info
