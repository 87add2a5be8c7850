"""The cost of a fit and its gradient, compiled: in a fixed order of summation, and without numpy's exponential.

That has an own version for processors with AVX-512; here it is the C library's.
"""

from __future__ import annotations

import math

import numpy as np

from hepcs._core.compilation import compiled

# Keeps exp() finite while a minimiser looks around.
MAX_LOG_COUNTS = 300.0


@compiled
def bounded(value):  # type: ignore[no-untyped-def]
    """A logarithm of counts, within the range of a float."""
    return min(max(value, -MAX_LOG_COUNTS), MAX_LOG_COUNTS)


@compiled
def logarithms(x):  # type: ignore[no-untyped-def]
    """ln(1 - x) and ln x, each of shape (m,)."""
    near_one, near_zero = np.empty_like(x), np.empty_like(x)
    for i in range(x.size):
        near_one[i] = math.log1p(-x[i])
        near_zero[i] = math.log(x[i])
    return near_one, near_zero


@compiled
def exponentials(logarithms):  # type: ignore[no-untyped-def]
    """exp of logarithms of counts, bounded, shape (t, b)."""
    out = np.empty_like(logarithms)
    for s in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[s, i] = math.exp(bounded(logarithms[s, i]))
    return out


@compiled
def likelihood_ratios(counts, expected):  # type: ignore[no-untyped-def]
    """2 sum(B - S + S ln(S / B)) of t spectra, (t, b) each, shape (t,)."""
    out = np.zeros(counts.shape[0])
    for s in range(counts.shape[0]):
        for i in range(counts.shape[1]):
            term = expected[s, i] - counts[s, i]
            if counts[s, i] > 0:
                term += counts[s, i] * math.log(counts[s, i] / expected[s, i])
            out[s] += 2 * term
    return out


@compiled
def cost_change(u, counts, central, design):  # type: ignore[no-untyped-def]
    """2 sum(B (exp(r) - 1) - S r) with r = design u, for S counts (b,), B central (b,) and design (b, n)."""
    total = 0.0
    for i in range(counts.size):
        log_ratio = 0.0
        for j in range(u.size):
            log_ratio += design[i, j] * u[j]
        log_ratio = bounded(log_ratio)
        total += central[i] * math.expm1(log_ratio) - counts[i] * log_ratio
    return 2 * total


@compiled
def cost_gradient(u, counts, central, design):  # type: ignore[no-untyped-def]
    """Gradient of `cost_change`, shape (n,): d/du of 2 sum(B - S ln B), where dB/du = B design."""
    out = np.zeros(u.size)
    for i in range(counts.size):
        log_ratio = 0.0
        for j in range(u.size):
            log_ratio += design[i, j] * u[j]
        slope = 2 * (central[i] * math.exp(bounded(log_ratio)) - counts[i])
        for j in range(u.size):
            out[j] += slope * design[i, j]
    return out
