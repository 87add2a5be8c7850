"""The data card: what every key means, which values it takes, and the paper's value as default.

All models are frozen, and unknown keys are refused. Energies are in GeV, windows are ``[low, high)``.
Defaults are the numbers of Table 1 of the Cluster Scanning paper (arXiv:2402.17714), so a card that names
only its input is the published analysis.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

# What no run has, however large: beyond it a card is mistyped, and would fill the memory before it fails.
MOST_EVENTS = 10**10
MOST_BINS = 1000
HIGHEST_ENERGY = 1e6  # GeV


def _readable(value: str) -> str:
    """Refuse what no file name, histogram title or web page can hold: control characters."""
    for character in value:
        if unicodedata.category(character) == "Cc" and character not in "\n\t":
            raise ValueError(
                f"found the character U+{ord(character):04X}, expected text without control characters"
            )
    return value


PositiveInteger = Annotated[int, Field(strict=True, ge=1, le=MOST_EVENTS)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
PositiveNumber = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
# In GeV.
Energy = Annotated[float, Field(strict=True, ge=0, le=HIGHEST_ENERGY, allow_inf_nan=False)]
PositiveEnergy = Annotated[float, Field(strict=True, gt=0, le=HIGHEST_ENERGY, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True, min_length=1), AfterValidator(_readable)]
Checksum = Annotated[str, Field(strict=True, pattern=r"^(md5|sha256):[0-9a-f]+$")]
# A name that ROOT and Python take as well.
SearchName = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
# Searches that a card has without naming them.
RESERVED_NAMES = ("cluster_scanning", "fit_3", "fit_4", "fit_5", "idealised_fit")
Name = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=100)]

SCHEDULER_ADDRESS = r"(tcp|tls)://[^\s/]+:[0-9]+"


class SectionError(ValueError):
    """Problems between keys of a section.

    Attributes
    ----------
    items
        Pairs of a key, relative to the section, and what is wrong.
    of_variants
        Pairs of a variant's name and what is wrong in one of its sections, which is pydantic's to tell.
    """

    def __init__(
        self, items: list[tuple[str, str]], of_variants: Sequence[tuple[str, ErrorDetails]] = ()
    ) -> None:
        texts = [f"{key}: {text}" for key, text in items]
        texts += [f"variants.{name}.{_dotted(detail)}: {detail['msg']}" for name, detail in of_variants]
        super().__init__("; ".join(texts))
        self.items = tuple(items)
        self.of_variants = tuple(of_variants)


def _dotted(detail: ErrorDetails) -> str:
    return ".".join(map(str, detail["loc"]))


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


TextList = Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(_as_list)]


def _window(value: tuple[float, float]) -> tuple[float, float]:
    low, high = value
    if not low < high:
        raise ValueError(
            f"the window [{low:g}, {high:g}) is empty or inverted; expected [low, high) with low < high"
        )
    if low < 0:
        raise ValueError(f"a window in GeV cannot begin below zero, found {low:g}")
    return value


class Section(BaseModel):
    """A section of the card: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


# ----------------------------------------------------------------------------------------------- samples


#: Keys of a source that say where it lies and what may be missing of it, not what it holds.
WHEREABOUTS = frozenset({"files", "label_files", "url", "checksum", "record", "on_bad_file", "max_lost"})


class FileSource(Section):
    """What the sources that read files have in common."""

    files: TextList = Field(
        description="files, globs or URLs; relative to the working folder, then to the card"
    )
    max_events: PositiveInteger | None = Field(None, description="read only so many entries")
    url: Text | None = Field(None, description="where `--fetch` gets the file, if it is missing")
    checksum: Annotated[tuple[Checksum, ...], Field(min_length=1), BeforeValidator(_as_list)] | None = Field(
        None, description="md5:... or sha256:... of each of the files, in order; another file is refused"
    )
    record: Text | None = Field(None, description="the record that publishes the file, for messages")
    on_bad_file: Literal["fail", "skip"] = Field(
        "fail", description="whether a file that cannot be read ends the run, or is left out and listed"
    )
    max_lost: Annotated[float, Field(strict=True, ge=0, lt=1)] = Field(
        0.05, description="largest share of the events that skipped files may hold; above it the run ends"
    )


