"""Type names shared by every floor."""

from typing import Any

from jaxtyping import Array, ArrayLike, Bool, Float, Int

Param = Any
"""A parameter of a mechanism: a number, an array, text with a unit, or a distribution; an array once lowered."""

__all__ = ["Array", "ArrayLike", "Bool", "Float", "Int", "Param"]
