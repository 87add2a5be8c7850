"""The m_jj spectrum of a search for a page: plain SVG that tells the numbers of the bin under the pointer.

It needs no script. A bin that is pointed at, tapped or reached by the keyboard shows its numbers; colours come
from the page (``spectrum.css``), so that it follows the dark mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from hepcs.datasets.samples import MassBins
from hepcs.results import MassSpectrum

# Units of the picture: panels of the spectrum and of the local significance, and where the axes are.
_WIDTH, _TOP, _SPLIT, _BOTTOM, _HEIGHT = 480, 38, 250, 330, 372
_LEFT, _RIGHT = 52, 460
# A spectrum that falls by more than this has a logarithmic axis.
_STEEP = 30.0
_LINE = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"></line>')
_TEXT = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
_PATH = Markup('<path class="{}" d="{}"></path>')
_BOX = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"></rect>')

Scale = Callable[[float], float]


def spectrum_svg(spectrum: MassSpectrum, bins: MassBins, title: str) -> Markup:
    """A spectrum with its estimate and the window of the largest excess, and the local significance below.

    Parameters
    ----------
    spectrum
        In b bins; drawn with its Poisson errors.
    bins
        The b bins.
    title
        What it is, for those who do not see it.
    """
    x = _linear(bins.low, bins.high, _LEFT, _RIGHT)
    error = np.sqrt(spectrum.variance)
    spread = np.sqrt(spectrum.observed)
    y, ticks = _counts_axis(
        spectrum.observed - spread,
        spectrum.expected,
        np.maximum(spectrum.observed + spread, spectrum.expected + error),
    )
    local = np.nan_to_num(spectrum.local_significance)
    z_top = max(3.2, 1.15 * float(local.max(initial=0.0)))
    z = _linear(0.0, z_top, _BOTTOM, _SPLIT + 14)
    parts = [
        *_window(spectrum, bins, x),
        *_frame(bins, x, y, ticks, z, z_top, spectrum.unit),
        _PATH.format("band", _band(spectrum.expected + error, spectrum.expected - error, bins.edges, x, y)),
        _PATH.format("estimate", _steps(spectrum.expected, bins.edges, x, y)),
        *(
            _BOX.format("excess", x(low), z(value), x(high) - x(low), _BOTTOM - z(value))
            for (low, high), value in zip(pairwise(bins.edges), local, strict=True)
        ),
        *_points(spectrum.observed, bins.edges, x, y),
        *_readings(spectrum, bins, x),
    ]
    return Markup('<svg class="spectrum" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, title, Markup("").join(parts)
    )


def _linear(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (float(value) - low) / (high - low) * (end - start)


def _counts_axis(
    lows: NDArray[np.float64], expected: NDArray[np.float64], tops: NDArray[np.float64]
) -> tuple[Scale, Sequence[float]]:
    """Where counts are, and ticks: logarithmic for a steep spectrum without empty bins, else from zero."""
    highest = max(float(tops.max()), 1.0)
    lowest = float(min(lows.min(), expected.min()))
    if lowest > 0 and highest / lowest > _STEEP:
        low, high = math.log10(lowest / 1.3), math.log10(1.5 * highest)
        scale = _linear(low, high, _SPLIT, _TOP)
        ticks = [10.0**n for n in range(math.ceil(low), math.floor(high) + 1)]
        return (lambda value: scale(math.log10(max(float(value), 10.0**low)))), ticks
    high = 1.08 * highest
    return _linear(0.0, high, _SPLIT, _TOP), _round_numbers(0.0, high, 5)


def _round_numbers(low: float, high: float, most: int) -> list[float]:
    """Whole numbers of a range, in steps of 1, 2, 2.5 or 5 times a power of ten that number at most `most`."""
    power = 10.0 ** max(math.floor(math.log10((high - low) / most)), 0)
    steps = (step * power for step in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if step.is_integer() and (high - low) // step <= most)
    return [step * n for n in range(math.ceil(low / step), int(high // step) + 1)]


def _window(spectrum: MassSpectrum, bins: MassBins, x: Scale) -> Iterator[Markup]:
    excess = spectrum.largest_excess(bins.edges)
    if excess.z > 0:
        left, right = (x(min(max(edge, bins.low), bins.high)) for edge in (excess.low, excess.high))
        yield _BOX.format("window", left, _TOP, right - left, _BOTTOM - _TOP)
        text = f"{excess.low:g} to {excess.high:g} GeV: local Z {excess.z:.1f}"
        yield _TEXT.format(
            "label", min(max((left + right) / 2, _LEFT + 100), _RIGHT - 100), _TOP + 14, "middle", text
        )


def _frame(
    bins: MassBins, x: Scale, y: Scale, ticks: Sequence[float], z: Scale, z_top: float, unit: str
) -> Iterator[Markup]:
    for height in (_TOP, _SPLIT, _BOTTOM):
        yield _LINE.format("axis", _LEFT, height, _RIGHT, height)
    for side in (_LEFT, _RIGHT):
        yield _LINE.format("axis", side, _TOP, side, _BOTTOM)
    for tick in ticks:
        yield _LINE.format("grid", _LEFT, y(tick), _RIGHT, y(tick))
        yield _TEXT.format("tick", _LEFT - 6, y(tick) + 4, "end", f"{tick:,.0f}")
    for tick in _round_numbers(0.0, z_top, 3):
        yield _LINE.format("grid", _LEFT, z(tick), _RIGHT, z(tick))
        yield _TEXT.format("tick", _LEFT - 6, z(tick) + 4, "end", f"{tick:g}")
    for tick in _round_numbers(bins.low, bins.high, 6):
        yield _LINE.format("axis", x(tick), _BOTTOM, x(tick), _BOTTOM + 4)
        yield _TEXT.format("tick", x(tick), _BOTTOM + 18, "middle", f"{tick:g}")
    width = (bins.high - bins.low) / bins.n_bins
    yield _TEXT.format("label", _RIGHT, _HEIGHT - 6, "end", "m_jj [GeV]")
    yield _TEXT.format("label", 4, _HEIGHT - 6, "start", "below: local Z")
    yield _TEXT.format("label", 4, 14, "start", f"{unit} / {width:g} GeV: points observed, line expected")


def _steps(values: NDArray[np.float64], edges: NDArray[np.float64], x: Scale, y: Scale) -> str:
    return "M" + " L".join(
        f"{x(edge):.1f},{y(value):.1f}"
        for (low, high), value in zip(pairwise(edges), values, strict=True)
        for edge in (low, high)
    )


def _band(
    high: NDArray[np.float64], low: NDArray[np.float64], edges: NDArray[np.float64], x: Scale, y: Scale
) -> str:
    back = [
        f"{x(edge):.1f},{y(max(value, 0.0)):.1f}"
        for (left, right), value in zip(pairwise(edges), low, strict=True)
        for edge in (left, right)
    ]
    return f"{_steps(high, edges, x, y)} L{' L'.join(reversed(back))} Z"


def _points(
    observed: NDArray[np.float64], edges: NDArray[np.float64], x: Scale, y: Scale
) -> Iterator[Markup]:
    for (low, high), value in zip(pairwise(edges), observed, strict=True):
        centre, spread = x((low + high) / 2), math.sqrt(max(value, 0.0))
        yield _LINE.format("error", centre, y(max(value - spread, 0.0)), centre, y(value + spread))
        yield Markup('<circle class="point" cx="{:.1f}" cy="{:.1f}" r="3.2"></circle>').format(
            centre, y(value)
        )


def _readings(spectrum: MassSpectrum, bins: MassBins, x: Scale) -> Iterator[Markup]:
    """An unseen box over each bin, and what it says while it is pointed at."""
    columns = zip(
        pairwise(bins.edges), spectrum.observed, spectrum.expected, spectrum.local_significance, strict=True
    )
    for (low, high), observed, expected, local in columns:
        text = (
            f"{low:g} to {high:g} GeV: {observed:,.0f} observed, {expected:,.1f} expected, "
            f"local Z {np.nan_to_num(local):.2f}"
        )
        yield Markup('<g class="bin" tabindex="0" role="img" aria-label="{}">{}{}</g>').format(
            text,
            _BOX.format("cell", x(low), _TOP, x(high) - x(low), _BOTTOM - _TOP),
            _TEXT.format("reading", _WIDTH, 32, "end", text),
        )
