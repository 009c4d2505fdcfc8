"""A model whose gradient is one, so that what its weight loses is the learning rate."""

import keras
import numpy as np
from keras import ops


class Slope(keras.layers.Layer):
    """Multiplies by a weight."""

    def build(self, shape):
        self.slope = self.add_weight(shape=(), initializer="zeros", name="slope")

    def call(self, inputs):
        return inputs * self.slope


class Weights(keras.callbacks.Callback):
    """Takes the weight before training and after each execution."""

    def on_train_begin(self, logs=None):
        self.seen = [weight_of(self.model)]

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(weight_of(self.model))


def weight_of(model):
    return float(ops.convert_to_numpy(model.trainable_weights[0]))


def make_model(optimizer=None, **options):
    model = keras.Sequential([keras.Input((1,)), Slope()])
    optimizer = optimizer or keras.optimizers.SGD(0.01)
    model.compile(optimizer, loss=lambda truth, prediction: prediction, **options)
    return model


def fit(model, callbacks, steps=12, epochs=2, **options):
    ones = np.ones((steps, 1), "float32")
    options = {"batch_size": 1, "verbose": 0, "shuffle": False, **options}
    return model.fit(ones, ones, epochs=epochs, callbacks=callbacks, **options)


def rates_of(callback, optimizer=None, steps=12, epochs=2, **options):
    """Measure the rate of each batch by what the weight loses."""
    weights = Weights()
    fit(make_model(optimizer, **options), [callback, weights], steps, epochs)
    return -np.diff(weights.seen)
