"""What the numbers of a report rest on: samples with their cutflow, inputs, card, versions, machine."""

from __future__ import annotations

from collections.abc import Iterator

from hepcs.output.page import Markup, definitions, element, join, preformatted, table
from hepcs.output.summary import results_digest, yaml_text
from hepcs.output.table import NOTHING
from hepcs.results import RunResult, SampleReport

# Rejected events that are listed for each sample.
LISTED = 50


def samples_section(result: RunResult) -> Markup:
    """Cutflow of each sample, and what could not be used of it."""
    return join(*(part for sample in result.samples for part in sample_parts(sample)))


def sample_parts(sample: SampleReport) -> Iterator[Markup]:
    """Cutflow, and what could not be used, of one sample."""
    yield element("h3", sample.role)
    names, counts = sample.cutflow.names, sample.cutflow.counts
    before = (counts[0], *counts) if counts else ()
    rows = [
        (name, f"{count:,}", f"{count / earlier:.1%}" if earlier else NOTHING)
        for name, count, earlier in zip(names, counts, before, strict=False)
    ]
    inside = [
        ("in the evaluation region", f"{sample.n_evaluation:,}", NOTHING),
        ("of them in the training region", f"{sample.n_training:,}", NOTHING),
    ]
    yield table(
        ("step", "events left", "of the step before"),
        [*rows, *inside],
        caption=f"Cutflow of the {sample.role} sample",
        classes=("", "number", "number"),
    )
    if sample.skipped:
        yield table(
            ("file", "events lost", "reason"),
            [
                (one.path, NOTHING if one.n_entries is None else f"{one.n_entries:,}", one.reason)
                for one in sample.skipped
            ],
            caption=f"Files of the {sample.role} sample that cannot be read and were skipped",
            classes=("anywhere", "number", "anywhere"),
        )
    read = counts[0] if counts else 0
    share = f", {sample.n_unusable / read:.2%} of those read" if read and sample.n_unusable else ""
    yield element("p", f"Events that could not be used: {sample.n_unusable:,} in all{share}.")
    if sample.rejections:
        shown = sample.rejections[:LISTED]
        more = ""
        if sample.n_unusable > len(shown):
            listed = f"summary.json lists {len(sample.rejections):,} of {sample.n_unusable:,}"
            more = f" (the first {len(shown)}; {listed})"
        yield table(
            ("file", "entry", "reason"),
            [(one.file, str(one.entry), one.reason) for one in shown],
            caption=f"Rejected events of the {sample.role} sample{more}",
            classes=("anywhere", "number", ""),
        )


def provenance_section(result: RunResult) -> Markup:
    """Digest, seeds, program, machine, times, inputs, and the card as given and with all defaults."""
    card, versions = result.card, result.provenance.versions
    return join(
        definitions(_origin(result)),
        table(
            ("sample", "file", "bytes", "entries", "checksum"),
            [
                (sample.role, one.path, f"{one.size:,}", f"{one.n_entries:,}", element("code", one.digest))
                for sample in result.samples
                for one in sample.inputs
            ],
            caption="Input files",
            classes=("", "anywhere", "number", "number", "anywhere"),
        ),
        element("h3", "Card as given"),
        preformatted(yaml_text(card.given), "Card as given"),
        element("h3", "Card with all defaults"),
        preformatted(yaml_text(card.card.model_dump(mode="json")), "Card with all defaults"),
        element("h3", "Versions"),
        element("p", ", ".join(f"{name} {version}" for name, version in versions.items())),
        element(
            "p",
            "In the same folder: summary.json has all these numbers for programs, results.root and "
            "histograms.json the histograms. python -m hepcs.analysis verify FOLDER checks that all files are as "
            "they were written.",
            class_="soft",
        ),
    )


def _origin(result: RunResult) -> list[tuple[str, str]]:
    """Digest, seeds, program, machine and times."""
    origin, card = result.provenance, result.card
    seeds = [f"{card.card.seed} (run)"] + [
        f"{source.seed} ({role})"
        for role, source in card.card.samples.by_role().items()
        if source.kind == "pythia"
    ]
    pairs: list[tuple[str, str]] = [
        ("Digest of the results", element("code", results_digest(result))),
        ("Card", str(card.path)),
        ("Seeds", ", ".join(seeds)),
        ("Started", origin.started),
        ("Finished", origin.finished or NOTHING),
        ("Time", ", ".join(f"{step} {seconds:.0f} s" for step, seconds in origin.seconds.items())),
        ("Processes", str(origin.workers)),
        ("Execution", origin.execution or NOTHING),
        ("Processor", origin.processor),
        ("Numerical libraries", "; ".join(origin.blas)),
        ("Platform", origin.platform),
        ("Program text", element("code", origin.code or NOTHING)),
    ]
    if origin.origins:
        # Of a run that was resumed, or merged from several jobs.
        pairs.append(("Pseudo-experiments from", join(*(element("div", one) for one in origin.origins))))
    return pairs
