"""The card of a model: what it follows, what it says, what it leaves alone."""

import ast
import json
from typing import Any

import keras
import numpy as np
import pytest
from card_models import call, number, ones
from keras import layers, ops

from kerasmith.zoo.tools.card import Card, Row, card

STEPS, FEATURES, UNITS = 7, 3, 5


def test_a_shared_layer_counts_each_call_and_its_weights_once():
    shared = layers.Dense(4)
    long, short = keras.Input((9, 5)), keras.Input((7, 5))
    rows = card(keras.Model([long, short], [shared(long), shared(short)])).rows
    assert sorted(row.multiply_accumulates for row in rows) == [7 * 20, 9 * 20]
    assert [row.parameters for row in rows] == [24, 0]


def test_models_within_models_are_followed():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4)], name="inner")
    image = keras.Input((5,))
    middle = keras.Model(image, inner(image) + 1, name="middle")
    outer = keras.Sequential([keras.Input((5,)), middle, layers.Dense(2, name="top")])
    rows = card(outer).rows
    assert [row.name.split("/")[0] for row in rows] == ["middle", "middle", "top"]
    assert rows[0].name.startswith("middle/inner/dense")
    assert number(outer) == 5 * 4 + 4 * 2


class Attend(layers.Layer):
    """Attention as people write it: layers within, operations between."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.queries = layers.Dense(width)
        self.others = {"keys": layers.Dense(width), "values": [layers.Dense(width)]}
        self.drop = layers.Dropout(0.1)

    def build(self, input_shape):
        for layer in (self.queries, self.others["keys"], *self.others["values"]):
            layer.build(input_shape)
        self.mixing = self.add_weight(shape=(4, input_shape[-1]), name="mixing")

    def call(self, inputs, training=False):
        keys = self.others["keys"](inputs)
        scores = ops.softmax(self.queries(inputs) @ ops.swapaxes(keys, 1, 2))
        values = ops.matmul(scores, self.others["values"][0](inputs))
        # the last call is a layer's: the product before is seen all the same
        return self.drop(ops.matmul(values, self.mixing), training=training)


def test_a_layer_of_others_is_counted_by_its_operations():
    model = call(Attend(4), (7, 5))
    assert number(model) == 3 * 7 * 5 * 4 + 2 * 7 * 7 * 4 + 7 * 4 * 5
    row = card(model).rows[0]
    assert (row.kind, row.parameters) == ("Attend", 20)


class Classifier(keras.Model):
    """A model that is no graph, with a layer that inference leaves out."""

    def __init__(self):
        super().__init__(name="classifier")
        self.embed = layers.Embedding(11, 4)
        self.attend = Attend(4)
        self.auxiliary = layers.Dense(3, name="auxiliary")
        self.head = layers.Dense(2)
        self.auxiliary.build((None, 4))

    def call(self, tokens):
        return self.head(ops.mean(self.attend(self.embed(tokens)), axis=1))


def test_a_subclassed_model_is_followed():
    model = Classifier()
    model(np.ones((2, 7), "int32"))
    for length, options in ((7, {}), (9, {"input_shape": (9,)})):
        attended = 4 * length * 4 * 4 + 2 * length * length * 4
        assert number(model, **options) == attended + 4 * 2
    assert card(model).rows[-1] == Row("auxiliary", "Dense", None, 15, 15, 0, 0)
    assert "not called" in str(card(model))


class Scale(layers.Layer):
    """An elementwise layer with a weight: known to do no matrix work."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],))

    def call(self, inputs):
        return ops.multiply(inputs, self.scale)


class Stubborn(Scale):
    """A layer that does not run on symbols of Keras."""

    def call(self, inputs):
        if isinstance(inputs, keras.KerasTensor):
            raise NotImplementedError("symbols")
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


class Declared(Stubborn):
    """The same, with a method that counts."""

    def multiply_accumulates(self, input_shape, output_shape):
        if (input_shape, output_shape) != ((1, 7, 5), (1, 7, 5)):
            raise ValueError(f"received {input_shape}, {output_shape}")
        return np.prod(input_shape[1:]) * 1000


class Doubled(layers.Dense):
    """A layer of Keras that computes something else."""

    def call(self, inputs):
        return ops.add(super().call(inputs), ops.matmul(inputs, self.kernel))


def test_elementwise_work_of_others_counts_nothing():
    assert number(call(Scale(), (7, 5))) == 0
    assert number(call(layers.Lambda(lambda x: 2 * x), (7, 5))) == 0


def test_a_subclass_that_computes_otherwise_is_not_taken_for_its_parent():
    assert number(call(Doubled(4), (7, 5))) == 2 * 7 * 5 * 4


def test_what_cannot_be_looked_into_is_named():
    result = card(call(Stubborn(name="mule"), (7, 5)))
    assert result.uncounted == ("mule (Stubborn)",)
    cells = layers.RNN(layers.LSTMCell(3))
    assert card(call(cells, (7, 5))).uncounted == ()
    within = card(call(layers.TimeDistributed(Stubborn(name="mule")), (7, 5)))
    assert [name.split("/")[1] for name in within.uncounted] == ["mule (Stubborn)"]


