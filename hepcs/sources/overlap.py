"""The same events in two samples of a card: found by the checksums of their files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from hepcs._core.errors import InputError
from hepcs.sources.skipping import Listing

# Hypotheses to train on may well be the signals that are injected: that is a study, not a mistake.
_SHARED = ("priors",)


def require_different_files(listings: Mapping[str, Listing]) -> None:
    """Refuse a file whose content is in two samples: events would be searched against themselves.

    Parameters
    ----------
    listings
        The files of each sample, by its role, such as ``background`` or ``signals.wide``.

    Raises
    ------
    InputError
        Two samples share the content of a file, under one name or two; the text names all such pairs. Priors may
        share theirs with any signal.
    """
    problems = [
        f"{path} ({role}): the same content as {other} ({former}), {digest[:19]}..."
        for (former, first), (role, second) in combinations(listings.items(), 2)
        if not may_share(former, role)
        for digest, path in _by_digest(second).items()
        if (other := _by_digest(first).get(digest)) is not None
    ]
    if problems:
        raise InputError(
            "\n".join(
                [*problems, "Expected different events in each sample: correct `files` of one of the two"]
            )
        )


def may_share(*roles: str) -> bool:
    """Whether samples of these roles may hold the same events."""
    groups = {role.partition(".")[0] for role in roles}
    return any(group in _SHARED for group in groups) and groups <= {*_SHARED, "signal", "signals"}


def _by_digest(listing: Listing) -> dict[str, str]:
    """The files with events, by digest."""
    return {file.digest: path for path, (file, *_) in listing.inputs.items() if file.n_entries}