class LhcoSource(FileSource):
    """LHC Olympics HDF5: rows of 700 x (pt, eta, phi), zero padded, then a label or none."""

    kind: Literal["lhco"]
    label_files: TextList | None = Field(None, description="text files with one label a line (black boxes)")


class Branches(Section):
    """Branch, field or column names of one collection of constituents."""

    pt: Text
    eta: Text
    phi: Text
    mass: Text | None = None


class RootSource(FileSource):
    """ROOT TTree or RNTuple with jagged branches of constituents."""

    kind: Literal["root"]
    tree: Text | None = Field(
        None, description="TTree or RNTuple; the layout's own, or the only one, if absent"
    )
    layout: Literal["flat", "nanoaod", "pfnano", "delphes"] = Field(
        "flat", description="names known for a format; `branches` overrides them"
    )
    branches: tuple[Branches, ...] | None = Field(
        None, description="pt, eta, phi (and mass) branches; a list of them is concatenated"
    )
    label: Text | None = Field(None, description="branch of the truth label, 0 for background")

    @field_validator("branches", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value


class ParquetSource(FileSource):
    """Parquet with list columns of constituents, or one column of records with pt, eta and phi."""

    kind: Literal["parquet"]
    branches: Branches = Branches(pt="pt", eta="eta", phi="phi")
    constituents: Text | None = Field(None, description="the list-of-records column, if there is one")
    label: Text | None = Field(None, description="column of the truth label, 0 for background")


class PythiaSource(Section):
    """Events generated by Pythia 8 into the cache, then read as ROOT or LHCO files."""

    kind: Literal["pythia"]
    process: Literal["qcd", "zprime"] = Field(
        "qcd", description="QCD dijets, or Z' -> X Y with X, Y -> q qbar"
    )
    events: PositiveInteger = Field(description="number of generated events, before any selection")
    seed: Seed = 1
    sqrt_s: PositiveEnergy = Field(13000.0, description="GeV")
    pt_hat_min: PositiveEnergy = Field(1050.0, description="GeV, QCD only")
    m_hat_min: Energy = Field(
        0.0,
        description="least mass of the hard process, GeV, QCD only: stay well below the evaluation region",
    )
    resonance_mass: PositiveEnergy = Field(3500.0, description="m(Z'), GeV")
    x_mass: PositiveEnergy = Field(500.0, description="m(X), GeV")
    y_mass: PositiveEnergy = Field(100.0, description="m(Y), GeV")
    format: Literal["root", "lhco"] = "root"

    @model_validator(mode="after")
    def _open_decay(self) -> Self:
        if self.process == "zprime" and self.x_mass + self.y_mass >= self.resonance_mass:
            raise ValueError(
                f"x_mass + y_mass = {self.x_mass + self.y_mass:g} GeV leaves no room below "
                f"resonance_mass = {self.resonance_mass:g} GeV"
            )
        return self


Source = Annotated[LhcoSource | RootSource | ParquetSource | PythiaSource, Field(discriminator="kind")]


class PseudoData(Section):
    """Pseudo-data made of a part of the background events; the pseudo-experiments come from the others.

    A bootstrap of the events that are searched carries their own fluctuation on top of a new one. Drawn from other
    and many more events, in the size of the pseudo-data, pseudo-experiments fluctuate as data do.
    """

    one_in: Annotated[int, Field(strict=True, ge=2, le=1000)] = Field(
        description="one in so many background events is pseudo-data"
    )
    which: Annotated[int, Field(strict=True, ge=0)] = Field(
        0, description="which of every `one_in` events, from 0 on: as many independent data sets"
    )

    @field_validator("which")
    @classmethod
    def _below(cls, value: int, info: ValidationInfo) -> int:
        one_in = info.data.get("one_in")
        if one_in is not None and value >= one_in:
            raise ValueError(
                f"expected 0 to {one_in - 1}, since one in {one_in} events is taken, found {value}"
            )
        return value


class Samples(Section):
    """What is searched, and what the pseudo-experiments are drawn from.

    Either pseudo-data: `labelled` (one source whose label tells signal from background), or `background`
    and, to inject it, `signal`. Or a real search: `data`, unlabelled, and `background`, from which the
    pseudo-experiments are drawn to the size of the data.
    """

    labelled: Source | None = None
    background: Source | None = None
    signal: Source | None = None
    data: Source | None = None
    background_half: Literal["even", "odd"] | None = Field(
        None,
        description="of the background events in the evaluation region, only every second one: "
        "to choose on one half and to confirm on the other",
    )
    pseudo_data: PseudoData | None = Field(
        None, description="search a part of the background events, and calibrate with the others"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.labelled is not None:
            if self.background or self.signal or self.data:
                raise ValueError("`labelled` stands alone; found other samples beside it")
        elif self.background is None:
            raise ValueError(
                "no `background` sample: expected `labelled`, or `background` (with `signal` to inject), "
                "or `data` with `background`"
            )
        elif self.data is not None and self.signal is not None:
            raise ValueError("a real search (`data`) has no `signal` to inject; remove one of the two")
        if self.data is not None and self.pseudo_data is not None:
            raise ValueError("`data` are searched, so there is no `pseudo_data`; remove one of the two")
        generated = [source for source in self.by_role().values() if isinstance(source, PythiaSource)]
        streams = [(source.process, source.seed) for source in generated]
        if len(set(streams)) < len(streams):
            raise ValueError(
                "two samples of one process with the same seed hold the same events; change a `seed`"
            )
        return self

    @property
    def is_real_search(self) -> bool:
        """Whether unlabelled data are searched, rather than pseudo-data put together from labels."""
        return self.data is not None

    @property
    def has_signal(self) -> bool:
        """Whether there are signal events to inject."""
        return self.labelled is not None or self.signal is not None

    def by_role(self) -> dict[str, Source]:
        """The sources that the card names, by their role."""
        roles = ("labelled", "background", "signal", "data")
        return {role: source for role in roles if (source := getattr(self, role)) is not None}


# ----------------------------------------------------------------------------------------- preparation


class Jets(Section):
    """Reclustering and selection (paper, section 2)."""

    backend: Literal["auto", "pyjet", "fastjet"] = Field("auto", description="auto: pyjet if it is installed")
    radius: Annotated[float, Field(strict=True, gt=0, le=10)] = Field(1.0, description="anti-kT radius")
    leading_pt_min: Energy = Field(1200.0, description="leading jet pT must be above, GeV")
    abs_eta_max: PositiveNumber = Field(2.5, description="|eta| of both leading jets must be below")


class Images(Section):
    """Jet images (paper, section 2.1)."""

    pixels: Annotated[int, Field(strict=True, ge=2, le=200)] = 40
    half_width: Annotated[float, Field(strict=True, gt=0, le=10)] = Field(
        0.8, description="the crop is [-half_width, half_width) squared"
    )


class Features(Section):
    """What the clustering sees: reprocessed images, compressed by PCA or pixel by pixel."""

    kind: Literal["pca", "pixels"] = "pca"
    kept_variance: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.95, description="share of the variance that the principal components keep"
    )
    gamma: Annotated[float, Field(strict=True, gt=0, le=100)] = Field(
        0.5, description="exponent of the pixel scaling"
    )
    smearing: Annotated[float, Field(strict=True, ge=0, le=200)] = Field(
        1.0, description="sigma of the Gaussian smearing, pixels"
    )


_WindowEnd = Annotated[float, Field(strict=True, le=HIGHEST_ENERGY, allow_inf_nan=False)]
Window = tuple[_WindowEnd, _WindowEnd]


class Regions(Section):
    """Windows in m_jj, GeV, each [low, high) (paper, sections 3.1.1 and 3.2)."""

    evaluation: Window = (3000.0, 4600.0)
    training: Window = (3000.0, 3100.0)
    bin_width: PositiveEnergy = 100.0

    @field_validator("evaluation", "training")
    @classmethod
    def _is_window(cls, value: Window) -> Window:
        return _window(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        (low, high), (train_low, train_high) = self.evaluation, self.training
        evaluation = f"the evaluation region [{low:g}, {high:g})"
        problems = []
        if train_low < low or train_high > high:
            problems.append(("training", f"[{train_low:g}, {train_high:g}) is not inside {evaluation}"))
        bins = (high - low) / self.bin_width
        if bins > MOST_BINS:
            problems.append(
                (
                    "bin_width",
                    f"{self.bin_width:g} GeV makes {bins:.4g} bins of {evaluation}, expected {MOST_BINS} or fewer",
                )
            )
        elif abs(bins - round(bins)) > 1e-9 * max(1.0, bins) or round(bins) < 2:
            problems.append(
                (
                    "bin_width",
                    f"{self.bin_width:g} GeV does not divide {evaluation}: {bins:.4g} bins",
                )
            )
        if problems:
            raise SectionError(problems)
        return self

    @property
    def n_bins(self) -> int:
        """Number b of m_jj bins."""
        return round((self.evaluation[1] - self.evaluation[0]) / self.bin_width)


# ------------------------------------------------------------------------------------------------ search


class Trend(Section):
    """The share of some clusters in all jets as a polynomial in m_jj, fitted outside of each tested window."""

    degree: Annotated[int, Field(strict=True, ge=0, le=3)] = Field(1, description="1: a straight line")
    guard: Annotated[int, Field(strict=True, ge=0, le=MOST_BINS)] = Field(
        1, description="bins on either side of the window that the fit leaves out as well"
    )


class Windows(Section):
    """Scan of each cluster against its own trend, window by window."""

    widths: Annotated[
        tuple[PositiveInteger, ...], Field(min_length=1, max_length=MOST_BINS), BeforeValidator(_as_list)
    ] = Field((1, 2), description="widths of the windows, bins")
    combination: Literal["quadrature", "sum"] = Field(
        "quadrature",
        description="the root of the sum of squares of all clusters' excesses, or the sum of those above theta",
    )


# Clusterers that scikit-learn computes, whatever the engine of k-means is.
BY_SKLEARN = ("gaussian_mixture", "birch")


class ClusterScanning(Section):
    """Cluster Scanning (paper, section 3.2, Table 1, and appendix E)."""

    k: Annotated[int, Field(strict=True, ge=3, le=100_000)] = Field(50, description="number of clusters")
    clusterer: Literal["mini_batch", "lloyd", "gaussian_mixture", "birch"] = Field(
        "mini_batch", description="mini-batch k-means, or another clusterer to compare it with"
    )
    batch_size: PositiveInteger = Field(2048, description="jets in a mini-batch")
    jets: Literal["both", "leading", "subleading"] = Field(
        "both", description="jets of an event that are clustered and counted"
    )
    training_jets: PositiveInteger | None = Field(
        None, description="train on so many jets drawn at random; on all of the training region if absent"
    )
    outlier_fraction: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.2
    theta: PositiveNumber = Field(3.0, description="selection threshold, robust standard deviations")
    neighbours: Annotated[int, Field(strict=True, ge=0, le=100_000)] = Field(
        0, description="nearest clusters that are added to each selected one"
    )
    background_estimate: Literal["signal_poor", "dijet_fit", "dijet_fit_each", "transfer_factor"] = Field(
        "signal_poor",
        description="of the signal-rich clusters: the scaled sum of the others; a dijet fit of their sum, "
        "or of each; the sum of the others times a polynomial",
    )
    fit_parameters: Annotated[int, Field(strict=True, ge=3, le=5)] = Field(
        4, description="of the dijet fits, if they are the background estimate"
    )
    windows: Windows | None = Field(
        None, description="scan each cluster against its own trend, in place of one selection for all bins"
    )
    trend: Trend = Trend()
    ensemble: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        15, description="scans of one data set, combined"
    )
    combination: Literal["mean", "median"] = Field("mean", description="of the ensemble's statistics")

    @model_validator(mode="after")
    def _enough_clusters_left(self) -> Self:
        left = self.k - round(self.outlier_fraction * self.k)
        if left < 2:
            raise SectionError(
                [
                    (
                        "outlier_fraction",
                        f"{self.outlier_fraction:g} of k = {self.k} clusters leaves {left}, expected 2 or more",
                    )
                ]
            )
        return self

    engine: Literal["compiled", "sklearn"] = Field(
        "compiled",
        description="the k-means: our own compiled one, or scikit-learn's, a reference several times slower",
    )


class Fits(Section):
    """Dijet functions fitted to the same bins (paper, eq. 3.1 and appendix A)."""

    parameters: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=3, le=5)], ...], BeforeValidator(_as_list)
    ] = Field((3, 4), description="numbers of non-zero parameters, of 3, 4 and 5; [] for no fit")
    sqrt_s: PositiveEnergy = Field(13000.0, description="x = m_jj / sqrt_s, GeV")
    idealised: bool = Field(
        False,
        description="also the idealised fit, whose estimate is the original background; needs its truth",
    )

    @field_validator("parameters")
    @classmethod
    def _once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"each number of parameters once, found {list(value)}")
        return value


