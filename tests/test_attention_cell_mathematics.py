"""Attention cells against the formulas of Bahdanau and Luong, in NumPy."""

import keras
import numpy as np
import pytest
from conformance.gradients import gradients

from kerasmith import layers

STEPS = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
MEMORY = np.random.default_rng(2).normal(size=(3, 7, 6)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 1, 0, 0], [1] + 6 * [0]], bool)
KINDS = [
    {"score": "additive", "units": 3},
    {"score": "multiplicative", "units": 8},
    {"score": "multiplicative", "input_feeding": False},
    {"score": "dot", "units": 2},
]
every_kind = pytest.mark.parametrize(
    "kind", KINDS, ids=["additive", "multiplicative", "unfed", "dot"]
)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def build(kind, inner=None):
    """Build an attention cell with weights that are not small."""
    cell = layers.AttentionCell(inner or keras.layers.LSTMCell(6), 6, **kind)
    cell.build((None, 4))
    draw = np.random.default_rng(4)
    cell.set_weights([0.5 * draw.normal(size=w.shape) for w in cell.get_weights()])
    return cell


def run(cell, mask=None, first=None, memory=MEMORY, steps_mask=None):
    """Run a cell over all steps."""
    layer = keras.layers.RNN(cell, return_sequences=True)
    states = cell.initial_state(memory, mask, first)
    return layer(STEPS, initial_state=states, mask=steps_mask)


# The papers, in NumPy


def logistic(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, h, c, cell):
    kernel, recurrent, bias = (np.asarray(w, "float64") for w in cell.get_weights())
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def look(cell, query, there):
    """Give the weights and the context, example by example, position by position."""
    weights = np.zeros(MEMORY.shape[:2])
    for b, memory in enumerate(MEMORY.astype("float64")):
        scores = {}
        for j in np.flatnonzero(there[b]):
            if cell.score == "additive":
                w, u, v = map(
                    numbers, (cell.query_kernel, cell.memory_kernel, cell.score_kernel)
                )
                scores[j] = (np.tanh(query[b] @ w + memory[j] @ u) @ v).item()
            elif cell.score == "multiplicative":
                scores[j] = query[b] @ (memory[j] @ numbers(cell.memory_kernel))
            else:
                scores[j] = query[b] @ memory[j]
        total = sum(np.exp(score) for score in scores.values())
        for j, score in scores.items():
            weights[b, j] = np.exp(score) / total
    return weights, np.einsum("bj,bjd->bd", weights, MEMORY)


def by_the_paper(cell, there, first=None):
    h, c = np.zeros((2, len(STEPS), 6)) if first is None else first
    attended = np.zeros((len(STEPS), cell.output_size))
    outputs, pictures = [], []
    for x in STEPS.transpose(1, 0, 2).astype("float64"):
        if cell.score == "additive":
            weights, context = look(cell, h, there)
            h, c = lstm(np.concatenate([x, context], -1), h, c, cell.cell)
            outputs.append(np.concatenate([h, context], -1))
        else:
            fed = [x, attended] if cell.input_feeding else [x]
            h, c = lstm(np.concatenate(fed, -1), h, c, cell.cell)
            weights, context = look(cell, h, there)
            both = np.concatenate([context, h], -1)
            attended = np.tanh(both @ numbers(cell.output_kernel))
            outputs.append(attended)
        pictures.append(weights)
    return np.stack(outputs, 1), np.stack(pictures, 1)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@every_kind
def test_it_attends_as_in_the_papers(kind, mask):
    cell = build(kind)
    there = np.ones(MEMORY.shape[:2], bool) if mask is None else mask
    outputs, weights = by_the_paper(cell, there)
    np.testing.assert_allclose(numbers(run(cell, mask)), outputs, 1e-4, 1e-5)
    found = cell.align(STEPS, cell.initial_state(MEMORY, mask))
    np.testing.assert_allclose(numbers(found[0]), outputs, 1e-4, 1e-5)
    np.testing.assert_allclose(numbers(found[1]), weights, 1e-4, 1e-5)


@every_kind
def test_the_inner_cell_may_start_where_an_encoder_ended(kind):
    first = np.random.default_rng(6).normal(size=(2, 3, 6)).astype("float32")
    cell = build(kind)
    expected, _ = by_the_paper(cell, np.ones(MEMORY.shape[:2], bool), first)
    found = run(cell, first=[first[0], first[1]])
    np.testing.assert_allclose(numbers(found), expected, 1e-4, 1e-5)


