"""Files of event objects: read in chunks, and refused for what no event can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from toy_objects import events, file_of

from hepcs._core.errors import InputError
from hepcs.config.event_objects import ObjectFiles
from hepcs.sources.event_objects import chunks_of, read_objects, write_objects


def section(*files: Path, **keys: Any) -> ObjectFiles:
    return ObjectFiles(kind="adc2021", files=tuple(map(str, files)), **keys)


def test_events_come_as_they_were_written_in_chunks_of_any_size(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.h5", 50)
    np.testing.assert_array_equal(np.concatenate(list(chunks_of(path, size=7))), events(50))
    other = file_of(tmp_path / "b.h5", 20, 2)
    both = read_objects(section(tmp_path / "*.h5"))
    np.testing.assert_array_equal(both, np.concatenate([events(50), events(20, 2)]))
    np.testing.assert_array_equal(read_objects(section(path, other, max_events=60)), both[:60])


def test_units_are_those_of_the_card(tmp_path: Path) -> None:
    wanted = events(30)
    scaled = wanted * np.array([1e3, 1, 1, 1], dtype=np.float32)
    write_objects(tmp_path / "mev.h5", scaled)
    np.testing.assert_allclose(read_objects(section(tmp_path / "mev.h5", units="MeV")), wanted, rtol=1e-6)
    with pytest.raises(InputError, match="no energies of the LHC in GeV; check `units`"):
        read_objects(section(tmp_path / "mev.h5"))
    with pytest.raises(InputError, match="no energies of the LHC in MeV; check `units`"):
        read_objects(section(file_of(tmp_path / "gev.h5", 30), units="MeV"))


# Row, column, value, and what is said.
BAD = {
    "nan": (3, 1, np.nan, "row 3: expected finite numbers"),
    "no missing energy": (0, 3, 0, r"expected the id 1 \(missing transverse energy\)"),
    "id of another kind": (2, 3, 4, r"row 2: expected the id 2 \(electron\) or 0"),
    "soft jet": (9, 0, 9, "expected a pT of at least 15 GeV of each jet"),
    "muon beyond": (5, 1, 2.5, r"expected \|eta\| up to 2.1 of each muon"),
    "angle": (9, 2, 3.3, "expected phi between -pi and pi"),
    "behind the end": (18, 0, 20, "row 18: expected zeros where there is no object"),
    "no trigger": (1, 0, 20, "expected a lepton above 23 GeV"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_event_can_be_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    row, column, value, text = BAD[name]
    several = events(10)
    several[4] = 0
    several[4, 0] = 30, 0, 1, 1
    several[4, 1:3] = [(40, 1, 1, 2), (10, 1, 2, 2)]
    several[4, 5] = 15, 1, 1, 3
    several[4, 9:11] = [(50, 1, 1, 4), (20, 1, 2, 4)]
    several[4, row, column] = value
    write_objects(tmp_path / "bad.h5", several)
    with pytest.raises(InputError, match=text) as error:
        read_objects(section(tmp_path / "bad.h5"))
    assert "bad.h5: `Particles`: event 4" in str(error.value)
    assert "1 of 10 events" in str(error.value)


def test_a_gap_is_refused(tmp_path: Path) -> None:
    several = events(3)
    several[1, 9:19] = 0
    several[1, 10] = 20, 1, 1, 4
    write_objects(tmp_path / "bad.h5", several)
    with pytest.raises(InputError, match="event 1, row 10: expected no jet behind an empty row"):
        read_objects(section(tmp_path / "bad.h5"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file `nothing.h5`"):
        read_objects(section(Path("nothing.h5")))
    path = tmp_path / "other.h5"
    for name, data, text in (
        ("df", np.zeros((3, 19, 4)), r"no dataset `Particles`, found \['df'\]"),
        (
            "Particles",
            np.zeros((3, 18, 4)),
            r"of shape \(3, 18, 4\) and type float64, expected floats of shape",
        ),
        ("Particles", np.zeros((3, 19, 4), dtype=int), "type int64"),
        ("Particles", np.zeros((0, 19, 4)), "holds no event"),
    ):
        with h5py.File(path, "w") as file:
            file[name] = data
        with pytest.raises(InputError, match=text):
            read_objects(section(path))
    path.write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="cannot be read"):
        read_objects(section(path))
