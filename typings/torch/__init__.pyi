# PyTorch is optional: what uses it is checked alike with it and without.
from typing import Any

def __getattr__(name: str) -> Any: ...
