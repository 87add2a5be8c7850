"""The compiled kernels of the jet images; they trust their arguments.

Each works on one jet with scratch arrays that stay in the processor's cache; the loops over jets are at the
end of the module. Sums run in double precision and in the order of the constituents, on one thread: the same
input gives the same image, bit by bit. Plain loops throughout: they run as fast as array expressions, and
compile much faster.
"""

from __future__ import annotations

import numpy as np

from hepcs._core.compilation import compiled

# Closer to an axis than this (radians), a constituent is on it: otherwise the rounding of the rotation would
# decide on which side of a pixel's edge the constituents of a one- or two-particle jet fall.
_ON_AXIS = 1e-9
# A second-moment tensor that is this isotropic has no principal axis, only rounding; the jet is not rotated.
_ISOTROPIC = 1e-10


@compiled
def _scratch(offsets):  # type: ignore[no-untyped-def]
    """Room for two coordinates of each constituent of the largest jet."""
    longest = 0
    for jet in range(offsets.size - 1):
        longest = max(longest, offsets[jet + 1] - offsets[jet])
    return np.empty(longest), np.empty(longest)


@compiled
def _divide_into(sums, divisor, out):  # type: ignore[no-untyped-def]
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            out[i, j] = sums[i, j] / divisor


@compiled
def _total(sums, columns):  # type: ignore[no-untyped-def]
    """Sum of an image; column by column first, which the processor does several at a time."""
    columns[:] = 0
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            columns[j] += sums[i, j]
    total = 0.0
    for j in range(columns.size):
        total += columns[j]
    return total


@compiled
def centre(pt, eta, phi, x, y):  # type: ignore[no-untyped-def]
    """Coordinates (x, y) relative to the pT-weighted centroid in (eta, phi).

    Both are first taken relative to the hardest constituent, phi wrapped to (-pi, pi], so that a jet across
    phi = pi is as any other.
    """
    hardest = 0
    for i in range(pt.size):
        if pt[i] > pt[hardest]:
            hardest = i
    total = sum_x = sum_y = 0.0
    for i in range(pt.size):
        dphi = phi[i] - phi[hardest]
        x[i] = eta[i] - eta[hardest]
        y[i] = dphi - 2 * np.pi * np.ceil((dphi - np.pi) / (2 * np.pi))
        total += pt[i]
        sum_x += pt[i] * x[i]
        sum_y += pt[i] * y[i]
    if total > 0:
        for i in range(pt.size):
            x[i] -= sum_x / total
            y[i] -= sum_y / total


@compiled
def rotate(pt, x, y):  # type: ignore[no-untyped-def]
    """Rotate in place so that the major axis of the pT-weighted second-moment tensor lies along x.

    The angle of the major axis is ``atan2(2 M_xy, M_xx - M_yy) / 2``.
    """
    xx = xy = yy = 0.0
    for i in range(pt.size):
        xx += pt[i] * x[i] * x[i]
        xy += pt[i] * x[i] * y[i]
        yy += pt[i] * y[i] * y[i]
    if np.hypot(2 * xy, xx - yy) <= _ISOTROPIC * (xx + yy):
        return
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    cos, sin = np.cos(angle), np.sin(angle)
    for i in range(pt.size):
        x[i], y[i] = cos * x[i] + sin * y[i], cos * y[i] - sin * x[i]


@compiled
def flip(pt, x, y):  # type: ignore[no-untyped-def]
    """Mirror in place so that the quadrant with the most pT is x >= 0, y >= 0; of equal ones the first wins."""
    quadrants = np.zeros(4)
    for i in range(pt.size):
        if abs(x[i]) < _ON_AXIS:
            x[i] = 0.0
        if abs(y[i]) < _ON_AXIS:
            y[i] = 0.0
        quadrants[(0 if x[i] >= 0 else 1) + (0 if y[i] >= 0 else 2)] += pt[i]
    most = 0
    for i in range(1, 4):
        if quadrants[i] > quadrants[most]:
            most = i
    for i in range(pt.size):
        if most % 2 == 1:
            x[i] = -x[i]
        if most >= 2:
            y[i] = -y[i]


@compiled
def to_jet_frame(pt, eta, phi, x, y):  # type: ignore[no-untyped-def]
    """Coordinates (x, y) along the major and the minor axis of the jet: steps 1-3 of SPEC section 2."""
    centre(pt, eta, phi, x, y)
    rotate(pt, x, y)
    flip(pt, x, y)


@compiled
def fill(pt, x, y, half_width, image):  # type: ignore[no-untyped-def]
    """Add up the pT in each pixel of [-half_width, half_width) squared; returns the sum inside."""
    pixels = image.shape[0]
    scale = pixels / (2 * half_width)
    image[:] = 0
    inside = 0.0
    for i in range(pt.size):
        if -half_width <= x[i] < half_width and -half_width <= y[i] < half_width:
            row = min(int((x[i] + half_width) * scale), pixels - 1)
            column = min(int((y[i] + half_width) * scale), pixels - 1)
            image[row, column] += pt[i]
            inside += pt[i]
    return inside


