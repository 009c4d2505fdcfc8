import keras

from . import native

FUSED = {
    keras.activations.relu: "relu",
    keras.activations.relu6: "relu6",
    keras.activations.silu: "silu",
}


@keras.saving.register_keras_serializable("kerasmith")
class Activation(keras.layers.Activation):
    def call(self, inputs, training=False):
        name = FUSED.get(self.activation)
        if not training or name is None:
            return super().call(inputs)
        return getattr(native.of("activation"), name)(inputs)
