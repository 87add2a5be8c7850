"""ROOT files: TTree and RNTuple, the known layouts, and damage."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepcs._core.errors import HepcsError, InputError, MissingDependencyError
from hepcs.config.sources import Branches
from hepcs.jets.kinematics import four_momenta, mass, polar_coordinates
from hepcs.sources import rootio
from hepcs.sources.base import Chunk
from hepcs.sources.root import RootFiles
from hepcs.sources.skipping import list_files


@pytest.fixture(autouse=True)
def _close_files():
    yield
    rootio.close_opened()


def jagged(counts, seed: int = 1) -> ak.Array:
    values = np.random.default_rng(seed).uniform(0.5, 500.0, int(np.sum(counts))).astype(np.float32)
    return ak.unflatten(values, counts)


def collection(
    counts, prefix: str = "Particle_", names=("pt", "eta", "phi"), seed: int = 1
) -> dict[str, ak.Array]:
    return {f"{prefix}{name}": jagged(counts, seed + i) for i, name in enumerate(names)}


def save(
    path: Path, columns: dict, name: str = "Events", kind: str = "ttree", step: int | None = None
) -> str:
    """Write columns, in blocks of `step` entries."""
    n = len(next(iter(columns.values())))
    types = {
        key: str(value.type.content) if isinstance(value, ak.Array) else value.dtype
        for key, value in columns.items()
    }
    with uproot.recreate(path) as file:
        make = file.mktree if kind == "ttree" else file.mkrntuple
        tree = make(name, types)
        for start in range(0, n, step or n or 1):
            tree.extend({key: value[start : start + (step or n)] for key, value in columns.items()})
    return str(path)


def read_all(source: RootFiles) -> ak.Array:
    return ak.concatenate([source.read(chunk) for chunk in source.chunks()])


COUNTS = np.random.default_rng(9).integers(0, 12, 100)


@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
@pytest.mark.parametrize("step", [None, 7])
def test_tree_and_ntuple_give_what_was_written(tmp_path: Path, kind: str, step: int | None) -> None:
    columns = {**collection(COUNTS), "label": (np.arange(100) % 3 == 0).astype(np.int32)}
    source = RootFiles((save(tmp_path / "a.root", columns, kind=kind, step=step),))
    (chunk,) = source.chunks()
    events = source.read(chunk)
    assert str(events.type) == "100 * var * {pt: float64, eta: float64, phi: float64, mass: float64}"
    for name in ("pt", "eta", "phi"):
        assert ak.array_equal(events[name], ak.values_astype(columns[f"Particle_{name}"], np.float64))
    assert not ak.any(events.mass)
    assert source.has_labels
    assert source.read_labels(chunk).tolist() == columns["label"].tolist()
    part = source.read(Chunk(chunk.file, 33, 58))
    assert ak.array_equal(part, events[33:58])
    assert ak.to_packed(part).nbytes == part.nbytes
    assert source.read_labels(Chunk(chunk.file, 33, 58)).tolist() == columns["label"][33:58].tolist()


def test_zero_pt_is_left_out_and_the_rest_passed_on(tmp_path: Path) -> None:
    pt = ak.Array([[0.0, 5.0, np.nan], [], [0.0], [-1.0, np.inf]])
    columns = {f"Particle_{name}": ak.values_astype(pt, np.float32) for name in ("pt", "eta", "phi")}
    source = RootFiles((save(tmp_path / "a.root", columns),))
    events = source.read(source.chunks()[0])
    assert ak.num(events).to_list() == [2, 0, 0, 2]
    np.testing.assert_array_equal(ak.flatten(events.pt).to_numpy(), [5.0, np.nan, -1.0, np.inf])


def test_fixed_length_padded_branches(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree(
            "Events", {f"Particle_{name}": np.dtype(("f4", (4,))) for name in ("pt", "eta", "phi")}
        )
        rows = np.array([[3, 2, 0, 0], [1, 0, 0, 0]], dtype=np.float32)
        tree.extend({f"Particle_{name}": rows for name in ("pt", "eta", "phi")})
    events = read_all(RootFiles((str(tmp_path / "a.root"),)))
    assert events.phi.to_list() == [[3.0, 2.0], [1.0]]


def test_nanoaod_is_weighted_already(tmp_path: Path) -> None:
    columns = collection(COUNTS, "PFCand_", ("pt", "eta", "phi", "mass", "puppiWeight"))
    source = RootFiles((save(tmp_path / "a.root", columns),), layout="nanoaod")
    events = read_all(source)
    for name in ("pt", "eta", "phi", "mass"):
        assert ak.array_equal(events[name], ak.values_astype(columns[f"PFCand_{name}"], np.float64))
    assert source.read_block(source.chunks()[0]).n_weightless == 0


def test_weights_multiply_four_momenta_and_those_of_zero_are_counted(tmp_path: Path) -> None:
    columns = collection([3, 0, 2], "PFCands_", ("pt", "eta", "phi", "mass"))
    columns["PFCands_pt"] = ak.Array([[8.0, 4.0, 0.0], [], [6.0, 2.0]])
    columns["PFCands_puppiWeight"] = ak.Array([[0.25, 0.0, 0.0], [], [1.0, np.nan]])
    columns = {name: ak.values_astype(values, np.float32) for name, values in columns.items()}
    path = save(tmp_path / "a.root", columns)
    named = Branches(pt="PFCands_pt", eta="PFCands_eta", phi="PFCands_phi", weight="PFCands_puppiWeight")
    for source in (RootFiles((path,), layout="pfnano"), RootFiles((path,), branches=(named,))):
        block = source.read_block(source.chunks()[0])
        assert ak.num(block.constituents).to_list() == [1, 0, 2]
        # a weight that is no number is passed on, for the selection to count
        np.testing.assert_array_equal(ak.flatten(block.constituents.pt), [2.0, 6.0, np.nan])
        assert block.constituents.eta[0, 0] == columns["PFCands_eta"][0, 0]
        mass = float(columns["PFCands_mass"][0, 0]) / 4 if source.layout == "pfnano" else 0.0
        assert block.constituents.mass[0, 0] == mass
        assert block.n_weightless == 1  # an empty place is no candidate
        assert block.entry.tolist() == [0, 1, 2]


def test_pfnano_without_weights_is_told_how_to_be_read(tmp_path: Path) -> None:
    columns = collection(COUNTS, "PFCands_", ("pt", "eta", "phi", "mass", "puppiWeightNoLep"))
    path = save(tmp_path / "a.root", columns)
    with pytest.raises(
        InputError,
        match=r"a\.root.*no branch `PFCands_puppiWeight`.*PFCands_puppiWeightNoLep.*with or without one",
    ):
        RootFiles((path,), layout="pfnano").chunks()


def test_delphes_concatenates_tracks_photons_and_neutral_hadrons(tmp_path: Path) -> None:
    counts = {"EFlowTrack": [2, 0, 1], "EFlowPhoton": [1, 0, 3], "EFlowNeutralHadron": [0, 0, 2]}
    columns = {}
    for i, (name, number) in enumerate(counts.items()):
        energy = "PT" if name == "EFlowTrack" else "ET"
        columns |= collection(number, f"{name}.", (energy, "Eta", "Phi"), seed=10 * i)
    source = RootFiles((save(tmp_path / "a.root", columns, name="Delphes"),), layout="delphes")
    events = read_all(source)
    assert ak.num(events).to_list() == [3, 0, 6]
    parts = [columns[f"{n}.{'PT' if n == 'EFlowTrack' else 'ET'}"][2].to_list() for n in counts]
    assert events.pt[2].to_list() == [x for part in parts for x in part]
    assert not source.has_labels


def test_names_of_the_card_replace_the_layout(tmp_path: Path) -> None:
    columns = {
        **collection(COUNTS, "a_", ("p", "e", "f")),
        **collection(COUNTS, "b_", ("p", "e", "f", "m"), seed=20),
        "isSignal": COUNTS % 2 == 0,
    }
    names = (Branches(pt="a_p", eta="a_e", phi="a_f"), Branches(pt="b_p", eta="b_e", phi="b_f", mass="b_m"))
    path = save(tmp_path / "a.root", columns, name="dir/T")
    source = RootFiles((path,), tree="dir/T", branches=names, label="isSignal")
    events = read_all(source)
    assert ak.num(events).to_list() == (2 * COUNTS).tolist()
    assert float(ak.sum(events.mass)) == pytest.approx(float(ak.sum(columns["b_m"])), rel=1e-5)
    assert source.read_labels(source.chunks()[0]).tolist() == (COUNTS % 2 == 0).astype(int).tolist()


def test_the_only_tree_is_taken_and_of_several_none(tmp_path: Path) -> None:
    path = save(tmp_path / "a.root", collection(COUNTS), name="mytree")
    assert len(read_all(RootFiles((path,)))) == 100
    with uproot.update(path) as file:
        file.mktree("other", {"x": "f4"})
    with pytest.raises(InputError, match=r"a\.root.*no tree `Events`.*`tree`.*mytree"):
        RootFiles((path,)).chunks()
    assert len(read_all(RootFiles((path,), tree="mytree"))) == 100
    with pytest.raises(InputError, match=r"no tree `mytre`; it has: mytree, other"):
        RootFiles((path,), tree="mytre").chunks()


def test_a_file_without_trees(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file["h"] = np.histogram([1.0, 2.0])
    with pytest.raises(InputError, match=r"no TTree or RNTuple; it has: h \(TH1D\)"):
        RootFiles((str(tmp_path / "a.root"),)).chunks()


@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
def test_a_missing_branch_names_the_nearest(tmp_path: Path, kind: str) -> None:
    columns = {f"x{i}": np.zeros(2, np.float32) for i in range(40)} | collection([1, 2], "Particles_")
    path = save(tmp_path / "a.root", columns, kind=kind)
    with pytest.raises(
        InputError, match=r"a\.root.*no branch `Particle_pt`; it has: Particles_pt, .* and \d+ more"
    ) as e:
        RootFiles((path,)).chunks()
    assert str(e.value).count(",") < 25
    names = (Branches(pt="Particles_pt", eta="Particles_eta", phi="Particles_phi"),)
    with pytest.raises(InputError, match="no branch `truth`"):
        RootFiles((path,), branches=names, label="truth").chunks()


def test_branches_of_another_shape(tmp_path: Path) -> None:
    columns = collection([1, 2]) | {"flat": np.zeros(2, np.float32), "label": np.array([0.0, 0.5])}
    columns["other"] = jagged([1, 3])
    path = save(tmp_path / "a.root", columns)
    for wrong, message in (
        ("flat", "`flat` holds float32"),
        ("other", "entry 1: `other` has 3 particles where"),
    ):
        source = RootFiles((path,), branches=(Branches(pt="Particle_pt", eta=wrong, phi="Particle_phi"),))
        with pytest.raises(InputError, match=message):
            read_all(source)
    source = RootFiles((path,))
    with pytest.raises(InputError, match=r"a\.root: entry 1: the label is 0\.5"):
        source.read_labels(source.chunks()[0])
    with pytest.raises(InputError, match=r"`other` holds .*one number each"):
        RootFiles((path,), label="other").read_labels(source.chunks()[0])


def test_no_labels(tmp_path: Path) -> None:
    source = RootFiles((save(tmp_path / "a.root", collection(COUNTS)),))
    assert not source.has_labels
    with pytest.raises(InputError, match="no truth labels"):
        source.read_labels(source.chunks()[0])


def test_empty_trees(tmp_path: Path, caplog) -> None:
    empty = save(tmp_path / "empty.root", collection(np.zeros(0, int)))
    full = save(tmp_path / "full.root", collection(COUNTS))
    assert [chunk.file for chunk in RootFiles((empty, full)).chunks()] == [full]
    assert "empty.root" in caplog.text
    with pytest.raises(InputError, match=r"empty\.root: no entries"):
        RootFiles((empty,)).chunks()


def test_an_empty_file_without_branches_among_good_ones(tmp_path: Path) -> None:
    # as skims of NanoAOD leave where no event passed
    with uproot.recreate(tmp_path / "empty.root") as file:
        file.mktree("Events", {"run": "u4"})
    full = save(tmp_path / "full.root", collection(COUNTS) | {"label": np.ones(100, np.int32)})
    empty = str(tmp_path / "empty.root")
    source = RootFiles((empty, full))
    assert [chunk.file for chunk in source.chunks()] == [full]
    assert [(file.n_entries, file.protected) for file in source.input_files()] == [(0, True), (100, True)]
    assert source.has_labels
    for skip in (False, True):
        listing = list_files(source, skip=skip, checksums={})
        assert not listing.skipped
        assert sum(chunk.n_entries for chunk in listing.chunks) == 100


def test_masses_in_some_files_only_are_refused(tmp_path: Path) -> None:
    massive = save(tmp_path / "a.root", collection(COUNTS, names=("pt", "eta", "phi", "mass")))
    massless = save(tmp_path / "b.root", collection(COUNTS))
    for files in ((massive, massless), (massless, massive)):
        with pytest.raises(
            InputError, match=r"a\.root: has masses in `Particle_mass`, and .*b\.root has none"
        ):
            RootFiles(files).chunks()
    names = (Branches(pt="Particle_pt", eta="Particle_eta", phi="Particle_phi"),)
    assert not ak.any(read_all(RootFiles((massive, massless), branches=names)).mass)


def test_units(tmp_path: Path) -> None:
    columns = collection(COUNTS, names=("pt", "eta", "phi", "mass"))
    path = save(tmp_path / "a.root", columns)
    for units, factor in (("MeV", 1e-3), ("GeV", 1.0), ("TeV", 1e3)):
        events = read_all(RootFiles((path,), units=units))
        for name in ("pt", "mass"):
            expected = ak.values_astype(columns[f"Particle_{name}"], np.float64) * factor
            assert ak.array_equal(events[name], expected)
        assert ak.array_equal(events.eta, ak.values_astype(columns["Particle_eta"], np.float64))


def test_a_cycle_that_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    path = save(tmp_path / "a.root", collection(COUNTS[:40]))
    with uproot.update(path) as file:
        tree = file.mktree(
            "Events", {name: str(values.type.content) for name, values in collection([1]).items()}
        )
        tree.extend(collection(COUNTS))
    assert [len(read_all(RootFiles((path,), tree=name))) for name in ("Events;1", "Events;2", "Events")] == [
        40,
        100,
        100,
    ]
    with pytest.raises(InputError, match=r"a\.root: has no cycle 7 of tree `Events`; it has: 1, 2\."):
        RootFiles((path,), tree="Events;7").chunks()


def test_a_label_out_of_range_is_told_as_that(tmp_path: Path) -> None:
    columns = collection([1, 2]) | {"label": np.array([0, 2000], np.int32)}
    source = RootFiles((save(tmp_path / "a.root", columns),))
    with pytest.raises(
        InputError, match=r"entry 1: the label is 2000; expected a number from -128 to 127, 0 for"
    ):
        source.read_labels(source.chunks()[0])


def test_max_events_counts_over_all_files(tmp_path: Path) -> None:
    files = tuple(save(tmp_path / f"{i}.root", collection(COUNTS, seed=i)) for i in range(3))
    assert RootFiles(files, max_events=140).chunks() == (Chunk(files[0], 0, 100), Chunk(files[1], 0, 40))
    assert sum(chunk.n_entries for chunk in RootFiles(files).chunks()) == 300


@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
def test_chunks_are_bounded_in_bytes_and_end_at_blocks(tmp_path: Path, kind: str, monkeypatch) -> None:
    # 60 particles x 3 x 4 bytes: 720 bytes an entry (and 4 to 12 for the offsets)
    path = save(tmp_path / "a.root", collection(np.full(3000, 60)), kind=kind, step=250)
    monkeypatch.setattr("hepcs.sources.root._CHUNK_BYTES", 750 * 520)
    chunks = RootFiles((path,)).chunks()
    assert {chunk.n_entries for chunk in chunks} == {500}
    monkeypatch.setattr("hepcs.sources.root._CHUNK_BYTES", 750 * 100)
    chunks = RootFiles((path,)).chunks()
    assert max(chunk.n_entries for chunk in chunks) <= 104
    assert all(any(chunk.stop == edge for chunk in chunks) for edge in range(250, 3001, 250))
    monkeypatch.setattr("hepcs.sources.root._CHUNK_BYTES", 1)
    assert len(RootFiles((path,), max_events=50).chunks()) == 50


@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str, monkeypatch) -> None:
    counts = np.full(300, 100)
    block = collection(counts)
    monkeypatch.setattr("hepcs.sources.root._CHUNK_BYTES", 400_000)

    def peak(n_blocks: int) -> float:
        columns = {key: ak.concatenate([value] * n_blocks) for key, value in block.items()}
        source = RootFiles((save(tmp_path / f"{n_blocks}.root", columns, kind=kind, step=300),))
        chunks = source.chunks()
        assert len(chunks) == n_blocks
        source.read(chunks[0])
        tracemalloc.start()
        for chunk in chunks:
            source.read(chunk)
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    assert peak(16) < 1.3 * peak(2)


@pytest.fixture(scope="module", params=["ttree", "rntuple"])
def whole(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = {**collection(np.full(300, 30)), "label": np.zeros(300, np.int32)}
    path = tmp_path_factory.mktemp("root") / f"{request.param}.root"
    save(path, columns, kind=request.param, step=100)
    return path


@pytest.mark.parametrize("share", [0, 0.0001, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_file_that_was_cut(whole: Path, tmp_path: Path, share: float) -> None:
    raw = whole.read_bytes()
    (tmp_path / "cut.root").write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(InputError, match=r"cut\.root: (truncated|is empty|is no ROOT file)"):
        RootFiles((str(tmp_path / "cut.root"),)).chunks()


def test_flipped_bits_never_change_a_value(whole: Path, tmp_path: Path) -> None:
    raw = whole.read_bytes()
    expected = read_all(RootFiles((str(whole),)))
    rng = np.random.default_rng(3)
    path = tmp_path / "flipped.root"
    failed = 0
    for position in rng.integers(100, len(raw), 60):
        spoilt = bytearray(raw)
        spoilt[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        try:
            assert ak.array_equal(read_all(RootFiles((str(path),))), expected)
        except HepcsError as error:
            failed += 1
            assert "flipped.root" in str(error)
    assert failed > 30


def test_a_spoilt_basket_is_named_with_its_entries(tmp_path: Path) -> None:
    path = Path(save(tmp_path / "a.root", collection(np.full(300, 30)), step=100))
    with uproot.open(path) as file:
        seek = int(file["Events"]["Particle_eta"].member("fBasketSeek")[1])
    raw = bytearray(path.read_bytes())
    raw[seek + 500] ^= 1
    path.write_bytes(raw)
    source = RootFiles((str(path),))
    assert len(source.read(Chunk(str(path), 0, 100))) == 100
    with pytest.raises(InputError, match=r"a\.root: cannot read entries \[100, 200\) of `Particle_eta`"):
        source.read(Chunk(str(path), 100, 200))


def test_no_root_file_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.root").write_text("this is a text file, longer than any header")
    with pytest.raises(InputError, match=r"a\.root: is no ROOT file"):
        RootFiles((str(tmp_path / "a.root"),)).chunks()
    with pytest.raises(InputError, match=r"gone\.root"):
        RootFiles((str(tmp_path / "gone.root"),)).chunks()


def test_a_chunk_past_the_end(tmp_path: Path) -> None:
    path = save(tmp_path / "a.root", collection(COUNTS))
    with pytest.raises(InputError, match=r"entries \[90, 120\) were asked for and 10 came back"):
        RootFiles((path,)).read(Chunk(path, 90, 120))


def test_a_file_that_was_written_again_is_opened_again(tmp_path: Path) -> None:
    path = save(tmp_path / "a.root", collection(COUNTS))
    assert len(read_all(RootFiles((path,)))) == 100
    save(tmp_path / "b.root", collection(COUNTS[:40]))
    (tmp_path / "b.root").replace(path)
    assert len(read_all(RootFiles((path,)))) == 40


def test_a_colon_in_a_name(tmp_path: Path) -> None:
    path = save(tmp_path / "plain.root", collection(COUNTS))
    strange = tmp_path / "a:b.root"
    Path(path).rename(strange)
    assert len(read_all(RootFiles((str(strange),)))) == 100


def test_xrootd_without_its_package(monkeypatch) -> None:
    def no_package(*args, **kwargs):
        raise ImportError("Install fsspec-xrootd to access xrootd storage system.")

    monkeypatch.setattr(rootio.uproot, "open", no_package)
    with pytest.raises(
        MissingDependencyError, match=r"fsspec-xrootd is needed to read root://.*pip install 'fsspec-xrootd>="
    ):
        RootFiles(("root://host.example//a.root",)).chunks()
    with pytest.raises(MissingDependencyError, match="aiohttp"):
        RootFiles(("https://host.example/a.root",)).chunks()


def test_input_files_of_paths_and_urls(tmp_path: Path) -> None:
    path = save(tmp_path / "a.root", collection(COUNTS))
    url = f"file://{path}"
    local, remote = RootFiles((path, url)).input_files()
    with uproot.open(path) as file:
        uuid = str(file.file.uuid)
    size = Path(path).stat().st_size
    assert (local.n_entries, local.size, local.digest[:7]) == (100, size, "sha256:")
    assert (remote.path, remote.n_entries, remote.size, remote.digest) == (url, 100, size, f"uuid:{uuid}")
    assert ak.array_equal(read_all(RootFiles((path,))), read_all(RootFiles((url,))))


def test_travels_to_another_process(tmp_path: Path) -> None:
    source = RootFiles((save(tmp_path / "a.root", collection(COUNTS)),), max_events=7)
    read_all(source)
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert copy == source
    assert ak.array_equal(read_all(copy), read_all(source))


def test_cms_pfnano(real_data: Path) -> None:
    source = RootFiles((str(real_data / "cms_pfnano.root"),), layout="pfnano")
    events = read_all(source)
    assert len(events) == 10
    with uproot.open(real_data / "cms_pfnano.root") as file:
        tree = file["Events"]
        weight = tree["PFCands_puppiWeight"].array()
        assert ak.num(events).to_list() == ak.sum(weight > 0, axis=1).to_list()
        whole = weight == 1
        expected = ak.values_astype(tree["PFCands_mass"].array()[whole], np.float64)
        kept = whole[weight > 0]
        assert ak.array_equal(events.mass[kept], expected)
        n_all = ak.count(weight, axis=None)
    # most candidates come from pile-up
    (chunk,) = source.chunks()
    assert source.read_block(chunk).n_weightless == n_all - ak.count(events.pt, axis=None) > 0.8 * n_all
    # the mass of a charged pion, GeV
    assert ak.any(abs(events.mass[kept] - 0.1396) < 0.001)


def stored_jets(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """pT and mass of the stored jets before corrections, and of the sums of their candidates, each (jets, 2), GeV.

    The tables give candidates by their place in all candidates of the event, those of weight zero included.
    """
    with uproot.open(path) as file:
        names = ("PFCands_puppiWeight", "FatJet_pt", "FatJet_mass", "FatJet_rawFactor")
        tables = ("FatJetPFCands_jetIdx", "FatJetPFCands_pFCandsIdx")
        events = file["Events"].arrays([*names, *tables])
    source = RootFiles((str(path),), layout="pfnano")
    particles = read_all(source)
    stored, summed = [], []
    for event, ours in zip(events, particles, strict=True):
        kept = ak.to_numpy(event.PFCands_puppiWeight) > 0
        place = np.cumsum(kept) - 1
        fields = [ak.to_numpy(ours[name]) for name in ("pt", "eta", "phi", "mass")]
        for jet in range(len(event.FatJet_pt)):
            members = ak.to_numpy(event.FatJetPFCands_pFCandsIdx[event.FatJetPFCands_jetIdx == jet])
            chosen = place[members[kept[members]]]
            total = four_momenta(*(field[chosen] for field in fields)).sum(axis=0, keepdims=True)
            summed.append([polar_coordinates(total)[0][0], mass(total)[0]])
            raw = 1 - event.FatJet_rawFactor[jet]
            stored.append([event.FatJet_pt[jet] * raw, event.FatJet_mass[jet] * raw])
    return np.array(stored), np.array(summed)


def test_weighted_candidates_of_the_stored_jets_add_up_to_them(real_data: Path) -> None:
    stored, summed = stored_jets(real_data / "cms_pfnano.root")
    assert len(stored) == 24
    difference = summed / stored - 1
    # pT is stored with 10 bits, and the correction that is taken off again with 6: some 1e-3 for each jet.
    assert np.sqrt(np.mean(difference[:, 0] ** 2)) < 1e-3
    assert abs(np.mean(difference[:, 0])) < 5e-4
    assert np.abs(difference[:, 0]).max() < 3e-3
    assert np.abs(difference[:, 1]).max() < 1e-2


def test_cms_nanoaod(real_data: Path) -> None:
    source = RootFiles((str(real_data / "cms_nanoaod_v15.root"),), layout="nanoaod")
    events = read_all(source)
    assert len(events) == 200
    with uproot.open(real_data / "cms_nanoaod_v15.root") as file:
        assert ak.num(events).to_list() == file["Events"]["nPFCand"].array().to_list()
    assert not source.has_labels
    with pytest.raises(InputError, match="no branch `Particle_pt`"):
        RootFiles((str(real_data / "cms_nanoaod_v15.root"),)).chunks()


def test_pythia_files(real_data: Path) -> None:
    source = RootFiles((str(real_data / "pythia_signal_1.root"),), max_events=2000)
    (chunk,) = source.chunks()
    events = source.read(chunk)
    assert len(events) == 2000
    assert source.read_labels(chunk).tolist() == [1] * 2000
    assert float(ak.min(events.pt)) > 0
    # constituents of two jets, the leading one above 1200 GeV
    assert float(ak.min(ak.sum(events.pt, axis=1))) > 1200