class Statistic(Section):
    """The test statistic of a spectrum against its background estimate (paper, eqs. 3.2 and 3.3)."""

    kind: Literal["maximum_local_significance", "bumphunter"] = Field(
        "maximum_local_significance",
        description="largest Z of single bins, or -ln p of the most significant window of adjacent bins",
    )
    local_significance: Literal["gaussian", "exact"] = Field(
        "gaussian", description="Z of a bin: (S - B) / sqrt(B), or the normal quantile of its Poisson tail"
    )
    max_width: PositiveInteger | None = Field(
        None, description="bumphunter: bins in the widest window; half of all bins if absent"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_width is not None and self.kind != "bumphunter":
            raise SectionError([("max_width", f"is for kind: bumphunter; the statistic is {self.kind}")])
        return self


class Variant(Section):
    """Cluster Scanning done otherwise, on the same data sets: what differs from the card's own.

    Variants that differ only in how spectra are judged share their clusterings.
    """

    title: Text | None = Field(None, description="name for people; the variant's name if absent")
    cluster_scanning: dict[str, Any] = Field(
        default_factory=dict, description="keys of `cluster_scanning` that differ"
    )
    statistic: dict[str, Any] = Field(default_factory=dict, description="keys of `statistic` that differ")
    training: Window | None = Field(None, description="training region in m_jj, GeV, [low, high)")
    idealised: bool = Field(
        False, description="background jets redistributed by the fractions of the first bin; needs the truth"
    )
    train_on_injected: bool = Field(
        True, description="false: the training leaves out the injected signal events; needs the truth"
    )

    @field_validator("training")
    @classmethod
    def _is_window(cls, value: Window | None) -> Window | None:
        return None if value is None else _window(value)

    @property
    def needs_truth(self) -> bool:
        """Whether it is a study that no search of real data can do."""
        return self.idealised or not self.train_on_injected


class PseudoExperiments(Section):
    """How many pseudo-experiments (paper, sections 3.2 and 4)."""

    # Ten million calibrate 5 standard deviations.
    background_only: Annotated[int, Field(strict=True, ge=10, le=10_000_000)] = 3900
    doped: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = Field(
        0, description="for each injected epsilon"
    )


class Injection(Section):
    """Signal events added to the background, one data set for each number."""

    epsilon: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=0, le=MOST_EVENTS)], ...],
        Field(min_length=1, max_length=1000),
        BeforeValidator(_as_list),
    ] = (0,)

    @field_validator("epsilon")
    @classmethod
    def _once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"each epsilon once, found {list(value)}")
        return value


