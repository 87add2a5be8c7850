"""Files in the layout that Aspen Open Jets are published in (arXiv:2412.10504), of toy events."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

CANDIDATES, COLUMNS, TAGS = 150, 11, 13
RUN = 278820  # the first one of 2016 G


def write_aspen(
    path: Path, n: int, seed: int, *, first_event: int = 0, single: int = 0, order: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """n dijets and `single` events of one jet, after each other; rows in another order if one is given.

    Returns pT, eta, phi and mass of the sums of the weighted candidates, (jets, 4), and weights (jets, 150).
    Stored momenta are 1.1 times these, as energy corrections are.
    """
    rng = np.random.default_rng(seed)
    event = np.concatenate([np.repeat(np.arange(n), 2), np.arange(n, n + single)])
    jets = len(event)
    data = np.zeros((jets, CANDIDATES, COLUMNS), dtype=np.float32)
    m_jj = np.repeat(1500 + rng.exponential(600, size=n + single), np.r_[np.full(n, 2), np.full(single, 1)])
    centre = rng.uniform(-np.pi, np.pi, size=n + single)[event] + np.pi * (np.arange(jets) % 2)
    for jet in range(jets):
        k = int(rng.integers(20, 60))
        pt = rng.dirichlet(np.full(k, 0.6)) * m_jj[jet] / 2 + 0.01
        eta, phi = rng.normal(0, 0.15, k), centre[jet] + rng.normal(0, 0.15, k)
        momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
        data[jet, :k, :3] = momentum
        data[jet, :k, 3] = np.sqrt((momentum**2).sum(axis=1) + 0.1396**2)
        data[jet, :k, 8:10] = (1, 211)
        data[jet, :k, 10] = rng.choice([0.0, 0.5, 1.0], size=k, p=[0.3, 0.1, 0.6])
        data[jet, 0, 10] = 1.0
    weight = data[:, :, 10].astype(float)
    px, py, pz, energy = np.einsum("jci,jc->ij", data[:, :, :4].astype(float), weight)
    pt = np.hypot(px, py)
    mass = np.sqrt(energy**2 - pt**2 - pz**2)
    sums = np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px), mass], axis=1)
    stored = np.stack([1.1 * sums[:, 0], sums[:, 1], sums[:, 2], 0.4 * mass], axis=1)
    ids = np.stack([np.full(jets, RUN), 1 + event // 100, first_event + event], axis=1)
    rows = np.arange(jets) if order is None else order
    with h5py.File(path, "w") as file:
        for name, values in (
            ("event_info", ids.astype(np.int64)),
            ("jet_kinematics", stored.astype(np.float32)),
            ("PFCands", data),
            ("jet_tagging", np.zeros((jets, TAGS), np.float32)),
        ):
            file.create_dataset(
                name, data=values[rows], compression="gzip", chunks=(min(500, jets), *values.shape[1:])
            )
    return sums[rows], weight[rows]
