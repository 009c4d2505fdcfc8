"""Kernels on PyTorch."""
