"""Features are made once, by any maker, and kept by content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import awkward as ak
import numpy as np
import pytest
from toy_files import toy_files

from hepcs._core.errors import ComputationError, InputError
from hepcs._core.progress import Mapper, serial_mapper, silent
from hepcs.features.image_files import filled_jets
from hepcs.features.making import (
    EventBlock,
    Maker,
    PreparedFeature,
    SampleFiles,
    Untrained,
    prepare_feature,
    train,
)


@dataclass(frozen=True)
class Sums:
    """Of each jet: the sum of pT and the number of constituents; NaN for jets without image."""

    scale: float = 1.0

    per: ClassVar[Literal["jet"]] = "jet"
    columns: ClassVar[tuple[str, ...]] = ("sum_pt", "n")
    about: ClassVar[Mapping[str, Any]] = {}
    base: ClassVar[None] = None

    @property
    def key(self) -> Mapping[str, Any]:
        return {"scale": self.scale}

    def make(self, block: EventBlock) -> np.ndarray:
        total = ak.to_numpy(ak.sum(block.constituents.pt, axis=1)) * self.scale
        total = np.where(filled_jets(block.images), total, np.nan)
        return np.stack([total, ak.to_numpy(ak.num(block.constituents))], axis=1).reshape(-1, 2, 2)


@dataclass(frozen=True)
class Difference:
    """Of each event: the difference of both sums, over m_jj."""

    base: Sums = field(default_factory=Sums)

    per: ClassVar[Literal["event"]] = "event"
    columns: ClassVar[tuple[str, ...]] = ("difference",)
    about: ClassVar[Mapping[str, Any]] = {}
    key: ClassVar[Mapping[str, Any]] = {}

    def make(self, block: EventBlock) -> np.ndarray:
        assert block.base.shape == (len(block), 2, 2)
        return (block.base[:, 0, :1] - block.base[:, 1, :1]) / block.m_jj[:, np.newaxis]


def prepared(
    maker: Maker, sample: SampleFiles, cache: Path, mapper: Mapper = serial_mapper
) -> PreparedFeature:
    return prepare_feature(maker, sample, feature="toy", cache=cache, mapper=mapper, progress=silent)


def sums_of(jets: ak.Array) -> np.ndarray:
    return ak.to_numpy(ak.sum(jets.pt, axis=1)).reshape(-1, 2)


def test_features_lie_in_the_order_of_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across files, one of them empty, and blocks that are not full."""
    monkeypatch.setattr("hepcs.features.making.BLOCK", 4)
    sample, jets = toy_files(tmp_path, (7, 0, 5), 1)
    found = prepared(Sums(), sample, tmp_path)
    values = found.values()
    assert (values.shape, values.dtype) == ((12, 2, 2), np.float32)
    np.testing.assert_allclose(values[:, :, 0], sums_of(jets), rtol=1e-6)
    np.testing.assert_array_equal(values[:, :, 1].ravel(), ak.to_numpy(ak.num(jets)))
    assert len(found.lacking) == 0


def test_events_that_lack_a_value_are_named(tmp_path: Path) -> None:
    """The jets 5 and 8, and 16 in the second file, have no image: the events 2, 4 and 8 lack the feature."""
    sample, jets = toy_files(tmp_path, (6, 4), 2, without=(5, 8, 16))
    found = prepared(Sums(), sample, tmp_path)
    assert found.lacking.tolist() == [2, 4, 8]
    assert found.values()[2, :, 1].tolist() == ak.to_numpy(ak.num(jets)[4:6]).tolist(), "the rest is kept"
    assert prepared(Difference(), sample, tmp_path).lacking.tolist() == [2, 4, 8]


def test_a_feature_of_a_feature_is_made_from_the_same_one(tmp_path: Path) -> None:
    sample, jets = toy_files(tmp_path, (7, 5), 1)
    base = prepared(Sums(), sample, tmp_path)
    made: list[str] = []

    def mapper(function: Callable[..., Any], items: Iterable[Any], *, ordered: bool = True) -> Iterator[Any]:
        made.append(type(function.args[0]).__name__)  # type: ignore[attr-defined]
        return map(function, items)

    found = prepared(Difference(), sample, tmp_path, mapper)
    assert made == ["Difference"], "what is there already is not made again"
    expected = np.diff(sums_of(jets)[:, ::-1], axis=1)
    m_jj = np.concatenate([np.load(file)["m_jj"] for file in sample.ingested.files])
    np.testing.assert_allclose(found.values(), expected / m_jj[:, np.newaxis], rtol=1e-4, atol=1e-6)
    assert prepared(Sums(), sample, tmp_path).reused
    assert base.file != found.file


def test_what_was_made_is_shared_and_told_apart_by_all_that_made_it(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (7,), 1)
    other, _ = toy_files(tmp_path, (7,), 2)
    first, again = prepared(Sums(), sample, tmp_path), prepared(Sums(), sample, tmp_path)
    assert (first.reused, again.reused) == (False, True)
    assert first.digest == again.digest
    different = [
        prepared(Sums(2.0), sample, tmp_path),
        prepared(Sums(), other, tmp_path),
        prepared(Difference(Sums()), sample, tmp_path),
        prepared(Difference(Sums(2.0)), sample, tmp_path),
    ]
    assert len({one.file for one in (first, *different)}) == 5
    np.testing.assert_allclose(different[0].values()[:, :, 0], 2 * first.values()[:, :, 0], rtol=1e-6)