class Tls(Section):
    """PEM files with which a client proves to a ``tls://`` scheduler who it is."""

    ca: Text = Field(description="certificate of the authority")
    certificate: Text = Field(description="the client's certificate")
    key: Text = Field(description="the client's private key")


class Execution(Section):
    """Where the work runs. Nothing here changes a result."""

    kind: Literal["local", "dask"] = Field(
        "local", description="processes of this machine, or a Dask cluster"
    )
    workers: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = Field(
        None, description="processes, all cores if absent; with a running Dask cluster, how many to wait for"
    )
    scheduler: Text | None = Field(
        None,
        description="tcp://host:port or tls://host:port of a Dask scheduler; if absent $DASK_SCHEDULER_ADDRESS, "
        "else a cluster of `workers` processes on this machine",
    )
    tls: Tls | None = Field(None, description="for a tls:// scheduler; Dask's own configuration if absent")
    transfer: Literal["path", "broadcast"] = Field(
        "path",
        description="Dask workers open the features in `cache`, which all of them share, or are sent them",
    )
    patience: PositiveNumber = Field(
        600.0,
        description="seconds to wait for Dask workers where there are none, as in a batch system's queue",
    )
    cache: Text | None = Field(None, description="folder of prepared samples; the user's cache if absent")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems: list[tuple[str, str]] = []
        if self.tls is not None and self.kind != "dask":
            problems.append(("tls", f"is for a Dask scheduler, and kind is {self.kind}; add `kind: dask`"))
        if self.scheduler is not None:
            if re.fullmatch(SCHEDULER_ADDRESS, self.scheduler) is None:
                problems.append(
                    ("scheduler", f"found {self.scheduler!r}, expected tcp://host:port or tls://host:port")
                )
            elif self.tls is not None and not self.scheduler.startswith("tls://"):
                problems.append(
                    ("tls", f"needs a tls:// scheduler, found {self.scheduler}; change one of the two")
                )
            if self.kind != "dask":
                problems.append(
                    ("scheduler", f"is a Dask scheduler's, and kind is {self.kind}; add `kind: dask`")
                )
        if problems:
            raise SectionError(problems)
        return self


