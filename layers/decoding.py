"""Decoding: sequences from a network that gives the next token's logits.

A step function of any network, one token in and logits out, goes through one compiled
loop: greedily, by sampling, or by beam search.
"""

from .beam_search import beam_search
from .decoding_rules import Decoded, DecodingState
from .single_decoding import greedy_search, sample_sequences

__all__ = [
    "Decoded",
    "DecodingState",
    "beam_search",
    "greedy_search",
    "sample_sequences",
]
