"""Export: what leaves answers as the model does, or does not leave at all."""

import importlib
import importlib.util
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from export_models import (
    ALL,
    LABELS,
    Drift,
    answer,
    everything_in,
    flat,
    images,
    numbers,
    on_tensorflow,
    softmax,
    tiny,
)
from keras import layers

from kerasmith import zoo
from kerasmith.layers import (
    RadialBasis,
)
from kerasmith.zoo.tools import (
    ExportMismatch,
    export,
    load_saved,
    parity,
    predict_images,
    serving,
)

exporting = importlib.import_module("kerasmith.zoo.tools.export")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """One export in all formats for all questions about its files."""
    keras.utils.set_random_seed(7)
    model, folder = tiny(), tmp_path_factory.mktemp("exported")
    preprocess = layers.Pipeline([layers.Resizing(14, 12), layers.Rescaling(1 / 255)])
    written = export(
        model,
        folder,
        ALL,
        labels=LABELS,
        preprocess=preprocess,
        samples=images(5, 20, 17, 1),
    )
    return model, folder, written


def test_every_format_lies_where_it_was_said_and_nothing_else(exported):
    _, folder, written = exported
    assert written == {
        "saved_model": folder / "saved_model",
        "onnx": folder / "model.onnx",
        "litert": folder / "model.tflite",
    }
    assert everything_in(folder) == [
        "model.onnx",
        "model.tflite",
        "saved_model/assets/labels.txt",
        "saved_model/fingerprint.pb",
        "saved_model/saved_model.pb",
        "saved_model/variables/variables.data-00000-of-00001",
        "saved_model/variables/variables.index",
    ]


STRANGER = """
import importlib.util, json, sys
import numpy as np

class Nothing:
    def find_spec(self, name, path=None, target=None):
        known = name.split(".")[0] not in ("keras", "kerasmith")
        return self.finder.find_spec(name, path, target) if known else None
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)

sys.meta_path[:] = [Nothing(finder) for finder in sys.meta_path]
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
out = {}
with np.load(sys.argv[2]) as archive:
    for name in archive:
        serve = loaded.signatures["serving_default"]
        out[name] = serve(images=tf.constant(archive[name]))["probabilities"].numpy()
np.savez(sys.argv[3], **out)
names = loaded.signatures["labels"]()["labels"].numpy()
found = [name for name in sys.modules if name.split(".")[0] in ("keras", "kerasmith")]
print(json.dumps([[name.decode() for name in names], found]))
"""


def test_plain_tensorflow_runs_it_on_any_batch_and_size(exported, tmp_path):
    model, folder, _ = exported
    given = {"one": images(1, 14, 12, 1), "many": images(70, 9, 31, 1)}
    np.savez(tmp_path / "in.npz", one=given["one"], many=given["many"])
    paths = [folder / "saved_model", tmp_path / "in.npz", tmp_path / "out.npz"]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    names, found = json.loads(done.stdout)
    assert names == LABELS
    assert found == []
    with np.load(tmp_path / "out.npz") as archive:
        for name, pixels in given.items():
            assert archive[name].dtype == np.float32
            expected = answer(model, pixels)
            np.testing.assert_allclose(archive[name], expected, rtol=0, atol=1e-5)


def test_images_of_different_sizes_are_predicted_in_their_order(exported):
    model, folder, _ = exported
    several = [images(14, 12, 1), images(30, 9, 1, seed=6), images(8, 8, seed=7)]
    names, rows = predict_images(folder / "saved_model", several)
    assert names == LABELS
    for image, row in zip(several, rows, strict=True):
        expected = answer(model, image.reshape(1, *image.shape[:2], 1))[0]
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-5)


def test_an_image_that_does_not_fit_is_named(exported):
    model = load_saved(exported[1] / "saved_model")
    assert model.image_shape == (None, None, 1)
    with pytest.raises(ValueError, match=r"image 1 is uint8 of shape \(8, 8, 3\)"):
        predict_images(model, [images(8, 8, 1), images(8, 8, 3)])
    with pytest.raises(ValueError, match="image 0 is float64"):
        predict_images(model, [np.zeros((8, 8, 1))])


def test_onnx_holds_labels_and_takes_raw_images_of_the_models_size(exported):
    import onnxruntime

    model, _, written = exported
    session = onnxruntime.InferenceSession(str(written["onnx"]))
    entry = session.get_inputs()[0]
    assert (entry.name, entry.type) == ("images", "tensor(uint8)")
    assert entry.shape == ["batch", 14, 12, 1]
    held = session.get_modelmeta().custom_metadata_map["labels"]
    assert held.split("\n") == LABELS
    for pixels in (images(1, 14, 12, 1), images(6, 14, 12, 1)):
        rows = np.asarray(session.run(["probabilities"], {"images": pixels})[0])
        np.testing.assert_allclose(rows, answer(model, pixels), rtol=0, atol=1e-5)


