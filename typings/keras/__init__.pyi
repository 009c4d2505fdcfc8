# Keras has no types, and what checkers infer from its code is a union over backends.
from typing import Any

def __getattr__(name: str) -> Any: ...
