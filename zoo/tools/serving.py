"""What an exported model serves, and the files that hold it.

Raw `uint8` images go in, probabilities come out: the preprocessing, the model and,
behind logits, a softmax. Images are cast to float32 before the preprocessing, as
Keras does in a `tf.data` pipeline, so that resizing rounds nothing.

ONNX and LiteRT files take images of the model's own size: resizing is left out of
them. Layers that compute in bfloat16 or float16 compute in float32 there, since
these runtimes lack the kernels; the SavedModel keeps them as they are.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
import zipfile

import keras
from keras import ops

from .parity import one_line

LABELS = "labels.txt"
# dtypes of half precision, with the largest difference of a probability between two
# runtimes: each rounds otherwise. Logits near 100 are half a unit apart in bfloat16
HALF = {"bfloat16": 0.2, "float16": 0.03}


@dataclasses.dataclass(frozen=True)
class Service:
    """A model with all that stands around it when it is served.

    Args:
        model: Functional or sequential model of one batch of images.
        stages: Layers that turn raw images into the model's inputs.
        labels: Name of each class.
        softmax: Whether a softmax comes last.

    Call arguments:
        images: Array or tensor of raw images, `(batch, height, width, channels)`.
        format: The format whose answer is wanted; `"saved_model"` resizes.

    Returns:
        float32 tensor of probabilities on the backend in use.

    Example:

    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    >>> service = Service(model, (keras.layers.Resizing(2, 2),), tuple("abcd"), True)
    >>> service.shape("saved_model"), service.shape("onnx")
    ((None, None, 1), (2, 2, 1))
    """

    model: keras.Model
    stages: tuple
    labels: tuple
    softmax: bool

    def __call__(self, images, format):
        x = ops.cast(images, "float32")
        for stage in self.stages:
            if format == "saved_model" or not is_resizing(stage):
                x = stage(x, training=False)
        x = ops.cast(x, self.model.inputs[0].dtype)
        outputs = keras.tree.flatten(self.model(x, training=False))[0]
        outputs = ops.cast(outputs, "float32")
        return ops.softmax(outputs, axis=-1) if self.softmax else outputs

    def shape(self, format):
        """Give the height, width and channels of the images that a format takes.

        Args:
            format: `"saved_model"`, `"onnx"` or `"litert"`.

        Returns:
            Tuple of three, `None` where any size will do.
        """
        height, width, channels = self.model.inputs[0].shape[1:]
        for stage in filter(is_resizing, self.stages):
            height, width = stage.height, stage.width
            if format == "saved_model":
                return (None, None, channels)
        return (height, width, channels)


def is_resizing(stage):
    """Tell whether a layer brings images of any size to one.

    Args:
        stage: Keras layer.

    Returns:
        Whether it is a `keras.layers.Resizing`.

    Example:

    >>> is_resizing(keras.layers.Rescaling(1 / 255))
    False
    """
    return isinstance(stage, keras.layers.Resizing)


def compute_dtypes(model):
    """List the dtypes in which the layers of a model compute.

    Args:
        model: Keras model; those nested in it are looked into.

    Returns:
        Sorted list of names.

    Example:

    >>> compute_dtypes(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    ['float32']
    """
    found = set()
    for layer in model.layers:
        nested = isinstance(layer, keras.Model)
        found |= set(compute_dtypes(layer)) if nested else {layer.compute_dtype}
    return sorted(found)


def read_config(path):
    """Read the config in a `.keras` file, which must hold no code.

    Args:
        path: The file.

    Returns:
        The config as nested dictionaries and lists.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no whole `.keras` file, or carries a Lambda with code.

    Example:

    >>> read_config("nowhere.keras")
    Traceback (most recent call last):
    FileNotFoundError: there is no file nowhere.keras.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is cut short or no .keras file ({one_line(error, 100)})."
        ) from error
    if any(node.get("class_name") == "__lambda__" for node in walk(config)):
        raise ValueError(
            f"{path} carries a Lambda with Python code, which is refused because it "
            "could do anything once loaded; put the code into a layer of your own."
        )
    return config