def test_litert_holds_labels_as_its_metadata_does(exported):
    from ai_edge_litert.interpreter import Interpreter

    model, _, written = exported
    with zipfile.ZipFile(written["litert"]) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode().split("\n") == LABELS
    interpreter = Interpreter(str(written["litert"]))
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()
    assert entry["dtype"] == np.uint8
    for pixels in (images(6, 14, 12, 1), images(1, 14, 12, 1)):
        interpreter.resize_tensor_input(entry["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], pixels)
        interpreter.invoke()
        rows = interpreter.get_tensor(exit_[0]["index"])
        np.testing.assert_allclose(rows, answer(model, pixels), rtol=0, atol=1e-5)


def test_half_a_saved_model_is_one_clear_error(exported, tmp_path):
    whole = exported[1] / "saved_model" / "saved_model.pb"
    (tmp_path / "saved_model.pb").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(ValueError, match="cut short or no SavedModel"):
        load_saved(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no SavedModel in"):
        load_saved(tmp_path / "elsewhere")


def test_lenet_leaves_and_answers_alike(tmp_path):
    model, pixels = zoo.build("lenet5"), images(3, 32, 32, 1)
    squeeze = layers.Rescaling(0.005, -0.1)
    written = export(
        model, tmp_path / "a" / "b", ALL[::2], preprocess=squeeze, samples=pixels
    )
    assert list(written) == ["saved_model", "litert"]
    names, rows = predict_images(written["saved_model"], pixels)
    assert names == [str(digit) for digit in range(10)]
    inputs = pixels.astype("float32") * 0.005 - 0.1
    expected = softmax(numbers(model(inputs)))
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_leaves_in_every_format(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = tiny(layers.Dense(3))
    before = [weight.copy() for weight in model.get_weights()]
    export(model, tmp_path, ALL, preprocess=layers.Rescaling(1 / 255, dtype="float32"))
    assert keras.config.dtype_policy().name == policy
    assert model.layers[1].compute_dtype == policy.removeprefix("mixed_")
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@on_tensorflow
def test_another_answer_is_refused_and_leaves_all_as_it_was(tmp_path):
    model = flat(layers.Dense(3))
    export(model, tmp_path, labels=LABELS, preprocess=layers.Rescaling(1 / 255))
    before = {name: (tmp_path / name).read_bytes() for name in everything_in(tmp_path)}
    drifting = flat(layers.Dense(3), Drift())
    with pytest.raises(ExportMismatch, match=r"saved_model: .* 1e-05 is allowed"):
        export(
            drifting,
            tmp_path,
            ALL[:2],
            labels=LABELS,
            preprocess=layers.Rescaling(1 / 255),
        )
    after = {name: (tmp_path / name).read_bytes() for name in everything_in(tmp_path)}
    assert before == after
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved_model"]


def test_a_mismatch_leaves_no_folder_that_was_not_there(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise ExportMismatch("saved_model: no")

    monkeypatch.setattr(parity, "check", refuse)
    with pytest.raises(ExportMismatch):
        export(flat(layers.Dense(3)), tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_run_is_a_mismatch(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no network")
    files = {"onnx": str(tmp_path / "model.onnx"), "litert": str(tmp_path / "none")}
    with pytest.raises(ExportMismatch, match="onnx: the file does not run: "):
        parity.check(files, {}, {}, LABELS)


ROWS = np.array([[0.5, 0.3, 0.2], [0.4000005, 0.4, 0.1999995]], "float32")


@pytest.mark.parametrize(
    "received, complaint",
    [
        (ROWS + np.array([0, 2e-5, 0], "float32"), r"by 2e-05; 1e-05 is allowed"),
        (np.where(ROWS > 0.45, np.nan, ROWS).astype("float32"), "differs .* by nan"),
        (ROWS[:1], r"float32 of shape \(1, 3\)"),
        (ROWS.astype("float64"), "gives float64"),
    ],
)
def test_differences_are_seen(received, complaint):
    with pytest.raises(ExportMismatch, match=f"onnx: .*{complaint}"):
        parity._compare("onnx", ROWS, received, 1e-5)


def test_another_top_class_is_seen_within_the_bound_but_not_for_a_tie():
    near = np.array([[0.400004, 0.4, 0.199996]], "float32")
    with pytest.raises(ExportMismatch, match="another class .* 1 times of 1"):
        parity._compare("onnx", near, near[:, [1, 0, 2]], 1e-5)
    parity._compare("onnx", ROWS[1:], ROWS[1:][:, [1, 0, 2]], 1e-5)


def test_other_labels_in_the_file_are_seen():
    with pytest.raises(ExportMismatch, match="litert: the file holds the labels"):
        parity._compare_labels("litert", {"labels": ["a", "b"]}, ["a", "c"])


def nested():
    return keras.Sequential([keras.Input((4, 4, 1)), flat(layers.Dense(3, "softmax"))])


@pytest.mark.parametrize(
    "model, logits",
    [
        (flat(layers.Dense(3)), True),
        (flat(layers.Dense(3, "relu")), True),
        (flat(layers.Dense(3), RadialBasis(np.eye(3))), True),
        (flat(layers.Dense(3, "softmax")), False),
        (flat(layers.Dense(3, "sigmoid")), False),
        (flat(layers.Dense(3), layers.Softmax()), False),
        (flat(layers.Dense(3), layers.Activation("softmax")), False),
        (flat(layers.Dense(3, "softmax"), layers.Activation("linear")), False),
        (flat(layers.Dense(3, "softmax"), layers.Identity()), False),
        (flat(layers.Dense(3, "softmax"), layers.Activation("relu")), True),
        (nested(), False),
    ],
)
def test_the_last_activation_tells_logits_from_probabilities(model, logits):
    assert exporting._ends_in_logits(model) is logits


def test_probabilities_stay_as_they_are(tmp_path):
    model = flat(layers.Dense(3, "softmax"))
    written = export(model, tmp_path, preprocess=layers.Rescaling(1 / 255))
    pixels = images(4, 4, 4, 1)
    expected = numbers(model(pixels / np.float32(255)))
    _, rows = predict_images(written["saved_model"], pixels)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)


def test_hidden_probabilities_get_no_second_softmax(tmp_path):
    image = keras.Input((4, 4, 1))
    logits = layers.Dense(3)(layers.Flatten()(image))
    model = keras.Model(image, keras.ops.softmax(logits))
    with pytest.raises(ValueError, match="gives probabilities already"):
        export(model, tmp_path / "out")


two_inputs = [keras.Input((4, 4, 1)), keras.Input((4, 4, 1))]


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"formats": ("onx",)}, ValueError, "'onx'; did you mean 'onnx'"),
        ({"formats": ()}, ValueError, "saved_model, onnx, litert"),
        ({"labels": ["a", "b"]}, ValueError, "3 classes, received 2 labels"),
        ({"labels": "abc"}, TypeError, "sequence of strings, received 'abc'"),
        ({"labels": [0, 1, 2]}, TypeError, "sequence of strings"),
        ({"labels": ["a", "b\nc", "d"]}, ValueError, "one line of text"),
        ({"labels": ["a", "", "d"]}, ValueError, "one line of text"),
        ({"samples": np.zeros((2, 4, 4, 1))}, ValueError, "received float64"),
        ({"samples": images(4, 4, 1)}, ValueError, r"of shape \(4, 4, 1\)"),
        ({"samples": images(2, 4, 4, 3)}, ValueError, r"\(n, 4, 4, 1\)"),
        ({"samples": images(2, 5, 4, 1)}, ValueError, r"\(n, 4, 4, 1\)"),
        ({"samples": images(0, 4, 4, 1)}, ValueError, r"\(0, 4, 4, 1\)"),
        ({"preprocess": [layers.Rescaling(2)]}, TypeError, "layers.Pipeline"),
        ({"preprocess": layers.ZeroPadding2D(1)}, ValueError, "cannot take images"),
        ({"model": "model"}, TypeError, "keras.Model, received str"),
        ({"model": flat(layers.Dense(1))}, ValueError, "activation='sigmoid'"),
        ({"model": flat(shape=(4, 1))}, ValueError, "batch, height, width"),
        (
            {"model": keras.Model(two_inputs, layers.Add()(two_inputs))},
            ValueError,
            "one input",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, error, message, tmp_path):
    arguments = {"model": flat(layers.Dense(3)), "path": tmp_path / "out", **arguments}
    with pytest.raises(error, match=message):
        export(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_diverged_is_refused(tmp_path):
    model = flat(layers.Dense(3))
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(ValueError, match="NaN or infinity"):
        export(model, tmp_path / "out")


def test_missing_packages_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "kerasmith\[export\]"'):
        export(flat(layers.Dense(3)), tmp_path, ["saved_model", "litert"])


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=f"export cannot write into {path}: "):
            export(flat(layers.Dense(3)), path)


@on_tensorflow
def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    def full(service, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(serving.WRITERS, "onnx", full)
    with pytest.raises(OSError, match="onnx cannot be written: .*No space left"):
        export(flat(layers.Dense(3)), tmp_path / "out", ["saved_model", "onnx"])
    assert list(tmp_path.iterdir()) == []
