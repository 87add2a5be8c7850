"""From a source to dijets on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_events import toy_events, write_mixture, write_toys

from hepcs._core.errors import InputError
from hepcs._core.progress import Mapper, serial_mapper, silent
from hepcs.config.preparation import Jets
from hepcs.config.sources import RootSource
from hepcs.features.ingest import Ingested, ingest, read_dijets, read_truth
from hepcs.features.repeated_events import read_event_ids
from hepcs.sources.opening import open_files
from hepcs.sources.skipping import list_files
from hepcs.sources.writing import RootWriter


def take_in(
    path: Path | Sequence[Path],
    cache: Path,
    *,
    skip: bool = False,
    max_lost: float = 0.5,
    mapper: Mapper = serial_mapper,
    drop: bool = False,
    **jets: object,
) -> Ingested:
    paths = [path] if isinstance(path, Path) else list(path)
    section = RootSource(kind="root", files=tuple(str(path) for path in paths))
    return ingest(
        list_files(open_files(section, [paths[0].parent]), skip=skip, checksums={}),
        {"kind": "root"},
        name="toy",
        labelled=True,
        jets=Jets(**jets),  # type: ignore[arg-type]
        window=(3000.0, 4600.0),
        cache=cache,
        mapper=mapper,
        progress=silent,
        skip_bad_files=skip,
        max_lost=max_lost,
        drop_repeated=drop,
    )


def test_dijets_are_kept_with_their_constituents(tmp_path: Path) -> None:
    found = take_in(write_toys(tmp_path / "toys.root", 800, 1), tmp_path)
    dijets = read_dijets(found.files[0])
    assert len(dijets.m_jj) == found.cutflow.counts[-1] > 400
    assert ((dijets.m_jj >= 3000) & (dijets.m_jj < 4600)).all()
    assert len(dijets.constituents) == 2 * len(dijets.m_jj)
    # Massless constituents of back-to-back jets: the scalar sum of pT is close to m_jj.
    total = ak.to_numpy(ak.sum(dijets.constituents.pt, axis=1)).reshape(-1, 2).sum(axis=1)
    np.testing.assert_allclose(total, dijets.m_jj, rtol=0.1)


def test_a_second_time_nothing_is_done(tmp_path: Path) -> None:
    path = write_toys(tmp_path / "toys.root", 300, 1)
    first, second = take_in(path, tmp_path), take_in(path, tmp_path)
    assert (first.reused, second.reused) == (False, True)
    assert first.cutflow == second.cutflow


def test_the_key_follows_content_not_name(tmp_path: Path) -> None:
    path = write_toys(tmp_path / "toys.root", 300, 1)
    first = take_in(path, tmp_path)
    moved = path.rename(tmp_path / "moved.root")
    assert take_in(moved, tmp_path).reused
    assert take_in(moved, tmp_path, leading_pt_min=1500.0).key != first.key
    assert take_in(write_toys(tmp_path / "other.root", 300, 2), tmp_path).key != first.key


def test_an_interrupted_ingest_goes_on(tmp_path: Path) -> None:
    path = write_toys(tmp_path / "toys.root", 300, 1)
    first = take_in(path, tmp_path)
    content = first.files[0].read_bytes()
    first.files[0].unlink()
    again = take_in(path, tmp_path)
    assert not again.reused
    assert len(again.files[0].read_bytes()) == len(content)


def test_labels_go_to_files_of_their_own_in_the_order_of_the_events(tmp_path: Path) -> None:
    found = take_in(write_mixture(tmp_path / "mixture.root", 600, 200, 1), tmp_path)
    truth = read_truth(found)
    m_jj = np.concatenate([read_dijets(file).m_jj for file in found.files])
    assert truth.inside.shape == m_jj.shape
    assert len(truth.selected) == found.cutflow.counts[-2]
    signal = m_jj[truth.inside == 1]
    # The toy signal lies at 3500 GeV with a width of 50 GeV.
    assert len(signal) > 150
    assert np.abs(signal - 3500).max() < 600
    with np.load(found.files[0]) as arrays:
        assert "inside" not in arrays
        assert "labels" not in arrays


def test_unusable_events_are_counted_and_listed(tmp_path: Path) -> None:
    events = toy_events(100, np.random.default_rng(1))
    pt = ak.to_numpy(ak.flatten(events.pt)).copy()
    per_event = len(pt) // 100
    pt[3 * per_event] = np.nan
    pt[7 * per_event + 2] = -1.0
    broken = ak.with_field(events, ak.unflatten(ak.Array(pt), ak.num(events.pt)), "pt")
    with RootWriter(tmp_path / "broken.root") as writer:
        writer.write(broken, np.zeros(100))
    found = take_in(tmp_path / "broken.root", tmp_path)
    assert found.cutflow.counts[:2] == (100, 98)
    assert sum(found.sizes) == found.cutflow.counts[-1]
    assert [rejection.entry for rejection in found.rejections] == [3, 7]
    assert all("broken.root" in rejection.file for rejection in found.rejections)


def test_nothing_passes(tmp_path: Path) -> None:
    path = write_toys(tmp_path / "toys.root", 50, 1)
    with pytest.raises(InputError, match=r"no event passes the selection(.|\n)*leading jet pT > 90000 GeV"):
        take_in(path, tmp_path, leading_pt_min=90000.0)


def test_one_more_file_is_work_for_that_file_alone(tmp_path: Path) -> None:
    first, second = (write_toys(tmp_path / f"{seed}.root", 300, seed) for seed in (1, 2))
    take_in(first, tmp_path)
    asked: list[str] = []

    def mapper(function, items, ordered=True):  # type: ignore[no-untyped-def]
        asked.extend(chunk.file for chunk, _ in items)
        return serial_mapper(function, items, ordered=ordered)

    both = take_in((first, second), tmp_path, mapper=mapper)
    assert asked == [str(second)]
    assert both.cutflow.counts[0] == 600
    assert both.key != take_in((second, first), tmp_path).key


def test_the_same_events_under_two_names_are_refused(tmp_path: Path) -> None:
    path = write_toys(tmp_path / "toys.root", 300, 1)
    copy = tmp_path / "copy.root"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"copy\.root: the same content as .*toys\.root.*count twice"):
        take_in((path, copy), tmp_path)


def spoil_baskets(path: Path) -> Path:
    """Zeros in the middle of the compressed data: the file opens, and its events cannot be read."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    return path


