"""What the wrappers share that let a layer compute with other kernels than it holds."""

import inspect

import keras

from .full_precision import in_full_precision
from .kernels import kernels_of, parts_of


class TransparentWrapper(keras.layers.Wrapper):
    """Base of wrappers whose shapes and masks are those of the layer inside.

    Args:
        layer: The layer to wrap.
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = layer.supports_masking

    def compute_mask(self, inputs, previous_mask):
        return self.layer.compute_mask(inputs, previous_mask)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        config = super().get_config()
        # what the layer learns from being built is no part of a configuration
        config["layer"].pop("build_config", None)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # Keras takes the layer out of the dictionary that it is given
        return super().from_config(dict(config), custom_objects)


class WeightWrapper(TransparentWrapper):
    """Base of wrappers that change kernels for the length of a call.

    The layer keeps its kernels, which are what is trained, regularised and saved. For
    each call a subclass computes others from them, in float32, and the layer computes
    with these. Gradients flow through that computation to the kernels kept.

    A subclass defines `change(kernel, value, training)`. Any layer will do that takes
    one input and of which `kernels_of` knows the kernels; a table of embeddings does
    not count as one.

    Args:
        layer: The layer to wrap.

    Raises:
        ValueError: If the layer takes several inputs, has no kernel, or one whose units
            are not known.
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        _check_one_input(self, layer)
        if layer.built:
            self._find_kernels()

    def build(self, input_shape):
        super().build(input_shape)
        self._find_kernels()

    def change(self, kernel, value, training):
        """Give what takes the place of a kernel.

        Args:
            kernel: A `Kernel`, see `kernels_of`.
            value: Its value in float32.
            training: Whether this is a training step.

        Returns:
            A tensor of the same shape, or `None` to leave the kernel as it is.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `change`.")

    def call(self, inputs, training=False, mask=None):
        takes_mask = "mask" in inspect.signature(self.layer.call).parameters
        keywords = {"mask": mask} if takes_mask else {}
        scope = in_full_precision(lambda: self._scope(training))
        if scope is None:
            return self.layer(inputs, **keywords)
        variables = self.layer.variables
        before = [scope.get_current_value(variable) for variable in variables]
        with scope:
            outputs = self.layer(inputs, **keywords)
            losses = _with_owners(self.layer, scope.losses)
        # what the layer wrote into the scope, such as seeds and states, lives on
        for variable, value in zip(variables, before, strict=True):
            after = scope.get_current_value(variable)
            if after is not value:
                variable.assign(after)
        for owner, loss in losses:
            owner.add_loss(loss)
        return outputs

    def _scope(self, training):
        """Make a scope in which the layer's kernels have other values."""
        changed = {}
        for kernel in self.kernels:
            value = keras.ops.convert_to_tensor(kernel.variable)
            changed[id(kernel.variable)] = self.change(kernel, value, training)
        if all(value is None for value in changed.values()):
            return None
        # a scope hides the one around it: all values have to be carried over
        held = [
            (variable, variable if (new := changed.get(id(variable))) is None else new)
            for variable in self.layer.variables
        ]
        return keras.StatelessScope(held, collect_losses=True)

    def _find_kernels(self):
        self.kernels = kernels_to_change(self, self.layer)


def _check_one_input(wrapper, layer):
    parameters = inspect.signature(layer.call).parameters.values()
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind in named]
    if len(needed) > 1:
        raise ValueError(
            f"{type(wrapper).__name__} wraps layers that take one input, received "
            f"{type(layer).__name__}, which takes {', '.join(needed)}. Put it in a "
            "layer or model of one input, such as RNN for a cell, and wrap that."
        )


def kernels_to_change(wrapper, layer):
    """Give the kernels of a built layer as `Kernel`s, without tables of embeddings."""
    try:
        found = kernels_of(layer)
    except ValueError as error:
        raise ValueError(
            f"{type(wrapper).__name__} cannot wrap {type(layer).__name__}: {error}"
        ) from error
    kernels = [kernel for kernel in found if kernel.attribute != "embeddings"]
    if not kernels:
        raise ValueError(
            f"{type(wrapper).__name__} needs a layer with a kernel, received "
            f"{type(layer).__name__}, which only looks rows up in a table. Wrap the "
            "layer behind it."
        )
    return kernels


def _with_owners(layer, losses):
    """Pair each loss with the innermost layer that added it."""
    if not losses:
        return []
    owners = {}
    for _, part in parts_of(layer):
        known = {id(loss) for loss in part.losses}
        owners.update({id(loss): part for loss in losses if id(loss) in known})
    return [(owners[id(loss)], loss) for loss in losses]