class Output(Section):
    """What leaves the run."""

    folder: Text | None = Field(None, description="runs/<name> if absent")
    figures: Annotated[tuple[Literal["pdf", "png"], ...], BeforeValidator(_as_list)] = ("pdf", "png")
    style: Literal["plain", "CMS", "ATLAS"] = "plain"


class Card(Section):
    """One run of the analysis."""

    name: Name
    description: Annotated[str, AfterValidator(_readable)] = ""
    seed: Seed = 1
    samples: Samples
    jets: Jets = Jets()
    images: Images = Images()
    features: Features = Features()
    regions: Regions = Regions()
    cluster_scanning: ClusterScanning = ClusterScanning()
    fits: Fits = Fits()
    statistic: Statistic = Statistic()
    variants: dict[SearchName, Variant] = Field(
        default_factory=dict,
        max_length=1000,
        description="further Cluster Scannings of the same data sets, by name",
    )
    pseudo_experiments: PseudoExperiments = PseudoExperiments()
    injection: Injection = Injection()
    execution: Execution = Execution()
    output: Output = Output()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems: list[tuple[str, str]] = []
        if any(self.injection.epsilon) and not self.samples.has_signal:
            wanted = "expected `labelled`, or `background` with `signal`, among the samples"
            problems.append(
                ("injection.epsilon", f"asks for signal events, and there is no signal; {wanted}")
            )
        if self.regions.evaluation[1] > self.fits.sqrt_s:
            problems.append(("regions.evaluation", f"ends above fits.sqrt_s = {self.fits.sqrt_s:g} GeV"))
        widest, n_bins = self.statistic.max_width, self.regions.n_bins
        if widest is not None and widest > n_bins:
            problems.append(("statistic.max_width", f"is {widest}, and there are {n_bins} bins of m_jj"))
        problems += [
            ("fits.parameters", f"{n} parameters need more than the {self.regions.n_bins} bins of m_jj")
            for n in self.fits.parameters
            if self.regions.n_bins <= n
        ]
        problems += self._judgement_problems(self.cluster_scanning, self.statistic)
        of_variants = [
            (name, error) for name, variant in self.variants.items() for error in self._errors_of(variant)
        ]
        problems += self._variant_problems({name for name, _ in of_variants})
        if problems or of_variants:
            raise SectionError(problems, of_variants)
        return self

    def _variant_problems(self, unreadable: set[str]) -> list[tuple[str, str]]:
        """What is wrong with the variants, `unreadable` or not, and with idealised searches of real data."""
        problems: list[tuple[str, str]] = []
        truth = "needs to know signal from background, and in a real search (`data`) nobody does"
        if self.fits.idealised and self.samples.is_real_search:
            problems.append(("fits.idealised", truth))
        low, high = self.regions.evaluation
        for name, variant in self.variants.items():
            where = f"variants.{name}"
            if name in RESERVED_NAMES:
                problems.append((where, "is the name of another search; choose another one"))
            if variant.needs_truth and self.samples.is_real_search:
                problems.append((where, truth))
            if variant.training is not None and not (
                low <= variant.training[0] and variant.training[1] <= high
            ):
                problems.append(
                    (f"{where}.training", f"reaches out of regions.evaluation [{low:g}, {high:g})")
                )
            if name not in unreadable:
                problems += self._judgement_problems(*self.sections_of(variant), f"{where}.")
        return problems

    def _judgement_problems(
        self, scanning: ClusterScanning, statistic: Statistic, where: str = ""
    ) -> list[tuple[str, str]]:
        """What does not go together in the way spectra are judged; `where` begins the keys."""
        problems: list[tuple[str, str]] = []
        if scanning.windows is not None and statistic.kind != "maximum_local_significance":
            problems.append(
                (
                    f"{where}statistic.kind",
                    "a scan by windows (cluster_scanning.windows) has its own statistic",
                )
            )
        if scanning.neighbours >= scanning.k:
            problems.append((f"{where}cluster_scanning.neighbours", f"expected fewer than k = {scanning.k}"))
        widest = 1
        if scanning.windows is not None:
            widest = max(scanning.windows.widths)
        elif scanning.background_estimate != "transfer_factor":
            return problems
        trend = scanning.trend
        left = self.regions.n_bins - widest - 2 * trend.guard
        if left < trend.degree + 2:
            problems.append(
                (
                    f"{where}cluster_scanning.trend",
                    f"windows up to {widest} bins wide, with {trend.guard} more on either side, leave "
                    f"{max(left, 0)} of {self.regions.n_bins} bins to fit a polynomial of degree {trend.degree}, "
                    f"expected {trend.degree + 2} or more",
                )
            )
        return problems

    def _errors_of(self, variant: Variant) -> list[ErrorDetails]:
        """What is wrong in the sections of a variant, located as in a card."""
        found: list[ErrorDetails] = []
        for key in ("cluster_scanning", "statistic"):
            try:
                self._changed(key, variant)
            except ValidationError as error:
                found += [{**one, "loc": (key, *one["loc"])} for one in error.errors()]
        return found

    def _changed(self, key: str, variant: Variant) -> Any:
        """A section with the keys of a variant in place of the card's."""
        section = getattr(self, key)
        return type(section).model_validate({**section.model_dump(), **getattr(variant, key)})

    def sections_of(self, variant: Variant) -> tuple[ClusterScanning, Statistic]:
        """The card's sections `cluster_scanning` and `statistic` as a variant changes them."""
        return self._changed("cluster_scanning", variant), self._changed("statistic", variant)
