"""JAX, Equinox and Optax, imported such that a task keeps to one thread and results are the same for any cores.

XLA reads its environment once, when the first computation is set up; a process in which JAX has computed something
before keeps the threads that it has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hepcs._core.errors import MissingDependencyError
from hepcs._core.requirements import pip_install

#: Of the optional packages, as `packages` of a section.
PACKAGES = ("jax", "equinox", "optax")

# NPROC sizes XLA's pool of threads, over which it splits sums: their last bits would depend on the machine.
_ENVIRONMENT = {
    "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip(),
    "NPROC": "1",
}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


try:
    # Several processes may share a GPU: none takes all of its memory at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with _environment(_ENVIRONMENT):
        import equinox as eqx
        import jax
        import jax.numpy as jnp
        import optax

        jax.devices()
except ImportError as error:
    raise MissingDependencyError(
        "jax, with equinox and optax (the extra hepcs[neural]),",
        "to train networks",
        pip_install(*PACKAGES),
    ) from error

__all__ = ["PACKAGES", "eqx", "jax", "jnp", "optax"]