def load_model(path):
    """Load a `.keras` file, never the code in it.

    Safe mode is on whatever `keras.config` says.

    Args:
        path: The file.

    Returns:
        The model, not compiled.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is cut short, carries a Lambda with code, or needs a class
            that was not imported.

    Example:

    >>> load_model("nowhere.keras")
    Traceback (most recent call last):
    FileNotFoundError: there is no file nowhere.keras.
    """
    read_config(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises a dozen kinds, with pages of config
        text = str(error)
        text = text.partition("Exception encountered: ")[2] or text
        raise ValueError(f"{path} cannot be loaded: {one_line(text)}") from error


def walk(config):
    """Go through all dictionaries in a config.

    Args:
        config: Nested dictionaries and lists.

    Yields:
        Each dictionary.

    Example:

    >>> [node["a"] for node in walk({"a": [{"a": 1}]})]
    [[{'a': 1}], 1]
    """
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from walk(value)


def convert(service, files):
    """Write a service in each format asked for. TensorFlow must be the backend.

    Args:
        service: The `Service` to write.
        files: Mapping of each format to the path of its file or folder.

    Raises:
        ValueError: If a format cannot express the model.
        OSError: If a file cannot be written.

    Example:

    >>> sorted(WRITERS)
    ['litert', 'onnx', 'saved_model']
    """
    import tensorflow as tf

    for format_, path in files.items():
        try:
            WRITERS[format_](service, pathlib.Path(path))
        except (OSError, tf.errors.ResourceExhaustedError) as error:
            reason = str(error).rpartition("; ")[2]  # TensorFlow names places first
            raise OSError(f"{format_} cannot be written: {reason}") from error
        except Exception as error:  # each converter has exceptions of its own
            raise ValueError(
                f"the model cannot be converted to {format_}: {one_line(error)}"
            ) from error


def _in_float32(service):
    """Give the same service with every layer computing in float32."""
    if not HALF.keys() & compute_dtypes(service.model):
        return service
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # for layers made inside of layers
    try:
        config = _with_float32(service.model.get_config())
        twin = type(service.model).from_config(config)
    finally:
        keras.config.set_dtype_policy(policy)
    twin.set_weights(service.model.get_weights())
    return dataclasses.replace(service, model=twin)


def _with_float32(config):
    """Copy a config with float32 for every dtype policy in it."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {key: _with_float32(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_with_float32(value) for value in config)
    return config


def _signature(service, format):
    """Make the TensorFlow function to serve; give it, its input and its variables."""
    import tensorflow as tf

    spec = tf.TensorSpec((None, *service.shape(format)), tf.uint8, name="images")

    @tf.function(input_signature=[spec], autograph=False)
    def serving_default(images):
        return {"probabilities": service(images, format)}

    layers = (service.model, *service.stages)
    variables = [each.value for layer in layers for each in layer.variables]
    return serving_default, spec, variables


def _track(**attributes):
    """Make the object through which TensorFlow finds what a function needs."""
    import tensorflow as tf

    tracked = tf.Module()
    for name, value in attributes.items():
        setattr(tracked, name, value)
    return tracked


def _write_saved_model(service, path):
    import tensorflow as tf

    function, _, variables = _signature(service, "saved_model")

    @tf.function(input_signature=[])
    def labels():
        return {"labels": tf.constant(service.labels)}

    with tempfile.TemporaryDirectory() as folder:
        names = pathlib.Path(folder, LABELS)
        names.write_text("\n".join(service.labels), encoding="utf-8")
        asset = tf.saved_model.Asset(str(names))
        signatures = {"serving_default": function, "labels": labels}
        tracked = _track(weights=variables, labels=asset)
        tf.saved_model.save(tracked, str(path), signatures=signatures)


def _write_onnx(service, path):
    import onnx
    import tf2onnx

    function, spec, _ = _signature(_in_float32(service), "onnx")
    with _quiet():
        model, _ = tf2onnx.convert.from_function(
            function, [spec], opset=18, custom_op_handlers={"Erfc": (_erfc, [])}
        )
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.shape.dim[0].dim_param = "batch"
    entry = model.metadata_props.add()
    entry.key, entry.value = "labels", "\n".join(service.labels)
    onnx.save(model, str(path))


def _erfc(graph, node, name, args):
    """Write 1 - Erf: exact GELU needs Erfc, which ONNX does not have."""
    import numpy as np
    from tf2onnx import utils

    node.type = "Erf"
    one = graph.make_const(utils.make_name("one"), np.array(1, "float32")).output[0]
    output = node.output[0]
    graph.insert_new_node_on_output("Sub", output, inputs=[one, output])


def _write_litert(service, path):
    import tensorflow as tf

    function, _, variables = _signature(_in_float32(service), "litert")
    functions, tracked = [function.get_concrete_function()], _track(weights=variables)
    with _quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(functions, tracked)
        content = converter.convert()
    path.write_bytes(content)
    # as TFLite packs metadata: a zip archive behind the model, which stays loadable
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS), "\n".join(service.labels))


@contextlib.contextmanager
def _quiet():
    """Hold back the pages that converters write to the standard error, C++ too."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


WRITERS = {
    "saved_model": _write_saved_model,
    "onnx": _write_onnx,
    "litert": _write_litert,
}
