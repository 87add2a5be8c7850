"""The same events in two samples, and recorded events by their numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepcs._core.errors import InputError
from hepcs.features.repeated_events import refuse_repeated, refuse_shared, repeated_rows


def dijets(
    path: Path, events: np.ndarray, ids: np.ndarray | None = None, shift: float = 0.0
) -> tuple[Path, ...]:
    """The events of these numbers, as ingestion leaves them, in two files."""
    folder, files = path, []
    folder.mkdir()
    for part, chosen in enumerate(np.array_split(np.arange(len(events)), 2)):
        numbers = events[chosen].astype(float)
        columns = {"m_jj": 3000 + numbers + shift, "mass": np.stack([numbers, 2 * numbers], axis=1)}
        if ids is not None:
            columns["event_id"] = ids[chosen]
        files.append(folder / f"{part}.npz")
        np.savez(files[-1], **columns)
    return tuple(files)


def recorded(numbers: np.ndarray) -> np.ndarray:
    return np.stack([np.full(len(numbers), 278820), numbers // 10, numbers], axis=1)


def test_rows_that_came_before_are_found_over_all_files(tmp_path: Path) -> None:
    assert repeated_rows(dijets(tmp_path / "once", np.arange(6))) == ()
    assert repeated_rows(dijets(tmp_path / "twice", np.array([4, 5, 4, 6, 5, 7]))) == (2, 4)
    with pytest.raises(InputError, match=r"data: 2 of 6 dijets come more than once.*on_repeated: drop"):
        refuse_repeated("data", (2, 4), 6)
    refuse_repeated("data", (), 6)


def test_an_event_that_was_reconstructed_again_is_the_same_by_its_numbers(tmp_path: Path) -> None:
    events = np.arange(6)
    ids = recorded(np.array([0, 1, 2, 3, 1, 2]))
    assert repeated_rows(dijets(tmp_path / "data", events, ids)) == (4, 5)
    # The same number in another section is another event.
    ids[4:, 1] += 1
    assert repeated_rows(dijets(tmp_path / "other", events, ids)) == ()


def test_samples_that_share_events_are_named_all_at_once(tmp_path: Path) -> None:
    files = {
        "data": dijets(tmp_path / "data", np.arange(10)),
        "background": dijets(tmp_path / "background", np.arange(7, 40)),
        "signal": dijets(tmp_path / "signal", np.arange(39, 50)),
        "priors.x": dijets(tmp_path / "prior", np.arange(45, 60)),
    }
    with pytest.raises(InputError) as caught:
        refuse_shared(files)
    lines = str(caught.value).splitlines()
    assert lines[0] == "data and background share 3 of their 10 and 33 dijets"
    assert lines[1] == "background and signal share 1 of their 33 and 11 dijets"
    assert "correct `files`" in lines[2]
    assert len(lines) == 3  # a prior may well be the signal that is injected
    refuse_shared({role: files[role] for role in ("data", "signal", "priors.x")})


def test_recorded_events_are_shared_whatever_their_masses(tmp_path: Path) -> None:
    numbers = np.arange(10)
    data = dijets(tmp_path / "data", numbers, recorded(numbers))
    again = dijets(tmp_path / "again", numbers, recorded(numbers + 8), shift=0.5)
    simulated = dijets(tmp_path / "simulated", numbers, shift=0.25)
    with pytest.raises(InputError, match="data and background share 2 of"):
        refuse_shared({"data": data, "background": again})
    refuse_shared({"data": data, "background": simulated})