def test_a_declared_count_wins():
    assert number(call(Declared(), (7, 5))) == 35_000

    class Pair(Declared):
        def call(self, one, two, mask=None):
            return one

        def build(self, one_shape, two_shape):
            pass

        def multiply_accumulates(self, input_shape, output_shape):
            return 10 * input_shape[0][1] + input_shape[1][1]

    assert number(call(Pair(), (7, 5), (9, 5))) == 79


def test_a_declared_count_that_is_no_number_is_refused():
    class Wrong(Declared):
        def multiply_accumulates(self, input_shape, output_shape):
            return 0.5

    with pytest.raises(ValueError, match="Wrong.multiply_accumulates .* whole number"):
        card(call(Wrong(), (7, 5)))


def test_examples_folded_into_the_batch_count_for_the_example():
    sequence = keras.Input((5, 6, 7))
    folded = ops.reshape(sequence, (-1, 6, 7))
    outputs = ops.reshape(layers.Conv1D(2, 3)(folded), (-1, 5, 4, 2))
    assert number(keras.Model(sequence, outputs)) == 5 * 4 * 2 * 3 * 7


def test_a_fixed_batch_counts_for_one_example():
    batch = keras.Input(batch_shape=(8, STEPS, FEATURES))
    model = keras.Model(batch, layers.LSTM(UNITS, stateful=True)(batch))
    assert number(model) == STEPS * 4 * (FEATURES * UNITS + UNITS * UNITS)
    assert card(model).activation_bytes == 4 * UNITS


def test_inputs_and_outputs_by_name():
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((None, 3), name="b")}
    dense = layers.Dense(2)
    model = keras.Model(inputs, {key: dense(x) for key, x in inputs.items()})
    result = card(model, input_shape={"a": (3,), "b": (5, 3)})
    assert result.input_shape == {"a": (None, 3), "b": (None, 5, 3)}
    assert result.output_shape == {"a": (None, 2), "b": (None, 5, 2)}
    assert result.multiply_accumulates == 6 * 3 * 2
    assert str(result).startswith(f"{model.name}: a 3, b 5 x 3 -> a 2, b 5 x 2\n")


# --- weights and memory --------------------------------------------------------------


def test_frozen_layers_and_statistics_are_not_trainable():
    frozen = layers.Dense(4, trainable=False)
    model = keras.Sequential([keras.Input((5,)), frozen, layers.BatchNormalization()])
    result = card(model)
    assert (result.parameters, result.trainable_parameters) == (24 + 16, 8)
    assert "40, 32 of them not trainable" in str(result)


@pytest.mark.parametrize("policy, size", [("float32", 4), ("mixed_bfloat16", 2)])
def test_activations_take_the_bytes_of_their_type(policy, size):
    keras.config.set_dtype_policy(policy)
    model = keras.Sequential([keras.Input((9, 7, 3)), layers.Conv2D(4, 3)])
    model.add(layers.Flatten())
    assert card(model).activation_bytes == 2 * (7 * 5 * 4) * size


# --- the model stays as it was -------------------------------------------------------


def zoo():
    """Give a model with a graph, state, randomness, losses and layers of others."""
    image = keras.Input((9, 7, 3))
    x = layers.Conv2D(5, 3, activity_regularizer="l2", name="stem")(image)
    x = layers.Dropout(0.5, seed=1)(layers.BatchNormalization()(x))
    x = layers.Reshape((-1, 5))(x)
    x = layers.TimeDistributed(layers.Dense(5))(Attend(4)(x))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x) @ ones((6, 4))
    x = keras.Sequential([layers.Dense(3), layers.GlobalAveragePooling1D()])(x)
    return keras.Model(image, x)


def attributes(layer, seen):
    """Give what a layer and those within it hold: identities, and lists' lengths."""
    if id(layer) in seen:
        return seen
    held = {}
    for name, value in vars(layer).items():
        held[name] = (id(value), len(value) if isinstance(value, list) else 0)
    seen[id(layer)] = (layer, type(layer), held)
    for value in vars(layer).values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, keras.Operation):
                attributes(part, seen)
    return seen


def test_the_model_stays_as_it_was():
    model, images = zoo(), ones((2, 9, 7, 3))
    config, outputs = json.dumps(model.get_config()), np.asarray(model(images))
    before = attributes(model, {})
    variables = [variable.numpy().copy() for variable in model.variables]
    losses, node = list(model.losses), model.get_layer("stem").output

    assert card(model) == card(model)

    assert len(before) > 20
    assert attributes(model, {}) == before
    for variable, value in zip(model.variables, variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert json.dumps(model.get_config()) == config
    assert model.get_layer("stem").output is node
    assert [id(loss) for loss in model.losses] == [id(loss) for loss in losses]
    np.testing.assert_array_equal(np.asarray(model(images)), outputs)


def test_the_model_trains_and_saves_after_it(tmp_path):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4), Scale()])
    model.compile("sgd", "mse")
    card(model)
    model.train_on_batch(ones((4, 5)), ones((4, 4)))
    model.save(tmp_path / "model.keras")
    path, known = tmp_path / "model.keras", {"Scale": Scale}
    again: Any = keras.models.load_model(path, custom_objects=known)
    assert card(again).rows == card(model).rows
    np.testing.assert_allclose(again(ones((2, 5))), model(ones((2, 5))), rtol=1e-6)


