"""Bins of different widths on the card."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hepcs._core.errors import CardError
from hepcs.config import read_card
from hepcs.config.binnings import BINNINGS
from hepcs.config.preparation import Regions
from hepcs.datasets.loading import mass_bins

CARD = """
name: bins
samples: {{labelled: {{kind: lhco, files: events.h5}}}}
regions: {regions}
searches: {{fit_3: {{kind: dijet_fit, parameters: 3}}}}
"""


def card(folder: Path, regions: str, name: str = "bins.yaml"):  # type: ignore[no-untyped-def]
    path = folder / name
    path.write_text(CARD.format(regions=regions), encoding="utf-8")
    return read_card(path)


def test_the_binning_of_cms_follows_its_resolution() -> None:
    edges = BINNINGS["cms_dijet"]
    assert (len(edges), edges[0], edges[-1]) == (104, 1, 14000)
    widths = [high - low for low, high in pairwise(edges)]
    relative = [width / low for width, low in zip(widths, edges, strict=False)]
    # Wider and wider, but for the last one, which ends at 14 TeV; relative to the mass as wide as its resolution.
    assert all(later >= earlier for earlier, later in pairwise(widths[:-1]))
    assert all(0.03 < one < 0.062 for low, one in zip(edges, relative, strict=False) if 1000 <= low < 13000)


def test_a_binning_by_name_is_taken_inside_the_evaluation_region(tmp_path: Path) -> None:
    located = card(tmp_path, "{bins: cms_dijet, evaluation: [2438, 6328]}")
    regions, bins = located.card.regions, mass_bins(located)
    assert (regions.n_bins, bins.n_bins, bins.low, bins.high) == (24, 24, 2438, 6328)
    assert list(bins.edges[:3]) == [2438, 2546, 2659]
    assert regions.width_text() == "108 to 229 GeV"
    assert regions.width_text(2) == "221 to 451 GeV"
    # Without a region, that of the published analysis as far as whole bins fill it.
    assert card(tmp_path, "{bins: cms_dijet}").card.regions.evaluation == (3019, 4509)


def test_edges_make_the_evaluation_region(tmp_path: Path) -> None:
    located = card(tmp_path, "{bins: [3000, 3100, 3250, 3450, 3700, 4000]}")
    assert located.card.regions.evaluation == (3000, 4000)
    assert mass_bins(located).widths is not None
    # Equal ones are bins of one width, and fits those of counts per bin.
    equal = card(tmp_path, "{bins: [3000, 3100, 3200, 3300, 3400]}")
    assert mass_bins(equal) == mass_bins(card(tmp_path, "{evaluation: [3000, 3400]}", "uniform.yaml"))


def test_a_resolved_section_is_the_same_when_read_again() -> None:
    for keys in ({"bins": "cms_dijet"}, {"bins": [3000.0, 3100.0, 3300.0, 3600.0]}, {}):
        regions = Regions.model_validate(keys)
        assert Regions.model_validate(regions.model_dump(mode="json")) == regions


def test_searches_are_told_of_the_number_of_bins(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"bins.yaml:5.*3 parameters need more than the 2 bins"):
        card(tmp_path, "{bins: [3000, 3100, 3300]}")


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ("{bins: cms_dijet, evaluation: [3000, 4509]}", "no edge of cms_dijet; the nearest are 2895 and 3019"),
        ("{bins: cms_dijet, evaluation: [3019, 3147]}", "fewer than two bins"),
        ("{bins: [3000, 3200, 3100]}", "expected rising edges"),
        ("{bins: [3000, 3100, 3300], evaluation: [3000, 3400]}", "expected [3000, 3300), from the first edge"),
        ("{bins: cms_dijet, bin_width: 50}", "remove one of the two"),
        ("{bins: cms}", "cms_dijet"),
        ("{bins: [3000, 3100, 14000]}", "ends above sqrt_s"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(tmp_path: Path, regions: str, said: str) -> None:
    with pytest.raises(CardError) as caught:
        card(tmp_path, regions)
    assert said in str(caught.value)
    assert "bins.yaml:4" in str(caught.value)
