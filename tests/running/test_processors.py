"""Results do not depend on the kernels that numerical libraries have for a processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info
from toy_command import CARD, toy_folder

SECTIONS = """\
  windows: {like: cluster_scanning, windows: {}}
  fitted: {like: cluster_scanning, background_estimate: fit_of_each, neighbours: 2}
  transferred: {like: cluster_scanning, background_estimate: transfer_factor}
  fit_3: {kind: dijet_fit, parameters: 3}
  fit_4: {kind: dijet_fit, parameters: 4}
  fit_5: {kind: dijet_fit, parameters: 5}
pseudo_experiments: {background_only: 10, doped: 2}
execution: {cache: cache, workers: 1}
"""

PROGRAM = """\
import json
from hepcs.config import read_card
from hepcs.running.identity import this_origin
from hepcs.output import results_digest
from hepcs.pipeline import run
result = run(read_card("toy.yaml"))
print(json.dumps([results_digest(result), this_origin().blas]))
"""

# Whose kernels differ in the length of a vector register and in fused multiply-add.
CORES = ("Sandybridge", "Haswell")


@pytest.mark.slow
@pytest.mark.skipif(
    not any(library.get("internal_api") == "openblas" for library in threadpool_info()),
    reason="needs a NumPy with OpenBLAS",
)
def test_the_same_digest_with_another_kernel_of_linear_algebra(tmp_path: Path) -> None:
    """From the same prepared samples: the first run prepares them."""
    toy_folder(tmp_path, CARD + SECTIONS, 2500)
    found = []
    for core in CORES:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OPENBLAS_CORETYPE": core},
            timeout=300,
        )
        assert ended.returncode == 0, ended.stderr
        found.append(json.loads(ended.stdout))
    (one, kernels), (other, other_kernels) = found
    if kernels == other_kernels:
        pytest.skip(f"OpenBLAS has only one kernel for this processor: {kernels}")
    assert one == other
