"""Poisson fits of background and signal together, compiled: one signal strength, the background profiled.

The mean is mu = exp(Q c + o) + s t, with an orthonormal basis Q of the background's logarithm, its coefficients c,
an offset o of each bin, a signal template t and its strength s. Summation is in a fixed order, and exponentials
are the C library's.
"""

from __future__ import annotations

import math

import numpy as np

from hepcs._core.compilation import compiled
from hepcs.background.kernels import bounded

# Steps of a fit; large counts need some five, a handful of events in all some twenty.
_MAX_STEPS = 100
_MAX_HALVINGS = 40
# Square of the distance to the maximum, in standard deviations, at which a fit is finished.
_TOLERANCE = 1e-12
# Of the information on a parameter, what must be left when the others are profiled: with less, the template is
# a shape of the background.
_MIN_INFORMATION = 1e-8


@compiled
def profile_strengths(counts, coefficients, basis, templates, offset):  # type: ignore[no-untyped-def]
    """Fit each of m templates, (m, b), to each of t spectra, (t, b), from its fit without signal, (t, n).

    `offset`, (b,), is added to the logarithm of the background.

    Returns the strengths with their errors, q0 = 2 ln(L / L(s = 0)), and the score at s = 0, each (t, m); the
    coefficients, (t, m, n); and which fits converged, (t, m).
    """
    (t, n), m = coefficients.shape, templates.shape[0]
    strength, error, q0, score = np.zeros((t, m)), np.zeros((t, m)), np.zeros((t, m)), np.zeros((t, m))
    fitted, converged = np.empty((t, m, n)), np.zeros((t, m), dtype=np.bool_)
    parameters = np.empty(n + 1)
    for i in range(t):
        for j in range(m):
            parameters[:n] = coefficients[i]
            parameters[n] = 0.0
            converged[i, j], error[i, j], q0[i, j], score[i, j] = _fit(
                counts[i], basis, templates[j], offset, parameters
            )
            strength[i, j] = parameters[n]
            fitted[i, j] = parameters[:n]
    return strength, error, q0, score, fitted, converged


@compiled
def _fit(counts, basis, template, offset, parameters):  # type: ignore[no-untyped-def]
    """Newton's method from (c, 0), in place; each step halved until the likelihood rises, and mu > 0.

    The likelihood is not concave with a signal. Where it is not, the step is Fisher's, with the expected
    information, which is always positive. That alone would not do: for a template that is almost a shape of the
    background it creeps.

    Returns whether it converged, the error of the strength, q0, and the score at s = 0.
    """
    size = parameters.size
    null, mean = np.empty(counts.size), np.empty(counts.size)
    step, root = np.empty(size), np.empty((size, size))
    trial = parameters.copy()
    _set_mean(basis, template, offset, parameters, null)
    mean[:] = null
    # What rounding leaves of a change of the likelihood.
    noise = 1e-15 * (1 + counts.sum())
    q0, score = 0.0, 0.0
    for number in range(_MAX_STEPS):
        concave, decrement, slope = _step(counts, basis, template, mean, parameters[-1], True, step, root)
        if number == 0:
            score = slope
        determined = concave
        if not concave:
            determined, decrement, _ = _step(counts, basis, template, mean, parameters[-1], False, step, root)
        if not determined:
            return False, 0.0, q0, score
        if decrement < _TOLERANCE:
            # Elsewhere than at a maximum the gradient can vanish as well.
            return concave, 1 / root[-1, -1], max(q0, 0.0), score
        share, rises = 1.0, False
        for _ in range(_MAX_HALVINGS):
            for k in range(size):
                trial[k] = parameters[k] + share * step[k]
            if _set_mean(basis, template, offset, trial, mean):
                rise = _likelihood_ratio(counts, mean, null)
                if rise >= q0 - noise:
                    rises = True
                    break
            share /= 2
        if not rises:
            return False, 0.0, q0, score
        q0 = rise
        parameters[:] = trial
    return False, 0.0, q0, score


@compiled
def _set_mean(basis, template, offset, parameters, mean):  # type: ignore[no-untyped-def]
    """Write mu into `mean`; whether it is positive in every bin."""
    positive = True
    for b in range(mean.size):
        log_background = offset[b]
        for k in range(basis.shape[1]):
            log_background += basis[b, k] * parameters[k]
        mean[b] = math.exp(bounded(log_background)) + parameters[-1] * template[b]
        positive = positive and mean[b] > 0
    return positive


@compiled
def _likelihood_ratio(counts, mean, null):  # type: ignore[no-untyped-def]
    """2 ln(L(mean) / L(null)), bin by bin, so that large terms do not cancel between bins."""
    total = 0.0
    for b in range(counts.size):
        total += counts[b] * math.log(mean[b] / null[b]) - (mean[b] - null[b])
    return 2 * total


@compiled
def _step(counts, basis, template, mean, strength, observed, step, root):  # type: ignore[no-untyped-def]
    """The step I^-1 g with the information I, observed or expected, and the score g, and the triangle `root` of I.

    The strength is the last parameter, so the last entry of the triangle is the square root of the information on
    it with all others profiled. Returns whether I is positive definite, g . step, and the score of the strength.
    """
    size = step.size
    score, slopes = np.zeros(size), np.empty(size)
    root[:] = 0.0
    for b in range(counts.size):
        background = mean[b] - strength * template[b]
        excess = counts[b] / mean[b] - 1
        for k in range(size - 1):
            slopes[k] = background * basis[b, k]
        slopes[size - 1] = template[b]
        weight = (1 + excess) / mean[b] if observed else 1 / mean[b]
        # Second derivatives of mu, which has them in the coefficients of the background only.
        bend = excess * background if observed else 0.0
        for k in range(size):
            score[k] += excess * slopes[k]
            for q in range(k + 1):
                root[k, q] += weight * slopes[k] * slopes[q]
        for k in range(size - 1):
            for q in range(k + 1):
                root[k, q] -= bend * basis[b, k] * basis[b, q]
    if not _cholesky(root):
        return False, 0.0, score[-1]
    decrement = 0.0
    for k in range(size):
        step[k] = score[k]
        for q in range(k):
            step[k] -= root[k, q] * step[q]
        step[k] /= root[k, k]
        decrement += step[k] * step[k]
    for k in range(size - 1, -1, -1):
        for q in range(k + 1, size):
            step[k] -= root[q, k] * step[q]
        step[k] /= root[k, k]
    return True, decrement, score[-1]


@compiled
def _cholesky(matrix):  # type: ignore[no-untyped-def]
    """Replace the lower triangle of a symmetric matrix by its Cholesky factor; whether it has one."""
    for k in range(matrix.shape[0]):
        for q in range(k + 1):
            rest = matrix[k, q]
            for p in range(q):
                rest -= matrix[k, p] * matrix[q, p]
            if q < k:
                matrix[k, q] = rest / matrix[q, q]
            elif not rest > _MIN_INFORMATION * matrix[k, k]:
                return False
            else:
                matrix[k, k] = math.sqrt(rest)
    return True