@compiled
def make_image(pt, eta, phi, half_width, x, y, sums, image):  # type: ignore[no-untyped-def]
    """Image of one jet, normalised to one; False, and nothing written, if no pT is inside the crop."""
    if pt.size == 0:
        return False
    x, y = x[: pt.size], y[: pt.size]
    to_jet_frame(pt, eta, phi, x, y)
    inside = fill(pt, x, y, half_width, sums)
    if not inside > 0:
        return False
    _divide_into(sums, inside, image)
    return True


@compiled
def smear(image, gamma, weights, first, last, rows, sums, out):  # type: ignore[no-untyped-def]
    """Scale pixels to ``pixel**gamma``, smear, normalise to one; False if the image has no positive sum.

    The smearing is ``W^T I W`` with ``weights[i, first[i]:last[i]]`` the non-zero part of row i of W. Only
    pixels, and then rows, that are not empty are spread: most of an image is empty.
    """
    pixels = image.shape[0]
    sums[:] = 0
    for i in range(pixels):
        empty = True
        for j in range(pixels):
            value = np.float64(image[i, j])
            if value == 0:
                continue
            if not 0 < value < np.inf:
                return False
            if empty:
                rows[:] = 0
                empty = False
            value = np.sqrt(value) if gamma == 0.5 else value**gamma
            for m in range(first[j], last[j]):
                rows[m] += value * weights[j, m]
        if not empty:
            for k in range(first[i], last[i]):
                weight = weights[i, k]
                for m in range(pixels):
                    sums[k, m] += weight * rows[m]
    total = _total(sums, rows)
    if not total > 0:
        return False
    _divide_into(sums, total, out)
    return True


@compiled
def fill_images(offsets, pt, eta, phi, half_width, images):  # type: ignore[no-untyped-def]
    """Images of all jets, (n, p, p); returns the first jet without pT inside the crop, or -1."""
    x, y = _scratch(offsets)
    sums = np.empty((images.shape[1], images.shape[2]))
    for jet in range(offsets.size - 1):
        part = slice(offsets[jet], offsets[jet + 1])
        if not make_image(pt[part], eta[part], phi[part], half_width, x, y, sums, images[jet]):
            return jet
    return -1


@compiled
def fill_sparse_images(offsets, pt, eta, phi, half_width, pixels, starts, cells, values):  # type: ignore[no-untyped-def]
    """Pixels of all images that are not zero, those of jet j in [starts[j], starts[j + 1]); returns their number.

    `cells` and `values` have room for one pixel a constituent. A jet without pT inside the crop has none.
    """
    x, y = _scratch(offsets)
    sums, image = np.empty((pixels, pixels)), np.empty((pixels, pixels), values.dtype)
    filled = 0
    starts[0] = 0
    for jet in range(offsets.size - 1):
        part = slice(offsets[jet], offsets[jet + 1])
        if make_image(pt[part], eta[part], phi[part], half_width, x, y, sums, image):
            for i in range(pixels):
                for j in range(pixels):
                    if image[i, j] != 0:
                        cells[filled] = i * pixels + j
                        values[filled] = image[i, j]
                        filled += 1
        starts[jet + 1] = filled
    return filled


@compiled
def smear_images(images, gamma, weights, first, last, out):  # type: ignore[no-untyped-def]
    """Reprocess all images, (n, p, p); returns the first one that cannot be, or -1."""
    rows, sums = np.empty(images.shape[1]), np.empty((images.shape[1], images.shape[2]))
    for jet in range(images.shape[0]):
        if not smear(images[jet], gamma, weights, first, last, rows, sums, out[jet]):
            return jet
    return -1


@compiled
def fill_and_smear_images(  # type: ignore[no-untyped-def]
    offsets, pt, eta, phi, half_width, gamma, weights, first, last, out
):
    """Both, jet by jet, without keeping the first image; returns the first jet that is empty, or -1."""
    x, y = _scratch(offsets)
    rows, sums = np.empty(out.shape[1]), np.empty((out.shape[1], out.shape[2]))
    image = np.empty((out.shape[1], out.shape[2]), out.dtype)
    for jet in range(offsets.size - 1):
        part = slice(offsets[jet], offsets[jet + 1])
        if not make_image(pt[part], eta[part], phi[part], half_width, x, y, sums, image):
            return jet
        smear(image, gamma, weights, first, last, rows, sums, out[jet])
    return -1


@compiled
def mark_filled(offsets, pt, eta, phi, half_width, filled):  # type: ignore[no-untyped-def]
    """Which jets have pT inside the crop, (n,)."""
    x, y = _scratch(offsets)
    for jet in range(offsets.size - 1):
        part = slice(offsets[jet], offsets[jet + 1])
        size = offsets[jet + 1] - offsets[jet]
        filled[jet] = False
        if size == 0:
            continue
        to_jet_frame(pt[part], eta[part], phi[part], x[:size], y[:size])
        for i in range(size):
            inside = -half_width <= x[i] < half_width and -half_width <= y[i] < half_width
            if inside and pt[offsets[jet] + i] > 0:
                filled[jet] = True
                break
