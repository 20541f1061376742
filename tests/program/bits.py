"""Prints a digest of results and gradients of compiled programs, for processes that run another machine code.

`python bits.py SEED…`: random programs as batches of seven lanes; equal programs print equal lines on every processor.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "solve")]

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from random_programs import Program, floats, pulled, random_program  # noqa: E402


def digest(found: Any) -> str:
    """Return a digest of arrays."""
    text = hashlib.blake2b(digest_size=12)
    for x in jax.tree.leaves(found):
        text.update(np.ascontiguousarray(x).tobytes())
    return text.hexdigest()


def lanes_of(program: Program, lanes: int) -> tuple[list[Any], list[Any]]:
    """Return operands and cotangents in so many versions, lane k the same whatever their number."""
    rng = np.random.default_rng(1)
    scale = 1.0 - 0.01 * np.arange(128)
    operands = [jnp.asarray(x) for x in (*program.thetas, *program.states)]
    count = len(program.thetas)
    shapes = jax.eval_shape(program.reference, operands[:count], operands[count:])
    cts = [rng.normal(size=(128, *shapes[i].shape))[:lanes] for i in floats(shapes)]
    batch = [np.stack([x * s if floats([x]) else x for s in scale[:lanes]]).astype(x.dtype) for x in operands]
    return [jnp.asarray(x) for x in batch], [jnp.asarray(x, program.dtype) for x in cts]


def gradient(program: Program) -> Any:
    """Return results and gradients as a function of batches."""
    return jax.jit(jax.vmap(pulled(program.native, len(program.thetas))))


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    for seed in map(int, sys.argv[1:]):
        program = random_program(seed)
        print(seed, digest(gradient(program)(*lanes_of(program, 7))))
