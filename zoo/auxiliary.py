"""Training with auxiliary heads: outputs beside the logits that only training needs."""

import keras

MAIN = "logits"


def compile_with_auxiliary(
    model, optimizer, loss, *, metrics=None, auxiliary_weight=0.3, **options
):
    """Compile a model with auxiliary heads.

    The loss of the logits counts once, that of each auxiliary head by its weight. The
    targets must come once for each output: see `repeat_targets`.

    Args:
        model: Model with a dictionary of outputs, one of them `logits`.
        optimizer: Optimiser, as `model.compile` takes it.
        loss: Loss of each output's logits, as `model.compile` takes it.
        metrics: Metrics of the main logits, as `model.compile` takes them.
        auxiliary_weight: Weight of the loss of each auxiliary head.
        **options: Other arguments of `model.compile`.

    Raises:
        ValueError: If the model has no auxiliary heads.

    Example:

    >>> image = keras.Input((4,))
    >>> heads = {n: keras.layers.Dense(2, name=n)(image) for n in ("logits", "early")}
    >>> model = keras.Model(image, heads)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> compile_with_auxiliary(model, "sgd", loss, metrics=["accuracy"])
    >>> x, y = keras.ops.ones((6, 4)), keras.ops.zeros((6,))
    >>> history = model.fit(*repeat_targets(model)(x, y), verbose=0)
    >>> sorted(history.history)
    ['early_loss', 'logits_accuracy', 'logits_loss', 'loss']

    Reference:
        Szegedy et al., 2015, https://arxiv.org/abs/1409.4842
    """
    names = _outputs(model)
    model.compile(
        optimizer,
        loss=dict.fromkeys(names, loss),
        loss_weights={
            name: 1.0 if name == MAIN else auxiliary_weight for name in names
        },
        metrics={MAIN: metrics},
        **options,
    )


def repeat_targets(model):
    """Make the function that gives the targets to each output of a model.

    It fits `dataset.map`, and the arguments of `fit` and of `evaluate`:
    `model.fit(*repeat(x, y), validation_data=repeat(x_dev, y_dev))`.

    Args:
        model: Model with a dictionary of outputs, one of them `logits`.

    Returns:
        Function of inputs, targets and, where there are, sample weights. It gives
        them as a tuple, targets and weights in a dictionary by output.

    Raises:
        ValueError: If the model has no auxiliary heads.

    Example:

    >>> image = keras.Input((4,))
    >>> heads = {n: keras.layers.Dense(2, name=n)(image) for n in ("logits", "early")}
    >>> repeat = repeat_targets(keras.Model(image, heads))
    >>> inputs, targets = repeat("images", "classes")
    >>> targets == {"logits": "classes", "early": "classes"}
    True
    """
    names = _outputs(model)

    def repeat(x, y, *sample_weight):
        return x, *(dict.fromkeys(names, part) for part in (y, *sample_weight))

    return repeat


def without_auxiliary(model):
    """Give the model for inference: that of the logits alone.

    It shares its layers and their weights with the model it came from. What it saves
    loads where no auxiliary heads were ever built.

    Args:
        model: Model with a dictionary of outputs, one of them `logits`.

    Returns:
        Functional `keras.Model`.

    Raises:
        ValueError: If the model has no auxiliary heads.

    Example:

    >>> image = keras.Input((4,))
    >>> heads = {n: keras.layers.Dense(2, name=n)(image) for n in ("logits", "early")}
    >>> without_auxiliary(keras.Model(image, heads)).output_shape
    (None, 2)
    """
    _outputs(model)
    return keras.Model(model.input, model.output[MAIN], name=model.name)


def _outputs(model):
    """Name the outputs of a model with auxiliary heads."""
    output = model.output
    if not isinstance(output, dict) or MAIN not in output:
        raise ValueError(
            f"{model.name} has no auxiliary heads: a dictionary of outputs with "
            f"{MAIN!r} is needed, received {output}. Build it with auxiliary=True, as "
            "in zoo.inception('googlenet', auxiliary=True); without them, compile and "
            "fit it as any model."
        )
    return list(output)
