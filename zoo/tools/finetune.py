"""Fine-tuning: another task for a network that has been trained."""

import re

import keras
import numpy as np
from keras import ops

from ...callbacks import DiscriminativeLearningRates
from ...callbacks.discriminative_rates import is_multiplier
from ...callbacks.layer_walk import layers_in
from ..choices import choose

ENDPOINT = re.compile(r"stem|stage\d+|memory|features|logits")
HEAD = "logits"


def finetune(model, classes, *, freeze="features", freeze_norms=True, dropout=None):
    """Give a trained network a new head for other classes, and freeze what it knows.

    The new model is a copy: the one given, its weights and whether it is compiled stay
    as they are. All up to the endpoint `freeze` does not train: it gets no gradient, no
    weight decay and no step, and its batch norms work in inference mode, so that their
    statistics stay, too. All after it trains, whatever trained before. Dropout and drop
    path work on in the frozen part.

    Compile the new model before `fit`. To give the earlier stages lower rates, pass
    `stage_rates(model)` to it; to let them train later on, a `FreezeSchedule` with the
    layers of `stages(model)`.

    Args:
        model: A functional model with endpoints, as all in `kerasmith.zoo` are, with
            logits or without (`top=False`).
        classes: Number of classes of the new task.
        freeze: The last endpoint that does not train, such as `"stage2"`; `"features"`
            trains the head alone, `None` everything.
        freeze_norms: Whether the batch norms after it are frozen as well. Their
            statistics come from more data than the new task has; let them train where
            its images look different and the batches are large.
        dropout: Rate in front of the logits; that of the model if `None`.

    Returns:
        Functional `keras.Model`, not compiled, that ends in `logits` of shape `(batch,
        classes)`, in float32 under every dtype policy: a new dense layer, initialised,
        regularised and constrained like the old one where that was one.

    Raises:
        ValueError: If the model has no endpoints or several outputs, there is no such
            endpoint, nothing would train, or a number cannot be right.
        TypeError: If it is no functional Keras model.

    Example:

    >>> from kerasmith import zoo
    >>> trained = zoo.resnet("resnet20", classes=10, input_shape=(16, 16, 1))
    >>> model = finetune(trained, 3, freeze="stage2")
    >>> model.output_shape, trained.output_shape
    ((None, 3), (None, 10))
    >>> [model.get_layer(f"stage{n}_block2_conv1").trainable for n in (1, 2, 3)]
    [False, False, True]

    Reference:
        Yosinski et al., 2014, https://arxiv.org/abs/1411.1792
    """
    found = endpoints(model)
    _check(model, found, classes, freeze, dropout)
    copied = copy(model)
    features = copied.get_layer("features").output
    last = _between(copied) if dropout is None else None
    x = features if last is None else last
    if dropout:
        x = keras.layers.Dropout(dropout, name=f"{HEAD}_dropout")(x)
    old = copied.get_layer(HEAD) if HEAD in found else None
    tuned = keras.Model(_input(copied), _head(old, classes)(x), name=model.name)
    freeze_up_to(tuned, freeze, freeze_norms=freeze_norms)
    return tuned


def freeze_up_to(model, freeze, *, freeze_norms=True):
    """Let all of a network train that comes after an endpoint, and nothing before.

    Args:
        model: A functional model with endpoints; it is changed, and has to be compiled
            (anew) before `fit`.
        freeze: The endpoint, the last that does not train; `None` for none.
        freeze_norms: Whether the batch norms after it are frozen, too.

    Raises:
        ValueError: If the model has no such endpoint, or nothing would train.
        TypeError: If it is no functional Keras model.

    Example:

    >>> from kerasmith import zoo
    >>> model = zoo.lenet("lenet5_modern")
    >>> freeze_up_to(model, "features")
    >>> [tuple(weight.shape) for weight in model.trainable_weights]
    [(84, 10), (10,)]
    """
    _check_freeze(model, endpoints(model), freeze)
    frozen = _up_to(model, freeze) if freeze else set()
    for layer in model.layers:
        layer.trainable = layer.name not in frozen
    for layer in layers_in(model) if freeze_norms else ():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    if freeze and not model.trainable_weights:
        raise ValueError(
            f"freeze={freeze!r} would leave nothing to train: behind this endpoint "
            f"{model.name} has no weights of its own."
        )


def stages(model):
    """Tell which layers lie between the endpoints of a network.

    Args:
        model: A functional model with endpoints.

    Returns:
        Dictionary of the endpoints, from the input on, and lists of the names of the
        layers with weights that lead to each and to none before it. What leads to none
        belongs to the last.

    Raises:
        ValueError: If the model has no endpoints.
        TypeError: If it is no functional Keras model.

    Example:

    >>> from kerasmith import zoo
    >>> found = stages(zoo.resnet("resnet20"))
    >>> list(found)
    ['stem', 'stage1', 'stage2', 'stage3', 'features', 'logits']
    >>> found["stem"], found["logits"]
    (['stem_conv', 'stem_conv_norm'], ['logits'])
    """
    found = {name: [] for name in endpoints(model)}
    reached = {name: _up_to(model, name) for name in found}
    last = list(found)[-1]
    for layer in model.layers:
        if layer.weights:
            place = next((name for name in found if layer.name in reached[name]), last)
            found[place].append(layer.name)
    return found