def test_a_second_reading_makes_nothing(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (7,), 1)
    first = prepared(Difference(), sample, tmp_path)

    def never(*_: Any, **__: Any) -> Iterator[Any]:
        raise AssertionError("made again")

    assert prepared(Difference(), sample, tmp_path, never).digest == first.digest


@dataclass(frozen=True)
class Wrong(Sums):
    """Makes something else than it says."""

    def make(self, block: EventBlock) -> np.ndarray:
        return super().make(block)[:, 0]


def test_a_maker_that_does_not_keep_its_word_is_named(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (7,), 1)
    with pytest.raises(
        ComputationError, match=r"Wrong made features of shape \(7, 2\), expected \(7, 2, 2\)"
    ):
        prepared(Wrong(), sample, tmp_path)
    assert not list((tmp_path / "features").glob("*")), "nothing half made is left"


@pytest.mark.parametrize("name", ["features.npy", "lacking.npy"])
def test_an_altered_cache_is_refused(tmp_path: Path, name: str) -> None:
    sample, _ = toy_files(tmp_path, (20,), 1, without=(3,))
    file = prepared(Sums(), sample, tmp_path).file.with_name(name)
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: altered since it was written"):
        prepared(Sums(), sample, tmp_path)


def test_two_jobs_at_once_share_what_the_first_made(tmp_path: Path) -> None:
    """The second job makes the same feature while the first is at it; what the second opened stays as it is."""
    sample, _ = toy_files(tmp_path, (20,), 1)
    others: list[PreparedFeature] = []

    def overtaken(
        function: Callable[..., Any], items: Iterable[Any], *, ordered: bool = True
    ) -> Iterator[Any]:
        others.append(prepared(Sums(), sample, tmp_path))
        yield from map(function, items)

    found = prepared(Sums(), sample, tmp_path, overtaken)
    inode = found.file.stat().st_ino
    assert found.file == others[0].file
    np.testing.assert_array_equal(found.values(), others[0].values())
    assert prepared(Sums(), sample, tmp_path).file.stat().st_ino == inode
    assert [path.name for path in (tmp_path / "features").iterdir()] == [found.file.parent.name]


class Mean(Untrained):
    """Learns the mean of the sums in a window."""

    def __init__(self, window: tuple[float, float]) -> None:
        self._window = window

    @property
    def window(self) -> tuple[float, float]:
        return self._window

    @property
    def key(self) -> Mapping[str, Any]:
        return {"window": list(self._window)}

    def sums(self, block: EventBlock) -> np.ndarray:
        total = ak.to_numpy(ak.sum(block.constituents.pt, axis=1))
        return np.array([len(total), total.sum(dtype=np.float64)])

    def solve(self, total: np.ndarray) -> dict[str, np.ndarray]:
        if total[0] < 4:
            raise InputError("two events at least")
        return {"mean": total[1] / total[0]}

    def trained(self, arrays: Mapping[str, np.ndarray], key: str) -> Sums:
        assert len(key) == 64
        return Sums(float(arrays["mean"]))


def trained(window: tuple[float, float], sample: SampleFiles, cache: Path) -> Maker:
    return train(
        Mean(window), sample, where="card.yaml:7: w", cache=cache, mapper=serial_mapper, progress=silent
    )


def test_training_sees_all_events_of_its_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepcs.features.making.BLOCK", 3)
    sample, jets = toy_files(tmp_path, (20, 0, 15), 1)
    m_jj = np.concatenate([np.load(file)["m_jj"] for file in sample.ingested.files])
    low, high = sorted(m_jj)[4], sorted(m_jj)[30]
    maker = trained((low, high), sample, tmp_path)
    assert isinstance(maker, Sums)
    assert maker.scale == pytest.approx(sums_of(jets)[(m_jj >= low) & (m_jj < high)].mean(), rel=1e-6)


def test_what_was_learned_is_kept(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (20,), 1)
    first = trained((3000.0, 4000.0), sample, tmp_path)
    for file in sample.ingested.files:
        file.unlink()
    assert trained((3000.0, 4000.0), sample, tmp_path) == first
    with pytest.raises(InputError, match="damaged"):
        trained((3000.0, 4100.0), sample, tmp_path)


def test_a_window_that_does_not_tell_is_named(tmp_path: Path) -> None:
    sample, _ = toy_files(tmp_path, (20,), 1)
    m_jj = np.load(sample.ingested.files[0])["m_jj"]
    with pytest.raises(
        InputError, match=r"card.yaml:7: w: no event of toy in the training region \[100, 200\)"
    ):
        trained((100.0, 200.0), sample, tmp_path)
    with pytest.raises(InputError, match=r"card.yaml:7: w: the training region .*: two events at least"):
        trained((m_jj.min(), np.sort(m_jj)[1]), sample, tmp_path)