def test_files_that_cannot_be_read_are_skipped_as_a_whole_and_listed(tmp_path: Path) -> None:
    good = [write_toys(tmp_path / f"{seed}.root", 300, seed) for seed in (1, 2)]
    cut = write_toys(tmp_path / "cut.root", 300, 3)
    cut.write_bytes(cut.read_bytes()[:-5000])
    empty = tmp_path / "empty.root"
    empty.touch()
    damaged = spoil_baskets(write_toys(tmp_path / "damaged.root", 300, 4))
    found = take_in((good[0], cut, empty, damaged, good[1]), tmp_path, skip=True, max_lost=0.7)
    assert {Path(one.path).name: one.n_entries for one in found.skipped} == {
        "cut.root": None,
        "empty.root": None,
        "damaged.root": 300,
    }
    assert all(Path(one.path).name in one.reason for one in found.skipped)
    # What is left is what the good files alone give.
    alone = take_in(good, tmp_path)
    assert (found.key, found.files, found.cutflow, found.inputs) == (
        alone.key,
        alone.files,
        alone.cutflow,
        alone.inputs,
    )
    for wanted in (cut, empty, damaged):
        with pytest.raises(InputError, match=wanted.name):
            take_in((*good, wanted), tmp_path)
    # Three of five files, the two of unknown size taken for a mean one.
    with pytest.raises(InputError, match=r"3 of 5 files cannot be read, with 60\.0% of the events.*50\.0%"):
        take_in((*good, cut, empty, damaged), tmp_path, skip=True)


def test_no_file_can_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty.root"
    empty.touch()
    with pytest.raises(InputError, match=r"none of the files can be read:\n.*empty\.root"):
        take_in(empty, tmp_path, skip=True, max_lost=0.99)
    damaged = spoil_baskets(write_toys(tmp_path / "damaged.root", 300, 4))
    with pytest.raises(InputError, match=r"1 of 1 files cannot be read"):
        take_in(damaged, tmp_path, skip=True, max_lost=0.99)


def test_the_list_of_rejections_is_bounded_over_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hepcs.features.ingest.MAX_LISTED_REJECTIONS", 5)
    paths = []
    for seed in (1, 2):
        events = toy_events(40, np.random.default_rng(seed))
        paths.append(tmp_path / f"{seed}.root")
        with RootWriter(paths[-1]) as writer:
            writer.write(ak.concatenate([events, events[:4][:, :0]]), np.zeros(44))
    found = take_in(paths, tmp_path)
    assert found.cutflow.counts[:2] == (88, 80)
    assert [(Path(one.file).name, one.entry) for one in found.rejections] == [
        *(("1.root", entry) for entry in range(40, 44)),
        ("2.root", 40),
    ]


