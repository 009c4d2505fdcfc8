"""Activations on PyTorch: its own are the fastest."""

from keras.ops import relu, relu6, silu

__all__ = ["relu", "relu6", "silu"]
