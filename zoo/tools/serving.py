"""What an exported model serves, and the files that hold it.

Raw `uint8` images go in, probabilities come out: the preprocessing, the model and,
behind logits, a softmax. A network of segmentation gives them for each pixel, and its
SavedModel the most likely classes as well. Images are cast to float32 before the
preprocessing, as Keras does in a `tf.data` pipeline, so that resizing rounds nothing.

ONNX and LiteRT files take images of the model's own size: resizing is left out of
them. Layers that compute in bfloat16 or float16 compute in float32 there, since
these runtimes lack the kernels; the SavedModel keeps them as they are.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import sys
import tempfile
import zipfile

import keras
from keras import ops

from ...layers.mirror_padding import mirror
from .parity import one_line
from .tile_plan import plan_tiles

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
        softmax: Whether a softmax comes last; of a single class a sigmoid.

    Call arguments:
        images: Array or tensor of raw images, `(batch, height, width, channels)`.
        format: The format whose answer is wanted; `"saved_model"` resizes.

    Returns:
        float32 tensor of probabilities on the backend in use, `(batch, classes)`, or
        `(batch, height, width, classes)` of the size of the images.

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
        size = ops.shape(x)[1:3]
        outputs = keras.tree.flatten(self.model(self._framed(x), training=False))[0]
        outputs = ops.cast(outputs, "float32")
        if self.frame is not None:
            outputs = outputs[:, : size[0], : size[1]]
        if self.segments and format == "saved_model" and self.resizes:
            outputs = _resize(outputs, ops.shape(images)[1:3])
        if not self.softmax:
            return outputs
        single = outputs.shape[-1] == 1
        return ops.sigmoid(outputs) if single else ops.softmax(outputs, axis=-1)

    def _framed(self, x):
        """Continue images for a network without padding, to have all pixels answered.

        Ronneberger et al., 2015, figure 2: by their mirror images.
        """
        if self.frame is None:
            return x
        for axis, (tile, margin, stride) in enumerate(self.frame, 1):
            after = (tile - 2 * margin - ops.shape(x)[axis]) % stride
            x = mirror(x, margin, margin + after, axis)
        return x

    @functools.cached_property
    def frame(self):
        """Tile, margin and stride of each axis, where the network pads nothing.

        Sizes that it takes differ from that of the tile by multiples of the stride.
        `None` where it answers for each pixel itself, or takes one size alone.
        """
        shape = self.model.inputs[0].shape
        if not self.segments or None not in shape[1:3]:
            return None
        try:
            plan = plan_tiles(self.model)
        except ValueError:  # it sees the whole image, or has a layer nobody knows
            return None
        if self.model.compute_output_shape((1, *plan.tile, shape[3]))[1:3] == plan.tile:
            return None
        return list(zip(plan.tile, plan.margin, plan.stride, strict=True))

    @property
    def segments(self):
        """Whether there is an answer for each pixel."""
        return len(self.model.outputs[0].shape) == 4

    @property
    def resizes(self):
        """Whether images are brought to one size."""
        return any(map(is_resizing, self.stages))

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


def _resize(maps, size):
    """Bring maps to a size that may be known only when the model runs."""
    if keras.config.backend() == "tensorflow":  # Keras' own needs to know it
        import tensorflow as tf

        return tf.image.resize(maps, size)
    return ops.image.resize(maps, size, data_format="channels_last")


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


def most_likely(probabilities):
    """Choose the most likely class of each pixel.

    Args:
        probabilities: Tensor of shape `(batch, height, width, classes)`.

    Returns:
        `uint8` tensor of shape `(batch, height, width)`, `int32` where there are more
        than 256 classes. Of a single class, 1 from a probability of a half on.

    Example:

    >>> import numpy as np
    >>> most_likely(np.array([[[[0.2, 0.8], [0.6, 0.4]]]])).numpy().tolist()
    [[[1, 0]]]
    """
    classes = probabilities.shape[-1]
    if classes == 1:
        return ops.cast(probabilities[..., 0] >= 0.5, "uint8")
    chosen = ops.argmax(probabilities, axis=-1)
    return ops.cast(chosen, "uint8" if classes <= 256 else "int32")


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
        answer = {"probabilities": service(images, format)}
        if service.segments and format == "saved_model":
            answer["mask"] = most_likely(answer["probabilities"])
        return answer

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