def stage_rates(model, decay=2.6, multipliers=None):
    """Give each stage of a network a lower learning rate than the next.

    The head learns at the rate of the optimizer; each stage before it, counting those
    with weights, at `1 / decay` of the rate of the one behind it.

    Args:
        model: A functional model with endpoints, such as `finetune` gives.
        decay: Factor from stage to stage, at least 1.
        multipliers: Dictionary of endpoints and multipliers of the learning rate,
            instead of those that follow from the decay.

    Returns:
        `kerasmith.callbacks.DiscriminativeLearningRates`, for `fit`.

    Raises:
        ValueError: If the model has no endpoints, there is no such endpoint, or a
            number cannot be right.
        TypeError: If it is no functional Keras model.

    Example:

    >>> from kerasmith import zoo
    >>> model = zoo.lenet("lenet5_modern")
    >>> rates = stage_rates(model, decay=2, multipliers={"stem": 0.01})
    >>> list(rates.multipliers.values())
    [0.01, 0.25, 0.5, 1.0]

    Reference:
        Howard and Ruder, 2018, https://arxiv.org/abs/1801.06146
    """
    if not is_multiplier(decay) or decay < 1:
        raise ValueError(
            f"stage_rates needs a decay that is finite and at least 1, received "
            f"{decay!r}: it divides the rate of each stage before the head."
        )
    found = {name: tuple(names) for name, names in stages(model).items() if names}
    own = dict(multipliers or {})
    for name in own:
        choose(f"stage with weights in {model.name}", name, list(found))
    depths = range(len(found) - 1, -1, -1)
    return DiscriminativeLearningRates(
        {
            names: own.get(name, float(decay) ** -depth)
            for (name, names), depth in zip(found.items(), depths, strict=True)
        }
    )


def endpoints(model):
    """Name the endpoints of a model.

    Args:
        model: A functional model.

    Returns:
        List of names, from the input on.

    Raises:
        ValueError: If there are no features among them.
        TypeError: If it is no functional Keras model.

    Example:

    >>> from kerasmith import zoo
    >>> endpoints(zoo.resnet("resnet18", top=False))
    ['stem', 'stage1', 'stage2', 'stage3', 'stage4', 'features']
    """
    _require_functional(model)
    names = [layer.name for layer in model.layers]
    found = [name for name in names if ENDPOINT.fullmatch(name)]
    if "features" not in found:
        raise ValueError(
            f"{model.name} has no endpoint 'features'; of endpoints it has "
            f"{', '.join(found) or 'none'}. Build it with kerasmith.zoo, or give the "
            "layer whose output the logits see the name 'features'."
        )
    stage = {name: int(name[5:]) for name in found if name.startswith("stage")}
    ends = ("memory", "features", HEAD)  # the memory is what an encoder of texts gave
    last = {name: 10**6 + n for n, name in enumerate(ends)}
    place = {"stem": 0, **last, **stage}
    return sorted(found, key=place.__getitem__)


def copy(model):
    """Copy a functional model and the state of all its layers.

    Args:
        model: The model.

    Returns:
        Model of the same class, not compiled.

    Example:

    >>> from kerasmith import zoo
    >>> model = zoo.lenet("lenet5_modern")
    >>> (copy(model).get_weights()[0] == model.get_weights()[0]).all()
    np.True_
    """
    copied = keras.models.clone_model(model)
    for old, new in zip(layers_in(model), layers_in(copied), strict=True):
        store = {}
        old.save_own_variables(store)
        # copies: on JAX two variables would share an array, which a step then deletes
        arrays = {key: np.array(ops.convert_to_numpy(store[key])) for key in store}
        new.load_own_variables(arrays)
    return copied


def _require_functional(model):
    functional = isinstance(model, keras.Model) and getattr(model, "inputs", None)
    if not functional:
        raise TypeError(
            f"a functional keras.Model is needed, received {model!r}: build one with "
            "kerasmith.zoo, or with keras.Model(inputs, outputs)."
        )


def _check(model, found, classes, freeze, dropout):
    if type(classes) is not int or classes < 1:
        raise ValueError(f"finetune needs at least one class, received {classes!r}.")
    if len(model.outputs) > 1:
        raise ValueError(
            f"finetune needs a model with one output, but {model.name} has "
            f"{len(model.outputs)}. Cut it first: keras.Model(model.inputs, "
            f"model.get_layer({HEAD!r}).output)."
        )
    _check_freeze(model, found, freeze)
    number = isinstance(dropout, int | float) and not isinstance(dropout, bool)
    if dropout is not None and not (number and 0 <= dropout < 1):
        raise ValueError(f"dropout needs a rate in [0, 1), received {dropout!r}.")
    shape = model.get_layer("features").output.shape
    if len(shape) != 2:
        raise ValueError(
            f"finetune needs features of shape (batch, channels), but those of "
            f"{model.name} have {shape}."
        )


def _check_freeze(model, found, freeze):
    if freeze is not None:
        choose(f"endpoint of {model.name}", freeze, [*found, HEAD])
    if freeze == HEAD:
        raise ValueError(
            "freeze='logits' would leave nothing to train: freeze='features' trains "
            "the head alone."
        )


def _input(model):
    # the structure that calls are held against
    return model.inputs if isinstance(model, keras.Sequential) else model.input


def _between(model):
    """Give what the logits see, where only layers without weights lie in between."""
    names = [layer.name for layer in model.layers]
    if HEAD not in names or not model.get_layer(HEAD).weights:
        return None
    seen = model.get_layer(HEAD).input
    behind = {layer.name for layer in keras.Model(model.inputs, seen).layers}
    behind -= _up_to(model, "features")
    weighty = any(model.get_layer(name).weights for name in behind)
    return None if weighty else seen


def _up_to(model, endpoint):
    """Name the layers that compute an endpoint, its own included."""
    output = model.get_layer(endpoint).output
    return {layer.name for layer in keras.Model(model.inputs, output).layers}


def _head(old, classes):
    if type(old) is not keras.layers.Dense:
        return keras.layers.Dense(classes, dtype="float32", name=HEAD)
    config = {**old.get_config(), "units": classes, "dtype": "float32"}
    return keras.layers.Dense.from_config(config)