def test_one_file_of_two_in_mev_ends_the_run_with_the_reason(tmp_path: Path) -> None:
    events = toy_events(200, np.random.default_rng(1))
    for name, factor in (("gev", 1.0), ("mev", 1000.0)):
        with RootWriter(tmp_path / f"{name}.root") as writer:
            writer.write(ak.with_field(events, events.pt * factor, "pt"), np.zeros(200))
    files = [tmp_path / "gev.root", tmp_path / "mev.root"]
    with pytest.raises(InputError) as caught:
        take_in(files, tmp_path, max_lost=0.05)
    text = str(caught.value)
    assert "toy: 200 of 400 events are unusable (50.0%), and max_lost allows 5.0%" in text
    assert "energy above: 200 of 200 that are listed, in" in text
    assert "mev.root: entry 0" in text
    assert "units: MeV" in text
    assert take_in(files, tmp_path, max_lost=0.5).cutflow.counts[:2] == (400, 200)


def test_a_few_unusable_events_are_allowed_whatever_files_may_be_lost(tmp_path: Path) -> None:
    events = toy_events(100, np.random.default_rng(1))
    for n_bad in (5, 6):
        bad = ak.with_field(events, ak.where(np.arange(100) < n_bad, -events.pt, events.pt), "pt")
        with RootWriter(tmp_path / f"{n_bad}.root") as writer:
            writer.write(bad, np.zeros(100))
    assert take_in(tmp_path / "5.root", tmp_path, max_lost=0.0).cutflow.counts[:2] == (100, 95)
    with pytest.raises(InputError, match=r"toy: 6 of 100 events are unusable"):
        take_in(tmp_path / "6.root", tmp_path, max_lost=0.0)


def test_events_that_come_twice_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first, second = toy_events(200, rng), toy_events(200, rng)
    parts = {
        "a": first,
        "b": second,
        "merged": ak.concatenate([first, second]),
        "twice": ak.concatenate([first] * 2),
    }
    for name, events in parts.items():
        with RootWriter(tmp_path / f"{name}.root") as writer:
            writer.write(events, np.zeros(len(events)))
    n_first = take_in(tmp_path / "a.root", tmp_path).cutflow.counts[-1]
    for names in (["merged", "a"], ["twice"]):
        with pytest.raises(InputError, match=rf"toy: {n_first} of \d+ dijets come more than once"):
            take_in([tmp_path / f"{name}.root" for name in names], tmp_path)
    assert take_in([tmp_path / "a.root", tmp_path / "b.root"], tmp_path).repeated == ()
    dropped = take_in(tmp_path / "twice.root", tmp_path, drop=True)
    assert dropped.repeated == tuple(range(n_first, 2 * n_first))


def test_the_selection_of_recorded_events_and_weights_reach_the_cutflow(tmp_path: Path) -> None:
    import uproot

    events = toy_events(200, np.random.default_rng(1))
    weight = ak.where(ak.local_index(events.pt) % 7 == 3, 0.0, 1.0)
    columns = {f"p_{name}": ak.values_astype(events[name], np.float32) for name in ("pt", "eta", "phi")}
    columns["p_weight"] = ak.values_astype(weight, np.float32)
    with uproot.recreate(tmp_path / "a.root") as file:
        types = {name: str(values.type.content) for name, values in columns.items()}
        recorded = dict.fromkeys(("run", "luminosityBlock", "event"), np.arange(200) + 2)
        types |= dict.fromkeys(recorded, "int64") | {"HLT_x": "bool"}
        file.mktree("Events", types).extend(columns | recorded | {"HLT_x": np.arange(200) % 2 == 0})
    section = RootSource(
        kind="root",
        files="a.root",
        branches={name: f"p_{name}" for name in ("pt", "eta", "phi", "weight")},
        triggers="HLT_x",
    )
    listing = list_files(open_files(section, [tmp_path]), skip=False, checksums={})
    settings = {"jets": Jets(leading_pt_min=100.0), "window": (1000.0, 9000.0), "cache": tmp_path}
    found = ingest(
        listing, {}, name="data", labelled=False, mapper=serial_mapper, progress=silent, **settings
    )
    assert found.cutflow.names[:3] == ("entries read", "trigger: HLT_x", "readable constituents")
    assert found.cutflow.counts[:3] == (200, 100, 100)
    assert found.n_weightless == int(ak.sum(weight == 0)) > 0
    ids = read_event_ids(found.files)
    assert ids is not None
    assert set(ids[:, 2] % 2) == {0}  # of those that fired
    assert len(ids) == found.sizes[0] > 10
    assert read_event_ids(take_in(write_toys(tmp_path / "toys.root", 300, 1), tmp_path).files) is None
