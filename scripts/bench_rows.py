"""What `kerasmith bench` measures: each row gives pairs of ours and a peer."""

import dataclasses
import pathlib
import subprocess
import sys
import tempfile

from kerasmith.scripts import (
    bench_attention,
    bench_callbacks,
    bench_classifiers,
    bench_decoding,
    bench_dropout,
    bench_embeddings,
    bench_gallery,
    bench_normalization,
    bench_recurrent,
    bench_segmentation,
)
from kerasmith.scripts.bench import Pair

EPOCHS = 10


def imports():
    """Time imports, each in a new process.

    Returns:
        List of `Pair`.

    Example:

    >>> [pair.label for pair in imports()][0]
    'import kerasmith, against import keras'
    """

    def importing(statement):
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True)

    keras = importing("import keras")
    return [
        Pair(f"{statement}, against import keras", importing(statement), keras)
        for statement in (
            "import kerasmith",
            "from kerasmith import layers",
            "from kerasmith import zoo",
        )
    ]


def lenet5_epoch():
    """Time epochs of LeNet-5 through our run and through bare `fit`.

    Both see the same images without augmentation, and judge the dev split after each
    epoch. Ours shuffles and feeds by tf.data, keeps the best weights, the history,
    the TensorBoard logs and a state to resume from.

    Returns:
        List of `Pair`.

    Example:

    >>> len(lenet5_epoch())
    2
    """
    from kerasmith import zoo
    from kerasmith.zoo.tools import run

    recipe = zoo.recipes.get("lenet5_digits")
    recipe = dataclasses.replace(recipe, augment=None, epochs=EPOCHS)
    data = run.load_data(recipe)
    train, dev = data.arrays("train"), data.arrays("dev")
    ours = run.build_model(recipe, data)

    def through_run():
        with tempfile.TemporaryDirectory() as folder:
            run.fit(recipe, ours, data, pathlib.Path(folder), 0)

    def bare(steps_per_execution):
        settings = {"steps_per_execution": steps_per_execution}
        model = run.build_model(dataclasses.replace(recipe, **settings), data)
        common = {"epochs": EPOCHS, "batch_size": recipe.batch_size, "verbose": 0}
        return lambda: model.fit(*train, validation_data=dev, **common)

    steps = ours.steps_per_execution
    what = f"{EPOCHS} epochs of LeNet-5 on digits by our run"
    return [
        Pair(
            f"{what}, against bare fit with its {steps} steps an execution",
            through_run,
            bare(steps),
        ),
        Pair(f"{what}, against bare fit as it comes", through_run, bare(1)),
    ]


ROWS = {
    "imports": imports,
    "lenet5_epoch": lenet5_epoch,
    **bench_normalization.ROWS,
    **bench_dropout.ROWS,
    **bench_embeddings.ROWS,
    **bench_recurrent.ROWS,
    **bench_attention.ROWS,
    **bench_callbacks.ROWS,
    **bench_classifiers.ROWS,
    **bench_decoding.ROWS,
    **bench_gallery.ROWS,
    **bench_segmentation.ROWS,
}
