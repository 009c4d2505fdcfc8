"""What every test starts from: one backend, one seed, float32."""

import gc
import os
import pathlib
import sys

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

# JAX translates each operation of each shape anew, in every process: let them share
CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# and spend little on the speed of what runs once or twice
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


# nor XLA on the speed of what TensorFlow has it compile
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)


# files whose tests build networks of millions of weights
LARGE = {
    f"test_{name}"
    for name in (
        "alexnet_vgg_nin_mathematics",
        "architectures",
        "finetune",
        "imagenet_weights",
        "inception_mathematics",
        "representatives",
        "torchvision_weights",
        "weights",
    )
}


# files of minutes: a worker that came to one last would keep the others waiting
LONG = [
    f"test_{name}"
    for name in (
        "run",
        "compiled",
        "callback_resume",
        "killed_training",
        "distributed_training",
        "tune",
        "tuning_search",
        "imagenet_weights",
        "representatives",
        "architectures",
        "callbacks_together",
        "docs",
        "published_counts",
        "search",
        "doctests",
        "fresh_process",
        "callback_best_weights",
        "callback_freezing",
        "callback_weight_average",
        "attention_memory",
    )
]


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest."""
    rank = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def pytest_collection_finish():
    """Let what was imported be, whenever garbage is looked for from here on."""
    if "tensorflow" in sys.modules:
        _tune_no_pipelines()
        _optimize_no_graphs()
    gc.collect()
    gc.freeze()


def _tune_no_pipelines():
    """Keep `tf.data` from tuning itself.

    It does so in a thread, less and less often. When an iterator is forgotten that
    thread now and then misses it, and TensorFlow waits until it looks again: up to a
    minute for each training of a test.
    """
    import tensorflow as tf

    begin = tf.data.Dataset.__iter__
    options = tf.data.Options()
    options.autotune.enabled = False
    tf.data.Dataset.__iter__ = lambda self: begin(self.with_options(options))


def _optimize_no_graphs():
    """Keep TensorFlow from rewriting graphs, for longer than most of them run here."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Forget behind the last test of a file what it has left."""
    result = yield
    if nextitem is None or nextitem.path != item.path:
        if "tensorflow" in sys.modules:
            _forget_gradients()
        gc.collect()
        gc.freeze()  # what is still there stays, and need not be looked through again
    return result


def _forget_gradients():
    """Let go of the graphs that hold a gradient of one's own.

    TensorFlow notes such a gradient by a name of its own for good, and with it the
    graph and the model: gigabytes after some hundred trainings.
    """
    from tensorflow.python.framework import ops

    noted = ops.gradient_registry._registry
    for name in [name for name in noted if name.startswith("CustomGradient-")]:
        del noted[name]


@pytest.fixture(autouse=True)
def _the_same_start(request):
    """Seed everything, and put back the dtype policy that a test has changed."""
    if "keras" in sys.modules:  # tests that read sources need not wait for it
        sys.modules["keras"].utils.set_random_seed(1998)
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")
    if request.path.stem in LARGE:
        gc.collect()  # models are circles of references, and weigh gigabytes together


@pytest.fixture(scope="module")
def answers():
    """Answer half of the real digits with a classifier learned from the others."""
    from sklearn.datasets import load_digits
    from sklearn.naive_bayes import GaussianNB

    inputs, truth = load_digits(return_X_y=True)
    judge = GaussianNB().fit(inputs[::2], truth[::2])
    probabilities = judge.predict_proba(inputs[1::2])
    chosen = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return inputs[1::2].reshape(-1, 8, 8), truth[1::2], *chosen
