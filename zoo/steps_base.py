"""What all step functions of networks share: what makes logits."""

from keras import ops

from ..layers import native


class Steps:
    """The layers of a network that writes tokens.

    Args:
        model: The network.

    Example:

    >>> from .transformer import transformer
    >>> steps = Steps(transformer("transformer_tiny", vocabulary=30))
    >>> steps.logits()(ops.ones((5, 128))).shape == (5, 30)
    True
    """

    def __init__(self, model):
        self.layers = {layer.name: layer for layer in model.layers}
        own = "target_embedding" in self.layers
        self.embedding = self.layers[f"{'target' if own else 'source'}_embedding"]

    def logits(self):
        """Give a function of features, with the weights laid out once."""
        dtype = self.embedding.reverse_dtype
        if self.embedding.tie_weights:
            table = ops.cast(ops.convert_to_tensor(self.embedding.embeddings), dtype)
            products = native.of("decoding").products
            return lambda x: products(ops.cast(x, dtype)[None], table[None])[0]
        kernel = ops.cast(
            ops.convert_to_tensor(self.embedding.reverse_embeddings), dtype
        )
        return lambda x: ops.matmul(ops.cast(x, dtype), kernel)
