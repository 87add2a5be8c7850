"""What stands in the sections of a report that any run has: sentences, and tables of text."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from hepcs.datasets.bootstrap import Injection
from hepcs.datasets.reports import SampleReport
from hepcs.output.findings import excess_text, largest_excess, limits_text, signal_limits
from hepcs.output.hyperparameters import hyperparameters
from hepcs.output.sentences import (
    answer,
    blind_answer,
    bound_text,
    combined_answer,
    extrapolation_text,
    injection_text,
    plain_symbols,
)
from hepcs.output.summary import results_digest
from hepcs.output.table import knows_signal, null_text, p_text, table_rows, z_text
from hepcs.results import Observed, RunResult, SearchResult
from hepcs.results.wording import KNOWS_TRUTH, NOTHING, TOGETHER, short_data_set, variation_text
from hepcs.searches.kinds import Table, by_kind

# Rejected events that are listed for each sample.
LISTED = 50
_FLAG = Markup('{} <span class="flag">{}</span>')
_CODE = Markup("<code>{}</code>")


def flagged(text: str, flag: str) -> str:
    """A text with a flag behind it, if there is one."""
    return _FLAG.format(text, flag) if flag else text


def answers(result: RunResult) -> Iterator[str]:
    """What all searches together say of each observed data set, then the first one, and the best if it is another.

    Of these two also where the excess lies, how much it is, and how much signal there may be.
    """
    if result.is_blind:
        yield blind_answer()
    for combined in result.combined:
        if combined.combination is not None:
            yield combined_answer(result, combined)
    for injection in result.observed_injections:
        for search in answering(result, injection):
            yield " ".join(search_answers(result, search, injection))


def answering(result: RunResult, injection: Injection) -> tuple[SearchResult, ...]:
    """The first search, and the one with the smallest p if that is another."""
    best = next((one.best for one in result.combined if one.injection == injection), None)
    return (
        result.searches[0],
        *(search for search in result.searches[1:] if search.name == best),
    )


def search_answers(result: RunResult, search: SearchResult, injection: Injection) -> Iterator[str]:
    """What a search says of an observed data set: what it is worth, where, how much, and how much at most."""
    for observed in search.observed:
        if observed.injection == injection:
            yield answer(result, search, observed)
            if observed.calibration is not None:
                spectrum = observed.observation.spectrum
                if spectrum is not None:
                    yield excess_text(largest_excess(spectrum, result.bins))
                yield limits_text(signal_limits(search, observed, result.card.card.seed))


def extrapolations(result: RunResult) -> Iterator[str]:
    """What lies beyond the pseudo-experiments, where Z is only a lower bound."""
    for search in result.searches:
        for observed in search.observed:
            if observed.extrapolation is not None:
                what = f"{search.title}, {short_data_set(result, observed.injection)}"
                yield f"{what}: {extrapolation_text(observed.extrapolation)}"


def numbers_table(result: RunResult) -> Table:
    """All numbers."""
    found = table_rows(result)
    rows = tuple(
        (
            flagged(row.search, row.note),
            *((row.epsilon,) if knows_signal(result) else ()),
            row.data_set,
            row.statistic,
            row.p,
            flagged(row.z, "bound" if row.is_bound else ""),
        )
        for row in found
    )
    doped = (
        " Doped: median and quartiles over pseudo-experiments with injected signal."
        if any(search.doped for search in result.searches)
        else ""
    )
    caption = (
        f"All searches. Observed: with 68 % intervals.{doped} > and < mark bounds, for want of "
        "pseudo-experiments."
    )
    if result.combined:
        caption += (
            f" {TOGETHER.capitalize()}: the smallest p over searches of the same data sets, and its own p by "
            f"{result.combined[0].n_null:,} background-only ones."
        )
    if any(row.p.startswith(">") for row in found):
        caption += (
            " p > 1 - 1/N: every one of the N pseudo-experiments reaches the observed statistic, so the data look "
            "less like a signal than any of them. That is no excess, and nothing of note unless it is seen in "
            "many searches: data fluctuate a little less than pseudo-experiments do, which carry the fluctuation "
            "of the background sample too."
        )
    signal = ("signal events",) if knows_signal(result) else ()
    return Table(("search", *signal, "data set", "statistic", "p", "Z"), rows, caption)


def kind_of_search(result: RunResult) -> str:
    """What the data are."""
    if result.is_real_search:
        return "A real search: unlabelled data; pseudo-experiments are drawn from a background sample."
    signal = (
        "with injected signal events" if any(result.card.card.injection.numbers) else "with no signal added"
    )
    studies = [search.title for search in result.searches if result.knows_truth(search.name)]
    label = "The label is used for nothing else."
    if studies:
        label = f"Beside that, the label is known to studies alone: {', '.join(studies)}."
    return f"Pseudo-data: the background of a simulated sample {signal}. {label}"


def set_up(result: RunResult) -> Iterator[tuple[str, str]]:
    """Searches, selection, region, features, pseudo-experiments and injections."""
    card, bins = result.card.card, result.bins
    yield "Searches", ", ".join(_title(result, search) for search in result.searches)
    yield (
        "Selection",
        f"two anti-kT jets with R = {card.jets.radius:g}, |eta| < {card.jets.abs_eta_max:g}; leading jet "
        f"pT > {card.jets.leading_pt_min:g} GeV",
    )
    events = ", ".join(
        f"{sample.n_evaluation:,} {'' if sample.role == 'labelled' else sample.role + ' '}events"
        for sample in result.samples
    )
    yield (
        "Evaluation region",
        f"m_jj in [{bins.low:g}, {bins.high:g}) GeV, {bins.n_bins} bins of {card.regions.width_text()}: {events}",
    )
    for name, numbers in result.features.items():
        yield f"Features {name}", _in_words(numbers)
    doped = {card.pseudo_experiments_of(search.name).doped for search in result.searches}
    of_each = f"{min(doped):,}" if len(doped) == 1 else f"{min(doped):,} to {max(doped):,}"
    more = f", {of_each} doped for each number of injected events" if any(doped) else ""
    yield "Pseudo-experiments", null_text(result).replace(" pseudo-experiments", "") + more
    if not result.is_real_search:
        injections = ", ".join(
            f"{number:,}" if len(card.samples.signal_names) < 2 else f"{name} {number:,}"
            for name in card.samples.signal_names or ("",)
            for number in card.injection.of(name)
        )
        yield "Injected signal events", f"{injections}. {injection_text(result)}"


def _in_words(numbers: object) -> str:
    """What is known of a feature: ``dimension 37, kept variance 0.95``."""
    if not isinstance(numbers, dict):
        return str(numbers)
    short = {key: value for key, value in numbers.items() if isinstance(value, int | float | str)}
    return ", ".join(
        f"{key.replace('_', ' ')} {value:.4g}"
        if isinstance(value, float)
        else f"{key.replace('_', ' ')} {value}"
        for key, value in short.items()
    )


def hyperparameter_tables(result: RunResult) -> Iterator[Table]:
    """Those of the first search of each kind, and what differs in the others."""
    card = result.card.card
    for _, searches in by_kind(result):
        first = hyperparameters(card, searches[0].name)
        if not first:
            continue
        yield Table(
            ("parameter", "value", "the reason for the usual value"),
            tuple(tuple(map(plain_symbols, (row.name, row.value, row.motivation))) for row in first),
            f"Hyperparameters of {searches[0].title}.",
        )
        usual = {row.name: row.value for row in first}
        differing = tuple(
            (search.title, plain_symbols(row.name), plain_symbols(row.value))
            for search in searches[1:]
            for row in hyperparameters(card, search.name)
            if usual.get(row.name) != row.value
        )
        if differing:
            caption = f"Where other searches differ from {searches[0].title}."
            yield Table(("search", "parameter", "value"), differing, caption)


def significance_table(result: RunResult) -> Table:
    """Where each search finds most, and what that is worth."""
    rows = tuple(
        _significance_row(result, search, observed)
        for search in result.searches
        for observed in search.observed
    )
    return Table(
        ("search", "data set", "local Z", "m_jj [GeV]", "global p", "global Z"),
        rows,
        "Local and global significance of the observed data sets.",
    )


def _significance_row(result: RunResult, search: SearchResult, observed: Observed) -> tuple[str, ...]:
    spectrum, calibration = observed.observation.spectrum, observed.calibration
    local = None if spectrum is None else spectrum.largest_excess(result.bins.edges)
    found = local is not None and local.z > 0
    return (
        _title(result, search),
        short_data_set(result, observed.injection),
        f"{local.z:.2f}" if local is not None and found else NOTHING,
        f"[{local.low:g}, {local.high:g})" if local is not None and found else NOTHING,
        NOTHING if calibration is None else p_text(calibration),
        NOTHING if calibration is None else flagged(z_text(calibration), bound_text(calibration)),
    )


def _title(result: RunResult, search: SearchResult) -> str:
    return f"{search.title} ({KNOWS_TRUTH})" if result.knows_truth(search.name) else search.title


# ---------------------------------------------------------------------------------- what the numbers rest on


def sample_tables(sample: SampleReport) -> Iterator[Table]:
    """Cutflow, and what could not be used, of one sample."""
    names, counts = sample.cutflow.names, sample.cutflow.counts
    before = (counts[0], *counts) if counts else ()
    steps = [
        (name, f"{count:,}", f"{count / earlier:.1%}" if earlier else NOTHING)
        for name, count, earlier in zip(names, counts, before, strict=False)
    ]
    lacking = [
        (f"left out there, without {name}", f"{n:,}", NOTHING) for name, n in sample.lacking.items() if n
    ]
    if sample.n_repeated:
        lacking.append(("left out there, since they come again", f"{sample.n_repeated:,}", NOTHING))
    lacking += [
        (f"there, with {variation_text(shift)}", f"{spectrum.sum():,.0f}", NOTHING)
        for shift, spectrum in sample.energy_spectra.items()
        if shift != "nominal"
    ]
    inside = ("in the evaluation region", f"{sample.n_evaluation:,}", NOTHING)
    yield Table(
        ("step", "events left", "of the step before"),
        (*steps, inside, *lacking),
        f"Cutflow of the {sample.role} sample",
    )
    if sample.weights is not None:
        yield Table(
            (
                "files",
                "cross-section [pb]",
                "sum of weights",
                "an event of weight 1 counts",
                "events in the region",
            ),
            tuple(
                (
                    one.files,
                    NOTHING if one.cross_section is None else f"{one.cross_section:g}",
                    f"{one.sum_of_weights:,.6g}",
                    f"{one.scale:.4g}",
                    f"{one.n_events:,}",
                )
                for one in sample.weights.slices
            ),
            f"Weights of the {sample.role} sample: {sample.weights.total:,.1f} events expected in the evaluation "
            f"region, worth {sample.weights.n_effective:,.0f} events without weights; "
            f"{sample.weights.negative_share:.1%} of the weights are negative",
        )
    if sample.skipped:
        yield Table(
            ("file", "events lost", "reason"),
            tuple(
                (one.path, NOTHING if one.n_entries is None else f"{one.n_entries:,}", one.reason)
                for one in sample.skipped
            ),
            f"Files of the {sample.role} sample that cannot be read and were skipped",
        )
    if sample.rejections:
        shown, more = sample.rejections[:LISTED], ""
        if sample.n_unusable > len(shown):
            listed = f"summary.json lists {len(sample.rejections):,} of {sample.n_unusable:,}"
            more = f" (the first {len(shown)}; {listed})"
        yield Table(
            ("file", "entry", "reason"),
            tuple((one.file, str(one.entry), one.reason) for one in shown),
            f"Rejected events of the {sample.role} sample{more}",
        )


def unusable_text(sample: SampleReport) -> str:
    """How many events could not be used."""
    read = sample.cutflow.counts[0] if sample.cutflow.counts else 0
    share = f", {sample.n_unusable / read:.2%} of those read" if read and sample.n_unusable else ""
    text = f"Events that could not be used: {sample.n_unusable:,} in all{share}."
    if sample.mass_ratio is not None:
        low, median, high = sample.mass_ratio
        text += f" m_jj as the files hold it, over ours: {median:.4f} [{low:.4f}, {high:.4f}]."
    if sample.n_weightless:
        text += f" Constituents left out because their weight is zero: {sample.n_weightless:,}."
    return text


def inputs_table(result: RunResult) -> Table:
    """All input files."""
    rows = tuple(
        (sample.role, one.path, f"{one.size:,}", f"{one.n_entries:,}", _CODE.format(one.digest))
        for sample in result.samples
        for one in sample.inputs
    )
    return Table(("sample", "file", "bytes", "entries", "checksum"), rows, "Input files")


def origin(result: RunResult) -> Iterator[tuple[str, str]]:
    """Digest, seeds, program, machine and times."""
    found, card = result.provenance, result.card
    seeds = [f"{card.card.seed} (run)"] + [
        f"{source.seed} ({role})"
        for role, source in card.card.samples.by_role().items()
        if source.kind == "pythia"
    ]
    yield "Digest of the results", _CODE.format(results_digest(result))
    yield "Card", str(card.path)
    yield "Seeds", ", ".join(seeds)
    yield "Started", found.started
    yield "Finished", found.finished or NOTHING
    yield "Observed data looked at", "; ".join(found.openings) or "no"
    yield "Time", ", ".join(f"{step} {seconds:.0f} s" for step, seconds in found.seconds.items())
    yield "Processes", str(found.workers)
    yield "Execution", found.execution or NOTHING
    yield "Processor", found.processor
    yield "Numerical libraries", "; ".join(found.blas)
    yield "Platform", found.platform
    yield "Program text", _CODE.format(found.code or NOTHING)
    if found.origins:
        # Of a run that was resumed, or merged from several jobs.
        yield (
            "Pseudo-experiments from",
            Markup("").join(Markup("<div>{}</div>").format(one) for one in found.origins),
        )
