"""Stacks of networks: one module whose arrays have a leading axis of g groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hepcs._core.errors import ArgumentError, InputError
from hepcs._core.storage import atomic_path
from hepcs.neural.backend import eqx, jax, jnp

Model = TypeVar("Model")
#: Arrays (n, ...) of the same n events, in any nesting of tuples and dictionaries.
Data = Any


def keys_of(rng: np.random.Generator, *shape: int) -> NDArray[np.uint32]:
    """Random numbers that :func:`key_from` makes keys of, shape ``(*shape, 2)``."""
    return rng.integers(2**32, size=(*shape, 2), dtype=np.uint32)


def key_from(numbers: Any) -> Any:
    """A key of JAX, of a generator that is the same on all machines."""
    return jax.random.wrap_key_data(numbers, impl="threefry2x32")


def stacked(make: Callable[[Any], Model], groups: int, rng: np.random.Generator) -> Model:
    """So many networks as one module, each initialised by a key of its own.

    Parameters
    ----------
    make
        From a key to an equinox module. Hashable, such as a frozen dataclass with ``__call__``: equal ones share
        the compiled function.
    groups
        g.
    rng
        Where the keys come from.
    """
    return _made(make, keys_of(rng, groups))


@eqx.filter_jit
def _made(make: Callable[[Any], Any], numbers: Any) -> Any:
    return eqx.filter_vmap(lambda one: make(key_from(one)))(numbers)


def one_of(models: Model, group: int) -> Model:
    """The network of one group."""
    arrays, rest = eqx.partition(models, eqx.is_array)
    return eqx.combine(jax.tree.map(lambda a: a[group], arrays), rest)


def host(models: Model) -> Model:
    """The same with NumPy arrays, which may be sent to other processes."""
    return jax.tree.map(lambda a: np.asarray(a) if eqx.is_array(a) else a, models)


def rounded_up(n: int, bits: int = 4) -> int:
    """The next number of so many significant bits: arrays of few different lengths need few compilations."""
    step = 1 << max((n - 1).bit_length() - bits, 0)
    return -(-n // step) * step


def evaluate(
    models: Model,
    function: Callable[[Model, Data], Any],
    data: Data,
    *,
    groups: NDArray[np.integer] | None = None,
    chunk: int = 4096,
) -> NDArray[np.float64]:
    """What networks say of events.

    Parameters
    ----------
    models
        A stack of g networks.
    function
        Of one network and a batch of `data` with b events, to an array (b, ...). Hashable, as in
        :func:`stacked`.
    data
        Arrays (n, ...), not empty.
    groups
        Group of the network that judges each event, shape (n,); each judges all of them if None.

    Returns
    -------
    ndarray
        Shape (g, n, ...), or (n, ...) with `groups`.
    """
    leaves = jax.tree.leaves(data)
    n, g = len(leaves[0]), groups_of(models)
    if groups is None:
        return np.stack([_judged(models, function, data, one, np.arange(n), chunk) for one in range(g)])
    if groups.shape != (n,) or (n and not 0 <= groups.min() <= groups.max() < g):
        raise ArgumentError(f"groups of shape {groups.shape} do not fit {n} events and {g} networks")
    result: NDArray[np.float64] | None = None
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        found = _judged(models, function, data, int(group), rows, chunk)
        if result is None:
            result = np.empty((n, *found.shape[1:]))
        result[rows] = found
    assert result is not None
    return result


def groups_of(models: Any) -> int:
    """How many networks a stack holds."""
    return int(next(leaf for leaf in jax.tree.leaves(models) if eqx.is_array(leaf)).shape[0])


def _judged(
    models: Any, function: Callable[..., Any], data: Data, group: int, rows: NDArray[np.intp], chunk: int
) -> NDArray[np.float64]:
    model, size = one_of(models, group), min(chunk, rounded_up(len(rows), 0))
    found = []
    for start in range(0, len(rows), size):
        these = rows[start : start + size]
        # The last batch is filled up, so that all have one shape.
        full = np.pad(these, (0, size - len(these)), mode="edge")
        values = _applied(function, model, jax.tree.map(lambda a: _narrow(a[full]), data))  # noqa: B023
        found.append(np.asarray(values, dtype=np.float64)[: len(these)])
    return np.concatenate(found)


@eqx.filter_jit
def _applied(function: Callable[..., Any], model: Any, batch: Data) -> Any:
    return function(model, batch)


def _narrow(array: Any) -> Any:
    """Floats in single precision."""
    return jnp.asarray(array, dtype=np.float32 if np.issubdtype(array.dtype, np.floating) else None)


def arrays_of(models: Any) -> dict[str, NDArray[Any]]:
    """The arrays of networks by name, for files; :func:`with_arrays` takes them."""
    kept = [leaf for leaf in jax.tree.leaves(models) if eqx.is_array(leaf)]
    return {f"array_{i}": np.asarray(leaf) for i, leaf in enumerate(kept)}


def with_arrays(like: Model, arrays: Mapping[str, NDArray[Any]]) -> Model:
    """Networks as `like`, such as untrained ones, with the arrays of :func:`arrays_of`; others are left out.

    Raises ArgumentError if some are missing, or have other shapes.
    """
    leaves, structure = jax.tree.flatten(like)
    places = [i for i, leaf in enumerate(leaves) if eqx.is_array(leaf)]
    found = {name: array.shape for name, array in arrays.items() if name.startswith("array_")}
    wanted = {f"array_{i}": leaves[place].shape for i, place in enumerate(places)}
    if found != wanted:
        raise ArgumentError(
            f"other networks: {len(found)} arrays, expected {len(wanted)}, or of other shapes"
        )
    for i, place in enumerate(places):
        leaves[place] = arrays[f"array_{i}"]
    return jax.tree.unflatten(structure, leaves)


def save(path: Path, models: Any) -> None:
    """Write the arrays of networks as an npz file; raises OSError if it cannot be written."""
    with atomic_path(path) as there, there.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays_of(models))


def load(path: Path, like: Model) -> Model:
    """Networks from a file of :func:`save`.

    Parameters
    ----------
    like
        Networks of the same structure and shapes, such as untrained ones.

    Raises
    ------
    InputError
        If the file cannot be read, or holds arrays of other shapes.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return with_arrays(like, dict(file))
    except ArgumentError as error:
        raise InputError(f"{path}: holds {error}") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no file of networks: {error}") from error
