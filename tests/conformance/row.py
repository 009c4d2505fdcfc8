"""A row of the tables: how to build what is asked, and inputs to ask it with."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Row:
    """How to build a layer or a model, and the shape of inputs to try it with.

    What does not turn one tensor into one tensor by itself, a cell, an attention, is
    built inside a model that does; `part` then builds it alone.
    """

    build: Callable
    shape: tuple
    # the axes beside the batch whose size it need not know beforehand
    unknown: tuple = ()
    # where a mask goes: "passed" on, "consumed", or "refused" with Keras' warning
    mask: str = "refused"
    # whether it has corners (ReLU, max-pooling), where a slope jumps
    corners: bool = False
    # share of the largest result that 16 bits may change: more where like is subtracted
    rounding: float = 0.03
    # names of weights that are learned, but without effect at inference
    in_training_alone: tuple = ()
    # builds what is public, where `build` builds something around it
    part: Callable | None = None

    @property
    def alone(self):
        """What builds the public object itself."""
        return self.part or self.build

    def built(self, policy="float32"):
        """Build it under a dtype policy, weights and all."""
        keras.config.set_dtype_policy(policy)
        layer = self.build()
        if not layer.built:
            layer.build(self.shape)
        return layer

    def draws(self):
        """Tell whether it has a random generator."""
        layer = self.built()
        return len(layer.variables) > len(layer.weights)

    def inputs(self, seed=0, batch=None):
        """Draw inputs."""
        size = (batch or self.shape[0], *self.shape[1:])
        return np.random.default_rng(seed).normal(size=size).astype("float32")

    def symbolic(self, name=None):
        """Give an input of unknown batch size, and other sizes as unknown as may be."""
        sizes = [None if i in self.unknown else n for i, n in enumerate(self.shape)]
        return keras.Input(sizes[1:], name=name)
