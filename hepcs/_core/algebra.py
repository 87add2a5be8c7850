"""Linear algebra of a few parameters, in a fixed order of summation.

A BLAS has another kernel for each kind of processor, and each its own last bits: what decides on an event or a fit
must not depend on it. For systems of a handful of unknowns it is not faster either. Without fused multiply-add
(numba's default) the bits are those of IEEE arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepcs._core.compilation import compiled

Floats = NDArray[np.float64]

# Sweeps of Jacobi's method; it converges quadratically, in some six of them.
_SWEEPS = 30


def product(a: NDArray[np.floating] | NDArray[np.integer], b: NDArray[np.floating]) -> Floats:
    """Matrix product of (m, k) with (k, n) or with (k,), float64."""
    left, right = _plain(a), _plain(b)
    if right.ndim == 1:
        return np.asarray(_product(left, right[:, np.newaxis]))[:, 0]
    return np.asarray(_product(left, right))


def solutions(matrices: Floats, right: Floats) -> Floats:
    """Solutions of t systems of n equations, (t, n, n) and (t, n): (t, n), not finite where one is singular."""
    return np.asarray(_solutions(_plain(matrices), _plain(right)))


def orthonormalised(columns: Floats) -> tuple[Floats, Floats]:
    """Orthonormal columns Q, shape (b, n), and the upper triangle R, (n, n), with Q R the columns, shape (b, n).

    By Gram and Schmidt, twice for each column: enough for any columns that are independent to working precision
    (Giraud et al., Numer. Math. 101 (2005) 87).
    """
    basis, triangle = _orthonormalised(_plain(columns))
    return np.asarray(basis), np.asarray(triangle)


def triangle_solutions(triangle: Floats, right: Floats) -> Floats:
    """Solution x of ``triangle x = right`` for an upper triangle, (n, n), and (n, m) or (n,)."""
    if right.ndim == 1:
        return np.asarray(_triangle_solutions(_plain(triangle), _plain(right)[:, np.newaxis]))[:, 0]
    return np.asarray(_triangle_solutions(_plain(triangle), _plain(right)))


def eigen(matrix: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues, shape (n,), in no order, and eigenvectors as columns, (n, n), of a symmetric matrix (n, n)."""
    values, vectors = _eigen(_plain(matrix))
    return np.asarray(values), np.asarray(vectors)


def smallest_eigenvalues(matrices: Floats) -> Floats:
    """The smallest eigenvalue of each of t symmetric matrices, (t, n, n), shape (t,)."""
    return np.asarray(_smallest_eigenvalues(_plain(matrices)))


def _plain(array: NDArray[np.generic]) -> Floats:
    """Contiguous float64, one layout for all calls: each other one would be compiled anew."""
    return np.ascontiguousarray(array, dtype=np.float64)


@compiled
def _product(a, b):  # type: ignore[no-untyped-def]
    out = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            value = a[i, k]
            for j in range(b.shape[1]):
                out[i, j] += value * b[k, j]
    return out


@compiled
def _solutions(matrices, right):  # type: ignore[no-untyped-def]
    """Gaussian elimination, the largest entry of each column as its pivot."""
    t, n = right.shape
    out = right.copy()
    for s in range(t):
        a, x = matrices[s].copy(), out[s]
        for c in range(n):
            pivot = c
            for r in range(c + 1, n):
                if abs(a[r, c]) > abs(a[pivot, c]):
                    pivot = r
            if pivot != c:
                for j in range(n):
                    a[c, j], a[pivot, j] = a[pivot, j], a[c, j]
                x[c], x[pivot] = x[pivot], x[c]
            for r in range(c + 1, n):
                factor = a[r, c] / a[c, c]
                for j in range(c + 1, n):
                    a[r, j] -= factor * a[c, j]
                x[r] -= factor * x[c]
        for r in range(n - 1, -1, -1):
            for j in range(r + 1, n):
                x[r] -= a[r, j] * x[j]
            x[r] /= a[r, r]
    return out


@compiled
def _orthonormalised(columns):  # type: ignore[no-untyped-def]
    b, n = columns.shape
    basis, triangle = np.zeros((b, n)), np.zeros((n, n))
    for c in range(n):
        column = columns[:, c].copy()
        for _ in range(2):
            for j in range(c):
                overlap = 0.0
                for i in range(b):
                    overlap += basis[i, j] * column[i]
                triangle[j, c] += overlap
                for i in range(b):
                    column[i] -= overlap * basis[i, j]
        square = 0.0
        for i in range(b):
            square += column[i] * column[i]
        triangle[c, c] = np.sqrt(square)
        for i in range(b):
            basis[i, c] = column[i] / triangle[c, c]
    return basis, triangle


@compiled
def _triangle_solutions(triangle, right):  # type: ignore[no-untyped-def]
    out = right.copy()
    for m in range(right.shape[1]):
        for r in range(right.shape[0] - 1, -1, -1):
            for j in range(r + 1, right.shape[0]):
                out[r, m] -= triangle[r, j] * out[j, m]
            out[r, m] /= triangle[r, r]
    return out


@compiled
def _eigen(matrix):  # type: ignore[no-untyped-def]
    """Jacobi's rotations, which also find small eigenvalues beside large ones."""
    n = matrix.shape[0]
    a, vectors = matrix.copy(), np.eye(n)
    for _ in range(_SWEEPS):
        rotated = False
        for p in range(n - 1):
            for q in range(p + 1, n):
                # Too small to change either of the two.
                if abs(a[p, q]) <= 1e-17 * np.sqrt(abs(a[p, p] * a[q, q])):
                    continue
                rotated = True
                theta = (a[q, q] - a[p, p]) / (2 * a[p, q])
                tangent = 1 / (abs(theta) + np.sqrt(theta * theta + 1))
                if theta < 0:
                    tangent = -tangent
                cosine = 1 / np.sqrt(tangent * tangent + 1)
                sine = tangent * cosine
                for i in range(n):
                    a[i, p], a[i, q] = cosine * a[i, p] - sine * a[i, q], sine * a[i, p] + cosine * a[i, q]
                for i in range(n):
                    a[p, i], a[q, i] = cosine * a[p, i] - sine * a[q, i], sine * a[p, i] + cosine * a[q, i]
                    vectors[i, p], vectors[i, q] = (
                        cosine * vectors[i, p] - sine * vectors[i, q],
                        sine * vectors[i, p] + cosine * vectors[i, q],
                    )
                a[p, q] = a[q, p] = 0.0
        if not rotated:
            break
    return np.diag(a).copy(), vectors


@compiled
def _smallest_eigenvalues(matrices):  # type: ignore[no-untyped-def]
    out = np.empty(matrices.shape[0])
    for s in range(matrices.shape[0]):
        out[s] = _eigen(matrices[s])[0].min()
    return out
