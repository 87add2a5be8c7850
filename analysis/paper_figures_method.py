"""Figures of the method: images (1 and 6), one scan (2 to 4, 8 and 9), and the signal in its clusters."""

from __future__ import annotations

from assumption_figures import (
    cluster_enrichment,
    deviation_distribution,
    spectra_minus_total,
)
from paper_figures_stored import MAIN, Drawn, LackingError, Stored

from hepcs import plots
from hepcs._core.errors import ArgumentError
from hepcs.output.reading import StoredRun
from hepcs.results import Observed
from hepcs.results.wording import legend_text
from hepcs.searches.cluster_scanning.enrichment import signal_fraction_improvement
from hepcs.searches.cluster_scanning.restoring import StoredEnsemble, StoredScan
from hepcs.searches.cluster_scanning.spectra_figures import (
    normalised_spectra,
    signal_rich_and_poor,
    standardised_spectra,
)
from hepcs.studies.normality import Normality, normality_tests

# --------------------------------------------------------------------------------------- images (1 and 6)


def images(stored: Stored) -> Drawn:
    """Fig. 1: average images."""
    run = stored.need_run()
    panels = plots.average_panels(run.result.samples)
    if not panels:
        raise LackingError("no average images: no event of the samples is in the evaluation region")
    without = "" if len(panels) == 3 else "without signal, since the run has none"
    return Drawn(plots.average_images(panels, run.card.images.half_width), without)


def sparsity(stored: Stored) -> Drawn:
    """Fig. 6: non-zero pixels of the images."""
    run = stored.need_run()
    filled = [entry for sample in run.result.samples for entry in plots.pixel_counts(sample)]
    if not filled:
        raise LackingError("no counts of non-zero pixels. Run the card again with this version of hepcs")
    return Drawn(plots.nonzero_pixels(filled, run.card.images.pixels))


# ------------------------------------------------------------------------------- one scan (2 to 4, 8 and 9)


def normalised(stored: Stored) -> Drawn:
    """Fig. 2: normalised spectra."""
    run, scan, title = shown_scan(stored)
    return Drawn(normalised_spectra(scan, run.bins, title))


def standardised(stored: Stored) -> Drawn:
    """Fig. 3: standardised spectra."""
    run, scan, title = shown_scan(stored)
    return Drawn(standardised_spectra(scan, run.bins, stored.need_section().theta, title))


def signal_rich(stored: Stored) -> Drawn:
    """Fig. 4: signal-rich against scaled signal-poor spectrum."""
    run, scan, title = shown_scan(stored)
    return Drawn(signal_rich_and_poor(scan, run.bins, title))


def deviations(stored: Stored) -> Drawn:
    """Fig. 8: distribution of the deviations, with three tests of normality."""
    run, scan, title = shown_scan(stored)
    filled = scan.spectra.sum(axis=1) > 0
    try:
        poor = signal_poor_p(scan)
        everything = p_values(normality_tests(scan.deviations[filled]))
        ensemble = [signal_poor_p(member) for member in ensemble_of(stored)[1].scans.values()]
    except ArgumentError as error:
        raise LackingError(f"the deviations cannot be tested for normality: {error}") from error
    figure = deviation_distribution(
        scan, run.bins, signal_poor_p=poor, all_p=everything, ensemble_p=ensemble, title=title
    )
    return Drawn(figure)


def signal_poor_p(scan: StoredScan) -> dict[str, float]:
    """p-values of the tests of normality of the signal-poor clusters of a scan."""
    filled = scan.spectra.sum(axis=1) > 0
    return p_values(normality_tests(scan.deviations[filled], scan.signal_rich[filled]))


def minus_total(stored: Stored) -> Drawn:
    """Fig. 9: normalised minus total spectrum, with plain and robust estimators."""
    run, scan, title = shown_scan(stored)
    return Drawn(spectra_minus_total(scan, run.bins, stored.need_section().outlier_fraction, title))


def enrichment(stored: Stored) -> Drawn:
    """SFI of each cluster (appendix C)."""
    _, scan, title = shown_scan(stored)
    if scan.signal_spectra is None or scan.signal_spectra.sum() == 0:
        raise LackingError(
            "no jets of injected signal are stored of the data set. Inject some by injection.epsilon, and "
            "run again"
        )
    signal = scan.signal_spectra.sum(axis=1)
    sfi = signal_fraction_improvement(signal, scan.spectra.sum(axis=1) - signal)
    return Drawn(cluster_enrichment(sfi, signal, scan.signal_rich, title))


def shown_scan(stored: Stored) -> tuple[StoredRun, StoredScan, str]:
    """The representative scan of the data set that is shown, and what it is."""
    run = stored.need_run()
    observed, ensemble = ensemble_of(stored)
    member = ensemble.representative
    title = f"{run.search(MAIN).title}, {legend_text(run.result, observed.injection)}"
    if len(ensemble.members) > 1:
        title += f"\nscan {member + 1} of {len(ensemble.members)}, its statistic nearest to the ensemble's"
    return run, ensemble.scans[member], title


def ensemble_of(stored: Stored) -> tuple[Observed, StoredEnsemble]:
    """The observed data set that is shown, that with the most signal events unless another is asked for."""
    run = stored.need_run()
    if MAIN not in run.names:
        raise LackingError(f"the run has no search {MAIN}")
    if not run.search(MAIN).observed:
        raise LackingError("the run is blind: it has no observed data set. Open it by --resume")
    most = max((entry.injection for entry in run.search(MAIN).observed), key=lambda one: one.epsilon)
    observed = run.observed(MAIN, most if stored.epsilon is None else stored.epsilon)
    ensemble = observed.observation.result
    if not isinstance(ensemble, StoredEnsemble) or not ensemble.scans:
        raise LackingError(f"no cluster scan of {legend_text(run.result, observed.injection)} is stored")
    return observed, ensemble


def p_values(found: Normality) -> dict[str, float]:
    """p-values of the tests that are defined, by their names."""
    return {test.name: test.p for test in found.tests if test.p is not None}
