"""Table 1 of Cluster Scanning: the values of a card, and the paper's reasons for its own."""

from __future__ import annotations

from collections.abc import Iterator

from hepcs.config.features import FeatureSection
from hepcs.config.schema import Card
from hepcs.config.searches import Statistic
from hepcs.searches.cluster_scanning.section import ClusterScanning
from hepcs.searches.kinds import Hyperparameter
from hepcs.statistics.robust import expected_false_positives

_CLUSTERERS = {
    "mini_batch": "mini-batch k-means",
    "lloyd": "Lloyd's k-means",
    "gaussian_mixture": "Gaussian mixture",
    "birch": "Birch",
}


def hyperparameters(section: ClusterScanning, card: Card) -> Iterator[Hyperparameter]:
    """The hyperparameters in the order of the paper, with what it does not list after them.

    The motivations are those of the paper's appendix C. They do not depend on the values of the card, but for the
    clusters of background that pass the threshold. The paper has k n_bins (1 - Phi(theta)) there, which leaves out
    that mean and spread of the clusters fluctuate too.
    """
    regions = card.regions
    rows = (
        ("$k$", f"{section.k}", "most clusters whose smallest cluster-bin keeps tens of jets"),
        ("clusterer", _CLUSTERERS[section.clusterer], "simple and fast: calibration repeats it often"),
        ("mini-batch", f"{section.batch_size} jets", "much larger than $k$"),
        ("training region", _window(section.training), "narrow in mass, with high statistics"),
        (
            "evaluation region",
            _window(regions.evaluation),
            "the dijet function describes it, and no bin is poor in events",
        ),
        ("bin width", regions.width_text(), "enough events in each bin"),
        ("outlier fraction $f$", f"{section.outlier_fraction:g}", "most clusters that can hold signal"),
        (
            r"cluster selection threshold $\theta$",
            rf"{section.theta:g} $\sigma$",
            "lets signal through, and few clusters of background: "
            f"{_false_positives(section, card):.2g} a scan if deviations were normal, more as clusters differ in "
            "size",
        ),
        ("test statistic", _statistic(section.statistic), "simple, and made for local excesses"),
        ("default statistic", "0", "the smallest there is, for a scan that selects nothing"),
        ("ensemble size", f"{section.ensemble}", "as large as computing allows"),
        ("jet radius", f"{card.jets.radius:g}", "that of the trigger's jets"),
        *_of_images(card, card.used_features[section.features]),
    )
    for row in rows:
        yield Hyperparameter(*row)


def _false_positives(section: ClusterScanning, card: Card) -> float:
    """Background clusters above the threshold, were deviations normal, standardised as they are."""
    return expected_false_positives(section.k, card.regions.n_bins, section.theta, section.outlier_fraction)


def _of_images(card: Card, feature: FeatureSection) -> Iterator[tuple[str, str, str]]:
    """What turns jets into images, where the clusters are of images."""
    gamma, smearing = getattr(feature, "gamma", None), getattr(feature, "smearing", None)
    if gamma is None or smearing is None:
        yield "features", feature.kind.replace("_", " "), "the paper's own are jet images"
        return
    pixels = card.images.pixels
    yield "image", f"{pixels} x {pixels} pixels", "substructure of a boosted jet"
    yield r"pixel scaling $\gamma$", f"{gamma:g}", "soft constituents count"
    yield r"smearing $\sigma_k$", f"{smearing:g} pixel" + ("" if smearing == 1 else "s"), "images are sparse"


def _window(window: tuple[float, float]) -> str:
    return f"[{window[0] / 1000:g}, {window[1] / 1000:g}) TeV"


def _statistic(statistic: Statistic) -> str:
    return "maximum local significance" if statistic.kind == "maximum_local_significance" else "BumpHunter"