@every_kind
def test_single_steps_give_what_all_at_once_give(kind):
    cell = build(kind, layers.Zoneout([keras.layers.LSTMCell(4), top_cell()], 0.2, 0.1))
    expected, states = numbers(run(cell, MASK)), cell.initial_state(MEMORY, MASK)
    _, pictures = cell.align(STEPS, states)
    for time in range(STEPS.shape[1]):
        output, states = cell(STEPS[:, time], states)
        np.testing.assert_allclose(numbers(output), expected[:, time], 1e-4, 1e-5)
        named = cell.named_states(states)
        weights = numbers(named["attention_weights"])
        np.testing.assert_allclose(weights, numbers(pictures)[:, time], 1e-4, 1e-5)
        np.testing.assert_allclose(numbers(named["output"]), numbers(output))
    np.testing.assert_array_equal(numbers(named["memory"]), MEMORY)
    np.testing.assert_array_equal(numbers(named["mask"]), MASK)
    assert [state.shape[-1] for state in named["cell"]] == [4, 4, 6]


def top_cell():
    return keras.layers.GRUCell(6)


@every_kind
def test_a_masked_position_has_a_weight_of_exactly_0(kind):
    cell = build(kind)
    large = np.where(MASK[..., None], MEMORY, np.float32(1e4))
    _, weights = cell.align(STEPS, cell.initial_state(large, MASK))
    weights = numbers(weights)
    hidden = np.broadcast_to(~MASK[:, None], weights.shape)
    np.testing.assert_array_equal(weights[hidden], 0)
    np.testing.assert_allclose(weights.sum(-1), 1, 1e-6)
    np.testing.assert_allclose(
        numbers(run(cell, MASK, memory=large)), numbers(run(cell, MASK)), 1e-5, 1e-6
    )


@every_kind
def test_a_memory_masked_throughout_gives_zeros_and_slopes(kind):
    cell = build(kind)
    nothing = np.zeros(MEMORY.shape[:2], bool)
    _, weights = cell.align(STEPS, cell.initial_state(MEMORY, nothing))
    np.testing.assert_array_equal(numbers(weights), 0)

    def function(arrays):
        return keras.ops.sum(run(cell, nothing, memory=arrays[0]))

    (found,) = gradients(function, [MEMORY])
    np.testing.assert_array_equal(found, 0)


@every_kind
def test_every_matrix_learns(kind):
    cell = build(kind)

    def function(arrays):
        pairs = zip(cell.trainable_variables, arrays, strict=True)
        with keras.StatelessScope(state_mapping=pairs):
            return keras.ops.sum(run(cell, MASK) ** 2)

    arrays = [numbers(w) for w in cell.trainable_variables]
    for found in gradients(function, arrays):
        assert found is not None and np.all(np.isfinite(found)) and np.any(found != 0)


def test_large_scores_do_not_overflow():
    cell = build({"score": "dot"})
    _, weights = cell.align(STEPS, cell.initial_state(1e4 * MEMORY))
    np.testing.assert_allclose(numbers(weights).sum(-1), 1, 1e-6)


@every_kind
def test_masked_steps_stay_masked(kind):
    cell = build(kind)
    there = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0]], bool)
    mask = keras.ops.convert_to_tensor(there)
    outputs = numbers(run(cell, MASK, steps_mask=mask))
    expected = numbers(run(cell, MASK))
    np.testing.assert_allclose(outputs[:2][there[:2]], expected[:2][there[:2]], 1e-5)
    np.testing.assert_array_equal(outputs[1, 2:], outputs[1, [1, 1, 1]])
    np.testing.assert_array_equal(outputs[2, 1], outputs[2, 0])


# As a model


def translator(kind, inner, length=None):
    """Build an encoder and a decoder that learns by teacher forcing."""
    source, target = keras.Input((length,), dtype="int32"), keras.Input((None, 4))
    embedded = keras.layers.Embedding(9, 5, mask_zero=True)(source)
    encoder = keras.layers.GRU(6, return_sequences=True, return_state=True)
    memory, last = encoder(embedded)
    cell = layers.AttentionCell(inner, 6, **kind)
    states = cell.initial_state(memory, cell_states=last)
    decoded = keras.layers.RNN(cell, return_sequences=True, name="decoder")(
        target, initial_state=states
    )
    return keras.Model([source, target], keras.layers.Dense(3)(decoded))


