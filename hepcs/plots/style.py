"""How figures look: styles, sizes, colours, and room for legends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import matplotlib.style
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Bbox, offset_copy
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hepcs.datasets.samples import MassBins

Style = Literal["plain", "CMS", "ATLAS"]

# Told apart with any colour vision (Okabe and Ito, 2008).
BLACK = "#000000"
BLUE = "#0072B2"
SKY = "#56B4E9"
VERMILION = "#D55E00"
ORANGE = "#E69F00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
GREY = "#8C8C8C"
#: Label of the mass axis.
M_JJ = "$m_{jj}$ [GeV]"
#: One for each of several data sets or fits, in this order.
SERIES = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))

_PLAIN = {
    "font.size": 12,
    "axes.labelsize": "medium",
    "axes.titlesize": "medium",
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "legend.frameon": False,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
}
# The size of the numbers on the axes, in points, that the sizes of figures and lines are meant for.
_BASE_SIZE = 10
# What a style sets and a backend looks up late.
_STYLE_FAMILIES = (
    "font.",
    "mathtext.",
    "text.",
    "axes.",
    "xaxis.",
    "yaxis.",
    "xtick.",
    "ytick.",
    "pdf.",
    "savefig.",
)
# Share of a panel that stays free above what is drawn, and the share that it gets beside any legend.
_MARGIN = 0.05
_LEAST_SHARE = 0.25
# For all styles.
_ALWAYS = {
    "axes.formatter.useoffset": False,
    "axes.titlesize": "medium",
}


class Caption(NamedTuple):
    """What a figure shows, and what to look for in it."""

    heading: str
    text: str


@dataclass(frozen=True)
class ExperimentLabel:
    """An experiment's name above a figure, and what stands beside it; only drawn for those who ask for it.

    Attributes
    ----------
    experiment
        Such as ``CMS``.
    text
        Such as ``Work in progress``.
    right
        Text at the right, such as ``138 fb$^{-1}$ (13 TeV)``.
    """

    experiment: str
    text: str = ""
    right: str = ""


@contextmanager
def style_context(style: Style) -> Iterator[None]:
    """Make figures in a style, whatever the user's own settings are; they are back afterwards."""
    sheets = {"plain": _PLAIN, "CMS": mplhep.style.CMS, "ATLAS": mplhep.style.ATLAS}
    with mpl.style.context(["default", sheets[style], _ALWAYS]):
        scale = size_scale()
        mpl.rcParams.update(
            {
                "lines.linewidth": 1.5 * scale,
                "lines.markersize": 5 * scale,
                "xtick.major.pad": 6 * scale,
                "ytick.major.pad": 5 * scale,
                "legend.fontsize": _BASE_SIZE * scale,
                "legend.title_fontsize": _BASE_SIZE * scale,
            }
        )
        yield


def size_scale() -> float:
    """How much larger the style's numbers on the axes are than those that sizes here are meant for."""
    size = FontProperties(size=mpl.rcParams["xtick.labelsize"]).get_size_in_points()
    return float(size) / _BASE_SIZE


def line_width(share: float) -> float:
    """A line width in points, as a share of the style's usual one."""
    return share * float(mpl.rcParams["lines.linewidth"])


class StyledFigure(Figure):
    """A figure that keeps the style it was made in: matplotlib looks up fonts only when a figure is drawn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._style = {key: value for key, value in mpl.rcParams.items() if key.startswith(_STYLE_FAMILIES)}

    def draw(self, renderer: Any) -> None:
        """Draw in the figure's own style."""
        with mpl.rc_context(self._style):
            super().draw(renderer)

    def get_tightbbox(self, renderer: Any = None, *, bbox_extra_artists: Any = None) -> Bbox:
        """The room that is needed in the figure's own style."""
        with mpl.rc_context(self._style):
            return super().get_tightbbox(renderer, bbox_extra_artists=bbox_extra_artists)

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Save in the figure's own style."""
        with mpl.rc_context(self._style):
            super().savefig(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        """In a notebook, with or without a backend of its own."""
        drawn = io.BytesIO()
        self.savefig(drawn, format="png", dpi=100, bbox_inches="tight", facecolor="white")
        return drawn.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """A figure of a size in inches for numbers of 10 points on the axes, larger if the style's are.

    It belongs to no backend and to no list of open figures: whoever drops it has closed it. Save it with
    ``bbox_inches="tight"``, which makes room for labels; a layout engine would double the time of drawing.
    """
    scale = size_scale()
    return StyledFigure(figsize=(scale * width, scale * height))


def tight_box(figure: Figure) -> Bbox:
    """What ``bbox_inches="tight"`` finds anew for each file, in inches, without a drawing for it."""
    if figure.get_layout_engine() is not None:
        # A figure of somebody else's, whose axes have their places once it is drawn.
        figure.draw_without_rendering()
    return figure.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])


def stacked_axes(
    heights: tuple[float, ...], width: float = 6.4, height: float = 5.6
) -> tuple[Figure, list[Axes]]:
    """A figure with panels above each other that share the m_jj axis; `heights` are their relative heights."""
    figure = new_figure(width, height)
    ratios = {"height_ratios": heights, "hspace": 0.06}
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw=ratios)[:, 0].tolist()
    figure.align_ylabels(axes)
    return figure, axes


