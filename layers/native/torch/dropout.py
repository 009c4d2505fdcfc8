"""Random masks, and what is computed with them, in few random bits and passes."""

import math

import torch


def survivors(shape, rate, seed):
    """Draw which elements survive.

    Args:
        shape: Shape of the mask.
        rate: Scalar tensor, the probability of an element not to survive. It counts
            to the nearest 2^-16 below: dither it before by less than 2^-16.
        seed: What a `keras.random.SeedGenerator` gives next.

    Returns:
        Boolean tensor, true with a probability of 1 - rate.

    Example:

    >>> survivors((2, 3), torch.tensor(0.0), torch.tensor([1, 2])).all().item()
    True
    """
    level = (rate * 65536).clamp(max=65535).to(torch.int32) - 32768
    return _random_bits(shape, seed) >= level.to(torch.int16)


def keep(inputs, kept, scale):
    """Scale what is kept and set the rest to zero.

    Args:
        inputs: Tensor of floats.
        kept: Boolean tensor that broadcasts to the inputs. It is all that the
            gradient remembers.
        scale: Scalar tensor.

    Returns:
        Tensor like the inputs.

    Example:

    >>> x, kept = torch.tensor([1.0, 2.0]), torch.tensor([True, False])
    >>> keep(x, kept, torch.tensor(2.0)).tolist()
    [2.0, 0.0]
    """
    return _Keep.apply(inputs, kept, scale)


def fraction(mask):
    """Tell which part of a mask is true.

    Args:
        mask: Boolean tensor.

    Returns:
        Scalar tensor in float32.

    Example:

    >>> fraction(torch.tensor([True, False])).item()
    0.5
    """
    return torch.count_nonzero(mask).to(torch.float32) / max(mask.numel(), 1)


def randomized_leaky_relu(inputs, lower, upper, seed):
    """Divide what is negative by a number drawn for each element.

    Args:
        inputs: Tensor of floats.
        lower: Least number to divide by, 1 or more.
        upper: Greatest.
        seed: What a `keras.random.SeedGenerator` gives next.

    Returns:
        Tensor like the inputs.

    Example:

    >>> x = torch.tensor([1.0, -4.0])
    >>> randomized_leaky_relu(x, 2.0, 2.0, torch.tensor([1, 2])).tolist()
    [1.0, -2.0]
    """
    bits = _random_bits(inputs.shape, seed)
    return _RandomizedLeakyReLU.apply(inputs, bits, lower, upper)


class _Keep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs, kept, scale):
        ctx.save_for_backward(kept, scale)
        # times a boolean mask is several times as fast as `where` on a processor
        return (inputs * kept).mul_(scale)

    @staticmethod
    def backward(ctx, *upstream):
        kept, scale = ctx.saved_tensors
        return (upstream[0] * kept).mul_(scale), None, None


class _RandomizedLeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs, bits, lower, upper):
        ctx.save_for_backward(inputs, bits)
        ctx.range = lower, upper
        divisor = _uniform(bits, lower, upper)
        return torch.maximum(inputs, inputs / divisor.to(inputs.dtype))

    @staticmethod
    def backward(ctx, *upstream):
        inputs, bits = ctx.saved_tensors
        # 1 where the input is positive; `where` takes twice the time on a processor
        lower, upper = ctx.range
        divisor = _uniform(bits, lower - 1, upper - 1).mul_(inputs <= 0).add_(1)
        return upstream[0] / divisor.to(upstream[0].dtype), None, None, None


def _uniform(bits, lower, upper):
    step = (upper - lower) / 65536
    return bits.to(torch.float32).mul_(step).add_((lower + upper + step) / 2)


@torch.compiler.disable()
def _random_bits(shape, seed):
    """Draw 16 bits for each element, signed: a quarter of the draws that floats take.

    One draw of 64 bits serves four elements.
    """
    count = math.prod(shape)
    words = torch.empty((count + 3) // 4, dtype=torch.int64, device=seed.device)
    if seed.device.type != "meta":  # where shapes are worked out, nothing is drawn
        generator = torch.Generator(device=seed.device)
        generator.manual_seed(int(seed.sum()) & 0xFFFFFFFF)
        words.random_(-(2**63), None, generator=generator)
    return words.view(torch.int16)[:count].view(tuple(shape))