SOURCE = np.array([[1, 2, 3, 4, 5, 6, 7], [8, 2, 4, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize("kind", KINDS[:2], ids=["additive", "multiplicative"])
def test_it_trains_by_teacher_forcing(kind, tmp_path):
    model = translator(kind, keras.layers.GRUCell(6, dropout=0.1))
    model.compile(keras.optimizers.Adam(0.03), "mse")
    targets = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    history = model.fit([SOURCE, STEPS], targets, epochs=12, verbose=0)
    assert history.history["loss"][-1] < 0.9 * history.history["loss"][0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    # longer sources and targets than were learned, and another batch
    source, steps = np.tile(SOURCE, (2, 2)), np.tile(STEPS, (2, 3, 1))
    np.testing.assert_allclose(
        numbers(again([source, steps])), numbers(model([source, steps])), 1e-5, 1e-5
    )


def test_the_memory_brings_its_mask_along():
    model = translator(KINDS[0], keras.layers.GRUCell(6))
    padded = np.pad(SOURCE, [(0, 0), (0, 4)])
    np.testing.assert_allclose(
        numbers(model([padded, STEPS])), numbers(model([SOURCE, STEPS])), 1e-4, 1e-6
    )


@every_kind
def test_a_step_may_be_a_functional_model(kind):
    cell = build(kind)
    states = cell.initial_state(MEMORY, MASK)
    symbols = keras.tree.map_structure(lambda s: keras.Input((None,)), states)
    sizes = [s.shape[-1] for s in keras.tree.flatten(states)[:3]]
    symbols[0][:3] = [keras.Input((size,)) for size in sizes]
    inputs = keras.Input((4,))
    step = keras.Model([inputs, *symbols[0]], cell(inputs, symbols))
    found, _ = step([keras.ops.convert_to_tensor(STEPS[:, 0]), *states[0]])
    expected, _ = cell(STEPS[:, 0], states)
    np.testing.assert_allclose(numbers(found), numbers(expected), 1e-5, 1e-6)


def test_states_may_be_repeated_and_picked_as_a_beam_search_does():
    cell = build(KINDS[1])
    states = cell.initial_state(MEMORY, MASK)
    wide = keras.tree.map_structure(lambda s: keras.ops.repeat(s, 2, axis=0), states)
    outputs, wide = cell(np.repeat(STEPS[:, 0], 2, axis=0), wide)
    picked = keras.tree.map_structure(lambda s: s[1::2], wide)
    expected, states = cell(STEPS[:, 0], states)
    np.testing.assert_allclose(numbers(outputs)[::2], numbers(expected), 1e-5, 1e-6)
    for one, other in zip(*map(keras.tree.flatten, (picked, states)), strict=True):
        np.testing.assert_allclose(numbers(one), numbers(other), 1e-5, 1e-6)


def test_one_example_and_one_position_will_do():
    cell = build(KINDS[0])
    layer = keras.layers.RNN(cell)
    states = cell.initial_state(MEMORY[:1, :1])
    assert tuple(layer(STEPS[:1, :1], initial_state=states).shape) == (1, 12)


# What cannot be


def cell_of(*arguments, **keywords):
    return lambda: layers.AttentionCell(*arguments, **keywords)


@pytest.mark.parametrize(
    "build, told",
    [
        (cell_of(top_cell(), 0), "memory_dim.*0"),
        (cell_of(top_cell(), 6, 2.5), "units.*2.5"),
        (cell_of(top_cell(), 6, score="general"), "'general'.*'additive'.*'dot'"),
        (cell_of(top_cell(), 5, score="dot"), "memory_dim=5.*6"),
        (
            cell_of(layers.AttentionCell(top_cell(), 6), 6),
            "cannot wrap an AttentionCell",
        ),
    ],
)
def test_what_cannot_be_built_is_told(build, told):
    with pytest.raises(ValueError, match=told):
        build()


def test_what_is_no_cell_is_told():
    with pytest.raises(TypeError, match="needs an RNN cell.*Dense"):
        layers.AttentionCell(keras.layers.Dense(3), 6)


def test_a_memory_that_does_not_fit_is_told():
    cell = layers.AttentionCell(top_cell(), 6)
    with pytest.raises(ValueError, match=r"\(batch, positions, 6\).*\(3, 7, 5\)"):
        cell.initial_state(MEMORY[..., :5])
    with pytest.raises(ValueError, match=r"\[6\].*\(3, 4\)"):
        cell.initial_state(MEMORY, cell_states=[STEPS[:, 0]])


def test_a_missing_memory_is_told():
    with pytest.raises(ValueError, match=r"initial_state=cell.initial_state\(memory\)"):
        keras.layers.RNN(layers.AttentionCell(top_cell(), 6))(STEPS)
