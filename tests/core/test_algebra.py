"""Linear algebra of small systems, against that of LAPACK."""

from __future__ import annotations

import numpy as np
import pytest

from hepcs._core.algebra import (
    eigen,
    orthonormalised,
    product,
    smallest_eigenvalues,
    solutions,
    triangle_solutions,
)
from hepcs.background.functions import design_matrix

RNG = np.random.default_rng(1)


def test_products() -> None:
    a, b = RNG.normal(size=(7, 4)), RNG.normal(size=(4, 3))
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-13)
    np.testing.assert_allclose(product(b.T, a.T), b.T @ a.T, rtol=1e-13)
    np.testing.assert_allclose(product(a, b[:, 1]), a @ b[:, 1], rtol=1e-13)
    assert product(np.array([[1, 2]]), np.array([0.5, 0.25])) == 1.0
    assert product(np.zeros((0, 4)), b).shape == (0, 3)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_solutions_of_systems(n: int) -> None:
    matrices, right = RNG.normal(size=(40, n, n)), RNG.normal(size=(40, n))
    np.testing.assert_allclose(
        solutions(matrices, right), np.linalg.solve(matrices, right[..., None])[..., 0], rtol=1e-9
    )


def test_a_system_that_needs_its_rows_exchanged() -> None:
    np.testing.assert_array_equal(
        solutions(np.array([[[0.0, 2.0], [4.0, 0.0]]]), np.array([[2.0, 8.0]])), [[2.0, 1.0]]
    )


def test_a_singular_system_has_no_finite_solution() -> None:
    both = np.array([[[1.0, 2.0], [2.0, 4.0]], [[2.0, 0.0], [0.0, 2.0]]])
    found = solutions(both, np.array([[1.0, 1.0], [2.0, 4.0]]))
    assert not np.isfinite(found[0]).any()
    np.testing.assert_array_equal(found[1], [1.0, 2.0])


def test_columns_that_are_almost_dependent_become_orthonormal() -> None:
    """As those of the dijet function with five parameters."""
    columns = design_matrix(np.arange(3050, 4600, 100), 5, 13_000)
    assert np.linalg.cond(columns) > 1e5
    basis, triangle = orthonormalised(columns)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-14)
    np.testing.assert_allclose(basis @ triangle, columns, rtol=1e-13)
    np.testing.assert_array_equal(triangle, np.triu(triangle))
    coefficients = RNG.normal(size=(5, 2))
    np.testing.assert_allclose(triangle_solutions(triangle, triangle @ coefficients), coefficients, rtol=1e-6)
    np.testing.assert_array_equal(
        triangle_solutions(triangle, coefficients[:, 0]), triangle_solutions(triangle, coefficients)[:, 0]
    )


@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("spread", [1.0, 1e6])
def test_eigenvalues_and_vectors(n: int, spread: float) -> None:
    scales = np.geomspace(1, spread, n)
    rotation = np.linalg.qr(RNG.normal(size=(n, n)))[0]
    matrix = rotation * scales @ rotation.T
    matrix = (matrix + matrix.T) / 2
    values, vectors = eigen(matrix)
    np.testing.assert_allclose(np.sort(values), scales, rtol=1e-9)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=1e-14)
    np.testing.assert_allclose(vectors * values @ vectors.T, matrix, atol=1e-13 * spread)
    assert smallest_eigenvalues(np.stack([matrix, 2 * np.eye(n)])) == pytest.approx([1.0, 2.0])


def test_eigenvalues_of_a_matrix_without_information() -> None:
    assert smallest_eigenvalues(np.zeros((1, 3, 3)))[0] == 0.0
    np.testing.assert_array_equal(eigen(np.zeros((2, 2)))[1], np.eye(2))
