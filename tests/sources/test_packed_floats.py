"""Float16_t and Double32_t as ROOT packs them."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from real_root import run_root

from hepcs.config.sources import RootSource
from hepcs.sources.opening import open_files
from hepcs.sources.packed_floats import PackedFloats, _number
from hepcs.sources.root import RootFiles

# Each packing, and how far a number of up to 2000 may be from the one that was stored.
PACKINGS = {"/f": 0.2, "/f[0,0,10]": 1.0, "/f[-2000,2000]": 1e-4, "/f[-2000,2000,16]": 0.1}
PACKINGS |= {"/d": 1e-4, "/d[0,0,10]": 1.0, "/d[-2000,2000]": 1e-4, "/d[-2000,2000,20]": 5e-3}
WRITE = """
import sys, ROOT
ROOT.gInterpreter.Declare('''
#include <vector>
struct Packed { int n; Float16_t f[9]; Double32_t d[9]; Float_t eta[9]; std::vector<Double32_t> v; } packed;
void fill(TTree& tree) {
  for (int e = 0; e < 3; e++) {
    packed.n = 3 * e; packed.v.clear();
    for (int i = 0; i < packed.n; i++) {
      packed.d[i] = packed.f[i] = 1999.0 / (1 + i + e) - 150;
      packed.eta[i] = 0.25 * i;
      packed.v.push_back(packed.d[i]);
    }
    tree.Fill();
  }
}
void book(TTree& tree, std::vector<std::string> packings) {
  tree.Branch("n", &packed.n, "n/I"); tree.Branch("eta", packed.eta, "eta[n]/F"); tree.Branch("vector", &packed.v);
  for (size_t i = 0; i < packings.size(); i++) {
    auto name = "p" + std::to_string(i);
    void* place = packings[i][1] == 'f' ? (void*)packed.f : (void*)packed.d;
    tree.Branch(name.c_str(), place, (name + "[n]" + packings[i]).c_str());
  }
}
''')
file = ROOT.TFile(sys.argv[1], "RECREATE")
tree = ROOT.TTree("Events", "")
ROOT.book(tree, sys.argv[2:])
ROOT.fill(tree)
tree.Write()
file.Close()
"""


def test_what_root_packs_is_read_as_the_numbers_that_it_means(tmp_path: Path) -> None:
    path = tmp_path / "packed.root"
    run_root(WRITE, str(path), *PACKINGS)
    expected = [[1999.0 / (1 + i + e) - 150 for i in range(3 * e)] for e in range(3)]
    errors = {f"p{i}": error for i, error in enumerate(PACKINGS.values())} | {"vector": 1e-4}
    for name, error in errors.items():
        branches = {"pt": name, "eta": "eta", "phi": "p4" if name == "p5" else "p5"}
        section = RootSource.model_validate({"kind": "root", "files": [str(path)], "branches": branches})
        source = open_files(section, [tmp_path])
        assert isinstance(source, RootFiles)
        found = source.read(source.chunks()[0])
        assert ak.num(found).to_list() == [0, 3, 6], name
        np.testing.assert_allclose(ak.flatten(found.pt), np.concatenate(expected), atol=error, err_msg=name)


def test_numbers_by_exponent_mantissa_and_sign() -> None:
    """1.5 is 2^0 (1 + 1/2): the highest bit of the mantissa; the sign is the bit above the mantissa's thirteen."""
    packed = PackedFloats(0.0, 0.0, 12)
    stored = np.array(
        [(127, 1 << 11), (128, 1 << 11 | 1 << 13), (0, 0)], dtype=packed.dtype.newbyteorder("=")
    )
    counts = [2, 0, 1]
    found = packed.unpack(ak.unflatten(ak.Array(stored), counts))
    assert found.to_list() == [[1.5, -3.0], [], [0.0]]


def test_numbers_in_a_range() -> None:
    packed = PackedFloats(-5.0, 5.0, 20)
    assert packed.unpack(np.array([0, 1 << 19, 1 << 18], dtype=packed.dtype)).tolist() == [-5.0, 0.0, -2.5]


@pytest.mark.parametrize(
    ("text", "value"),
    [("-5", -5.0), ("1e3", 1000.0), ("pi", np.pi), ("-pi/2", -np.pi / 2), ("twopi", 2 * np.pi)],
)
def test_bounds_of_a_range(text: str, value: float) -> None:
    assert _number(text) == pytest.approx(value)
