"""Files that carry code or are cut short, and the process that converts them."""

import importlib
import importlib.util

import keras
import pytest
from export_models import (
    LABELS,
    Drift,
    flat,
    tiny,
)
from keras import layers

from kerasmith.zoo.tools import converting, keras_files, serving

exporting = importlib.import_module("kerasmith.zoo.tools.export")


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_file_with_code_is_refused_in_one_line(unsafe, tmp_path):
    path = tmp_path / "model.keras"
    flat(layers.Lambda(lambda x: x * 2, output_shape=(16,))).save(path)
    if unsafe:
        keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(ValueError, match="carries a Lambda with Python code") as e:
            keras_files.load_model(path)
    finally:
        keras.utils.clear_session()  # deserialisation is safe again
    assert "\n" not in str(e.value)


def test_half_a_file_and_no_file_are_clear_errors(tmp_path):
    path = tmp_path / "model.keras"
    flat(layers.Dense(3)).save(path)
    whole = path.read_bytes()
    assert keras_files.load_model(path).count_params() == 51
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is cut short or no .keras file"):
        keras_files.load_model(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        keras_files.load_model(tmp_path / "none.keras")


def test_a_class_that_was_not_imported_is_one_line(tmp_path):
    path = tmp_path / "model.keras"
    flat(layers.Dense(3), Drift()).save(path)
    with pytest.raises(ValueError, match="Could not locate class 'Drift'") as e:
        keras_files.load_model(path)
    assert "\n" not in str(e.value) and len(str(e.value)) < 500


def test_the_other_process_is_told_the_modules_it_needs(tmp_path):
    tiny().save(tmp_path / "tiny.keras")
    assert converting.modules(tmp_path / "tiny.keras") == {
        "kerasmith.layers.activations",
        "kerasmith.layers.connection_table",
        "kerasmith.layers.radial_basis",
        "kerasmith.layers.subsampling",
    }


def test_a_class_of_the_program_itself_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Drift, "__module__", "__main__")
    flat(layers.Dense(3), Drift()).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="'Drift' of the program itself"):
        converting.modules(tmp_path / "model.keras")


def test_errors_of_the_other_process_come_back(tmp_path, monkeypatch):
    """On any backend, the road that JAX and PyTorch take."""
    monkeypatch.setattr(converting, "modules", lambda path: {"kerasmith.nowhere"})
    service = serving.Service(flat(layers.Dense(3)), (), tuple(LABELS), True)
    with pytest.raises(ValueError, match="needs the module 'kerasmith.nowhere'"):
        exporting._convert_elsewhere(service, {"saved_model": str(tmp_path / "out")})
