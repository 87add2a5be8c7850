"""What two runs must have in common, so that pseudo-experiments of one are pseudo-experiments of the other.

A run that is resumed, and runs that are merged, must agree in all that can change a number: the card, the events
that are searched, and the versions of the packages that compute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepcs.config import Card, LocatedCard
from hepcs.config.kinds import distribution_of
from hepcs.config.samples import SIGNAL
from hepcs.config.sources import WHEREABOUTS, FileSource
from hepcs.datasets.samples import Pools, Sample
from hepcs.running.provenance import blas_kernels, code_digest, processor

# What a card says of where things lie and how they look; the events themselves are compared by their digests.
_WITHOUT_EFFECT: dict[str, Any] = {
    "description": True,
    "execution": True,
    "output": True,
    "searches": {"__all__": {"title"}},
}

# Packages that compute in every run, beside those that its searches and features declare.
_COMPUTING = ("hepcs", "boost-histogram", "iminuit", "llvmlite", "numba", "numpy", "scipy")

# Packages whose results in float32 depend on the kernels of linear algebra.
_BY_LINEAR_ALGEBRA = {"scikit-learn"}

# Numerical libraries that only share out threads.
_THREADING = ("openmp",)

# Bytes that are hashed at a time: memory-mapped features need not fit into the memory.
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Origin:
    """Where numbers were computed, and by which text of the program. Recorded, and not compared.

    Attributes
    ----------
    processor
        Name of the processor.
    blas
        Kernels of its linear algebra.
    code
        SHA-256 of the program text of hepcs, which tells two checkouts of one version apart.
    """

    processor: str
    blas: tuple[str, ...]
    code: str


def describe_origin(origin: Origin) -> str:
    """An origin in one line, for people."""
    return f"{origin.processor}; {', '.join(origin.blas) or 'no BLAS known'}; program text {origin.code[:16]}"


def this_origin() -> Origin:
    """The machine and the program text of this process."""
    # SciPy has a library of linear algebra of its own, which is listed once it is loaded.
    import scipy.linalg  # noqa: F401

    kernels = tuple(kernel for kernel in blas_kernels() if not kernel.startswith(_THREADING))
    return Origin(processor(), kernels, code_digest())


def mixture_warnings(card: LocatedCard, origins: Sequence[Origin]) -> Iterator[str]:
    """What the reader of results should know, if their pseudo-experiments come from several origins."""
    if len({origin.code for origin in origins}) > 1:
        yield (
            "the program text of hepcs was changed, at the same version, between the pseudo-experiments of this "
            "run: they may not be alike"
        )
    kernels = dict.fromkeys(", ".join(origin.blas) or "none" for origin in origins)
    sensitive = [
        name
        for name, search in card.card.searches.items()
        if _BY_LINEAR_ALGEBRA.intersection(search.packages)
    ]
    if len(kernels) > 1 and sensitive:
        yield (
            "the pseudo-experiments were run with different kernels of linear algebra, which can change what "
            f"{' and '.join(sorted(_BY_LINEAR_ALGEBRA))} computes in float32, for {', '.join(sensitive)}: "
            f"{' and '.join(kernels)}"
        )


def likely_cause(
    unlike: Sequence[str], one: Sequence[Origin], other: Sequence[Origin], names: tuple[str, str]
) -> str:
    """Why two identities may differ in prepared samples alone, and what to do; empty if nothing points to it.

    Parameters
    ----------
    unlike
        What differs, from :func:`differences`.
    one, other
        The origins of each.
    names
        What to call the origins in the text.
    """
    machines = [
        {f"{origin.processor} ({', '.join(origin.blas)})" for origin in each} for each in (one, other)
    ]
    if machines[0] == machines[1] or not all(line.startswith("samples.") for line in unlike):
        return ""
    where = ", ".join(
        f"{' and '.join(sorted(each))} {name}" for each, name in zip(machines, names, strict=True)
    )
    return (
        f"\nOnly prepared samples differ, and so do the machines: {where}. Each kernel of linear algebra finds "
        "principal components with other last digits. Prepare the samples once, and name that cache in "
        "execution.cache of all jobs"
    )


def card_identity(card: LocatedCard) -> dict[str, Any]:
    """What is known of a run's identity before its samples are prepared: ``card`` and ``versions``, plain JSON.

    The card is resolved, without what has no effect on a number: description, execution, output, titles, features
    that no search looks at, and the places of input files.
    """
    sections = card.card.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    features = {name: one.model_dump(mode="json") for name, one in card.card.used_features.items()}
    samples = {
        role: source.model_dump(mode="json", exclude=set(WHEREABOUTS))
        for role, source in card.card.samples.by_role().items()
    }
    return {
        "card": {**sections, "features": features, "samples": samples},
        "versions": {name: _version(name) for name in sorted(_computing(card.card))},
    }


def _computing(card: Card) -> set[str]:
    """Packages that compute the numbers of a card, and those that register its kinds."""
    found = set(_COMPUTING)
    for search in card.searches.values():
        found |= {*search.packages, distribution_of("hepcs.searches", search.kind)}
    for feature in card.used_features.values():
        found |= {*feature.packages, distribution_of("hepcs.features", feature.kind)}
    return found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def run_identity(
    card: LocatedCard,
    pools: Pools,
    inputs: Mapping[str, tuple[str, ...]],
    searches: Sequence[tuple[str, ...]],
) -> dict[str, Any]:
    """The whole identity of a run, in plain JSON types.

    Parameters
    ----------
    card
        The card.
    pools
        The prepared samples; the digest of each covers m_jj and all features of every event.
    inputs
        Digests of the input files of each role of the card. Those of generated events are left out, since two
        machines may write the same events into different bytes.
    searches
        Names of the searches that share one fit of each data set.
    """
    roles = {role for role, source in card.card.samples.by_role().items() if isinstance(source, FileSource)}
    hashed: dict[int, str] = {}
    return {
        **card_identity(card),
        "searches": [list(names) for names in searches],
        "inputs": {role: list(digests) for role, digests in inputs.items() if role in roles},
        "samples": {role: _sample_digest(one, hashed) for role, one in _by_role(pools).items()},
    }


def _by_role(pools: Pools) -> dict[str, Sample]:
    """The samples by their role: ``background``, ``data``, ``signal`` or ``signals.wide``, ``priors.wide``."""
    data = {} if pools.data is None else {"data": pools.data}
    signals = {SIGNAL if name == SIGNAL else f"signals.{name}": one for name, one in pools.signals.items()}
    return {"background": pools.background, **data, **signals, **pools.others}


def _sample_digest(sample: Sample, hashed: dict[int, str]) -> str:
    """SHA-256 of a sample; `hashed` remembers features that two samples share."""
    for values in sample.features.values():
        if id(values) not in hashed:
            hashed[id(values)] = array_digest(values)
    parts = (
        str(sample.n_selected),
        str(sample.first_event),
        *(f"{name}={hashed[id(values)]}" for name, values in sorted(sample.features.items())),
        array_digest(sample.m_jj),
        array_digest(sample.rows),
        *([] if sample.weights is None else [array_digest(sample.weights), repr(sample.weight_outside)]),
    )
    return "sha256:" + hashlib.sha256(" ".join(parts).encode()).hexdigest()


def array_digest(array: NDArray[Any]) -> str:
    """SHA-256 of type, shape and values of an array, a block of rows at a time."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    rows = max(1, _BLOCK // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()
