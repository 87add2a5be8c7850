"""Why events cannot be used: how many of them, for which reasons, and what is likely wrong with the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hepcs._core.errors import InputError
from hepcs.jets.columns import Columns
from hepcs.jets.cutflow import Cutflow, Rejection

#: Largest share of unusable events where nobody says another one: as of the events in files that cannot be read.
MAX_UNUSABLE = 0.05

#: Steps of the selection that remove defective input, not physics.
READABLE, TWO_JETS = "readable constituents", "at least two jets"
_DEFECTS = (READABLE, TWO_JETS)

#: What makes a constituent unusable, and what is most often behind it.
NOT_FINITE, NEGATIVE, TOO_ENERGETIC, NO_ETA, NO_PHI = (
    "not finite",
    "negative pT",
    "energy above",
    "|eta| above",
    "|phi| above",
)
_HINTS = {
    NOT_FINITE: "Empty places of a padded list must have a pT of exactly zero, not NaN",
    NEGATIVE: "Check which column is taken for pT",
    TOO_ENERGETIC: "pT and mass are taken for GeV: for a file in MeV, say `units: MeV` in its source",
    NO_ETA: "Check which column is taken for eta; packed integers have to be unpacked first",
    NO_PHI: "phi is taken in radians: convert degrees, and unpack packed integers, first",
    "no constituents": "Check that the collection is the one that holds the particles of these events",
    "one jet": "Check `jets.radius`, and that the collection holds all particles of an event",
}
_REST = "others"

# Of azimuths that are uniform, n R^2 is exponential with mean 1, R the length of their mean as unit vectors
# (Rayleigh's test): it is above 30 once in 1e13 times, and below 6 in all but 0.25 %.
_NOT_UNIFORM, _UNIFORM = 30.0, 6.0
_ROUNDING = 0.01
_ASKED = 2000  # events of a chunk


def kind_of(rejection: Rejection) -> str:
    """What kind of defect an event was rejected for."""
    return next((kind for kind in _HINTS if kind in rejection.reason), _REST)


def explain_defects(rejections: Sequence[Rejection]) -> str:
    """The kinds of defects among rejected events, the most frequent first, each with an example and a hint."""
    kinds = Counter(map(kind_of, rejections))
    lines = []
    for kind, number in kinds.most_common():
        first = next(one for one in rejections if kind_of(one) == kind)
        n_files = len({one.file for one in rejections if kind_of(one) == kind})
        where = first.file if n_files == 1 else f"{n_files} files"
        lines.append(f"  {kind}: {number:,} of {len(rejections):,} that are listed, in {where}")
        lines.append(f"    {first}")
        if kind in _HINTS:
            lines.append(f"    {_HINTS[kind]}")
    return "\n".join(lines)


def count_unusable(cutflow: Cutflow) -> int:
    """Number of events that were removed for defects of the input."""
    counts = cutflow.counts
    return sum(counts[i - 1] - counts[i] for i, name in enumerate(cutflow.names) if i and name in _DEFECTS)


def require_usable(name: str, cutflow: Cutflow, rejections: Sequence[Rejection], limit: float) -> None:
    """Refuse a sample of which too many events are unusable.

    Parameters
    ----------
    name
        What the sample is.
    cutflow, rejections
        Of all its events; the rejections may be the first ones only.
    limit
        Largest share of unusable events, in [0, 1).

    Raises
    ------
    InputError
        There are more; the text gives the reasons.
    """
    n_read, n_unusable = max(cutflow.counts, default=0), count_unusable(cutflow)
    if n_unusable > limit * n_read:
        raise InputError(
            f"{name}: {n_unusable:,} of {n_read:,} events are unusable ({n_unusable / n_read:.1%}), and max_lost "
            f"allows {limit:.1%}. Correct the input, or raise max_lost\n{explain_defects(rejections)}"
        )


def explain_nothing_left(cutflow: Cutflow, rejections: Sequence[Rejection]) -> str:
    """Why no event is left at the end of a selection, with the cutflow."""
    steps = list(cutflow.as_dict().items())
    last = next((i for i, (_, count) in enumerate(steps) if count == 0), len(steps) - 1)
    step = steps[last][0]
    before = f"none of {steps[last - 1][1]:,} events" if last else "no event"
    if step in _DEFECTS or count_unusable(cutflow) > cutflow.counts[0] / 2:
        reason = f"most events are unusable:\n{explain_defects(rejections)}"
    elif "pT" in step:
        reason = (
            f"{before} has {step}. pT and mass are taken for GeV: name the `units` of the file in its source, or "
            "lower `jets.leading_pt_min`"
        )
    elif "eta" in step:
        reason = f"{before} has {step}. Check which columns are taken for eta and phi, or `jets.abs_eta_max`"
    elif "m_jj" in step:
        reason = f"{before} has {step}: move `regions.evaluation`, or check the `units` of the file"
    else:
        reason = f"{before} passes `{step}`"
    return f"{reason}\n{cutflow}"


def require_azimuths(particles: Columns, file: str, first_entry: int) -> None:
    """Refuse particles whose eta and phi are likely taken for each other.

    Collisions have no preferred azimuth, so that of the hardest particle of an event is uniform, and its
    pseudorapidity is not: it is refused only where both are the other way round (Rayleigh's test).

    Parameters
    ----------
    particles
        One list for each event, with pt, eta and phi; all finite.
    file, first_entry
        Where they are from, for the message.

    Raises
    ------
    InputError
        eta is uniform within [-pi, pi], and phi is not.
    """
    if np.abs(particles.fields["eta"]).max(initial=0.0) > np.pi + _ROUNDING:
        return
    hardest = _hardest(particles)
    n = hardest.size
    r_phi, r_eta = (n * _mean_length(particles.fields[name][hardest]) ** 2 for name in ("phi", "eta"))
    if r_phi > _NOT_UNIFORM and r_eta < _UNIFORM:
        raise InputError(
            f"{file}: entries from {first_entry} on: of the hardest particles of events, what is taken for eta is "
            "uniform between -pi and pi, and what is taken for phi is not. Exchange the columns of `eta` and `phi`"
        )


def _hardest(particles: Columns) -> np.ndarray:
    """Rows of the hardest particle of each of the first events, as far as they have any."""
    offsets = particles.offsets[: _ASKED + 1]
    pt = particles.fields["pt"]
    ranges = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    rows = [start + int(np.argmax(pt[start:stop])) for start, stop in ranges if start < stop]
    return np.array(rows, dtype=np.int64)


def _mean_length(angles: np.ndarray) -> float:
    return float(np.abs(np.exp(1j * angles).mean())) if angles.size else 0.0