def add_label(axes: Axes, label: ExperimentLabel | None) -> None:
    """Write the experiment's label above the axes, if there is one to write."""
    figure = axes.get_figure(root=True)
    if label is not None and figure is not None:
        # The parts of the label are placed by each other's sizes, which are known once drawn.
        figure.draw_without_rendering()
        mplhep.label.exp_label(
            exp=label.experiment, text=label.text, rlabel=label.right, data=True, loc=0, ax=axes
        )


# What counts in bins of different widths are drawn per, GeV.
_DRAWN_WIDTH = 100.0


def per_bin(bins: MassBins) -> str:
    """``100 GeV``: the width of the m_jj bins, or what counts are drawn per where it differs, for axis labels."""
    width = (bins.high - bins.low) / bins.n_bins if bins.widths is None else _DRAWN_WIDTH
    return f"{width:g} GeV"


def drawn_share(bins: MassBins) -> NDArray[np.float64]:
    """What counts are multiplied by to be drawn per :func:`per_bin`, shape (b,): 1 for bins of one width."""
    return np.ones(bins.n_bins) if bins.widths is None else _DRAWN_WIDTH / bins.widths


def drawn_curve(values: NDArray[np.float64], bins: MassBins) -> NDArray[np.float64]:
    """A fitted function, of counts per bin or per GeV, per :func:`per_bin`."""
    return values if bins.widths is None else _DRAWN_WIDTH * values


def draw_counts(axes: Axes, counts: NDArray[np.float64], bins: MassBins, *, colour: str, label: str) -> None:
    """Counts with their Poisson intervals, per :func:`per_bin`."""
    how: dict[str, Any] = {
        "bins": bins.edges,
        "histtype": "errorbar",
        "color": colour,
        "label": label,
        "ax": axes,
    }
    if bins.widths is None:
        mplhep.histplot(counts, yerr=True, w2method="poisson", **how)
        return
    share = drawn_share(bins)
    # Garwood's interval, as mplhep's own.
    tail = special.ndtr(-1)
    low = np.where(counts > 0, special.gammaincinv(np.maximum(counts, 1e-9), tail), 0.0)
    high = special.gammaincinv(counts + 1, 1 - tail)
    mplhep.histplot(counts * share, yerr=np.stack([counts - low, high - counts]) * share, **how)


def colours(n: int) -> list[str]:
    """`n` colours, from the start again after the sixth."""
    return [SERIES[index % len(SERIES)] for index in range(n)]


def fit_legend(
    axes: Axes,
    edges: ArrayLike,
    tops: ArrayLike,
    *,
    side: Literal["left", "right"] = "right",
    **options: Any,
) -> None:
    """Draw the legend at the top, and raise the upper limit until it hides nothing.

    The size of the legend depends on the font, so it is measured once drawn. Points with error bars come first.

    Parameters
    ----------
    axes
        With both limits set, but for the upper one of the y axis.
    edges, tops
        Bin edges, shape (b + 1,), and the highest thing drawn in each bin, shape (b,).
    side
        Where the legend stands.
    options
        For the legend, such as its title.
    """
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(handles)), key=lambda index: not isinstance(handles[index], ErrorbarContainer))
    legend = axes.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="upper left" if side == "left" else "upper right",
        borderaxespad=0.4,
        alignment="left",
        **options,
    )
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()
    (left, bottom), (right, _) = axes.transAxes.inverted().transform(legend.get_window_extent())
    start, stop = (axes.transLimits.inverted().transform((x, 0.0))[0] for x in (left, right))
    heights, ends = np.asarray(tops, dtype=np.float64), np.asarray(edges)
    below_legend = heights[(ends[1:] > start) & (ends[:-1] < stop)]
    room = max(bottom - _MARGIN, _LEAST_SHARE)
    _raise_limit(axes, [(float(heights.max()), 1 - _MARGIN), (float(below_legend.max()), room)])


def legend_below(axes: Axes, *, columns: int = 2, **options: Any) -> None:
    """Draw the legend below the label of the x axis, so that the panel keeps all of its height for what is drawn.

    Parameters
    ----------
    axes
        The axes; the label of x is one line.
    columns
        Columns of the legend.
    options
        For the legend, such as its title.
    """
    figure = axes.get_figure(root=True)
    # Numbers, label and the space around them, in points.
    below = offset_copy(axes.transAxes, fig=figure, y=-4.2 * _BASE_SIZE * size_scale(), units="points")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0, ncols=columns,
        alignment="left", **options,
    )  # fmt: skip


def _raise_limit(axes: Axes, wanted: list[tuple[float, float]]) -> None:
    """Set the upper limit of the y axis so that each height is at most at its share of the panel."""
    log = axes.get_yscale() == "log"
    low = axes.get_ylim()[0]
    if log:
        reach = max(np.log(height / low) / share for height, share in wanted if height > 0)
        axes.set_ylim(low, low * np.exp(reach))
    else:
        axes.set_ylim(low, low + max((height - low) / share for height, share in wanted))


def plain_text(text: str) -> str:
    """A text of the card, which is no mathtext: a lone or broken ``$...$`` would end the drawing."""
    return text.replace("$", r"\$")


def math_number(value: float, digits: int = 2) -> str:
    """A number for mathtext: ``0.012``, or ``5.5 \\times 10^{-8}`` where it is tiny."""
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:#.{digits}g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}"