def test_the_model_stays_as_it_was_after_a_failure():
    model = call(layers.Conv1D(3, 4), (None, 5))
    before = attributes(model, {})
    with pytest.raises(ValueError, match="could not run"):
        card(model, input_shape=(1, 5))
    assert attributes(model, {}) == before


# --- what it says --------------------------------------------------------------------


def test_no_model_is_refused():
    with pytest.raises(
        TypeError, match="built Keras model or layer, received 'lenet5'"
    ):
        card("lenet5")


def test_a_number_is_no_shape():
    with pytest.raises(TypeError, match=r"input_shape such as .* received 5\."):
        card(call(layers.Dense(2), (5,)), input_shape=5)


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match="built model, and 'fresh' has no weights yet"):
        card(keras.Sequential([layers.Dense(3)], name="fresh"))


def test_an_unbuilt_layer_is_named_and_stays_unbuilt():
    class Careless(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(3, name="head")

        def build(self, input_shape):
            self.built = True

        def call(self, inputs):
            return self.head(inputs)

    model = Careless()
    model.build((None, 5))
    with pytest.raises(ValueError, match="the layer 'head' has not been built"):
        card(model, input_shape=(5,))
    assert not model.head.built
    model(ones((1, 5)))
    assert number(model) == 15


def test_open_sizes_are_asked_for():
    model = call(layers.Conv2D(4, 3), (None, None, 3))
    with pytest.raises(ValueError, match=r"open: \? x \? x 3.*=\(32, 32, 3\)"):
        card(model)
    for shape in ((9, 7, 3), (None, 9, 7, 3), [9, 7, 3]):
        result = card(model, input_shape=shape)
        assert result.multiply_accumulates == 7 * 5 * 4 * 27
        assert result.input_shape == (None, 9, 7, 3)
        assert result.output_shape == (None, 7, 5, 4)


def test_open_sizes_of_several_inputs_are_asked_for_by_name():
    inputs = {name: keras.Input((None, 3), name=name) for name in ("b", "a")}
    model = keras.Model(inputs, layers.Dense(2)(inputs["a"]))
    with pytest.raises(ValueError) as refused:
        card(model)
    told = str(refused.value)
    assert "a ? x 3" in told and "b ? x 3" in told
    example = ast.literal_eval(told.partition("input_shape=")[2].rstrip(")."))
    assert card(model, input_shape=example).multiply_accumulates == 32 * 3 * 2
    shapes = {"b": (5, 3), "a": (7, 3)}
    assert card(model, input_shape=shapes).multiply_accumulates == 7 * 3 * 2
    with pytest.raises(ValueError, match="has inputs [ab], [ab], received .*'c'"):
        card(model, input_shape={"a": (5, 3), "c": (5, 3)})


@pytest.mark.parametrize("shape", [(9, 7, 4), (9, 7), (1, 9, 7, 3), (9, None, 3)])
def test_a_shape_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"\? x \? x 3"):
        card(call(layers.Conv2D(4, 3), (None, None, 3)), input_shape=shape)


def test_a_missing_shape_is_asked_for():
    model = Classifier()
    model.built = True
    with pytest.raises(ValueError, match="'classifier': give that of one example"):
        card(model)
    two = keras.Model(
        pair := [keras.Input((3,)), keras.Input((3,))], layers.Add()(pair)
    )
    with pytest.raises(ValueError, match="has 2 inputs, received .* with 1 shapes"):
        card(two, input_shape=(3,))


def test_an_input_too_small_for_the_model_is_refused():
    model = call(layers.Conv2D(4, 3), (None, None, 3))
    with pytest.raises(ValueError, match="could not run .* shape 2 x 2 x 3"):
        card(model, input_shape=(2, 2, 3))


def test_the_card_is_data():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="d")], name="m")
    result = card(model)
    row = Row("d", "Dense", (None, 4), 24, 24, 20, 16)
    assert result == Card("m", (None, 5), (None, 4), (row,))
    data: dict[str, Any] = result.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["rows"][0]["output_shape"] == [None, 4]
    assert (data["parameters"], data["multiply_accumulates"]) == (24, 20)
    with pytest.raises(AttributeError):
        result.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_the_table_is_aligned_and_its_numbers_are_grouped():
    model = keras.Sequential([keras.Input((300,)), layers.Dense(4_000), layers.ReLU()])
    lines = str(card(model)).splitlines()
    table = lines[2:5]
    assert len({len(line) for line in table}) == 1
    assert "1,204,000" in table[1] and "1,200,000" in table[1]
    assert "multiply-accumulates  1,200,000 (1.200 M) for one example" in lines
