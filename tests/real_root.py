"""ROOT itself, for the tests, where a Python with ROOT is found.

``HEPCS_ROOT_PYTHON`` can name that Python: ROOT is often in an environment of its own.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

HAS_ROOT = "import importlib.util, sys; sys.exit(importlib.util.find_spec('ROOT') is None)"


@functools.cache
def python_with_root() -> str | None:
    """A Python that has ROOT."""
    candidates = (
        os.environ.get("HEPCS_ROOT_PYTHON"),
        sys.executable,
        shutil.which("python3"),
        "/usr/bin/python3",
    )
    for python in dict.fromkeys(candidate for candidate in candidates if candidate):
        asked = subprocess.run([python, "-c", HAS_ROOT], check=False, capture_output=True)
        if asked.returncode == 0:
            return python
    return None


def run_root(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program with ROOT, which must end well; the test is skipped where there is no ROOT."""
    python = python_with_root()
    if python is None:
        pytest.skip(
            "no Python with ROOT is found (https://root.cern/install); HEPCS_ROOT_PYTHON can name one"
        )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [python, "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=300,
            cwd=folder,
        )
    assert ended.returncode == 0, ended.stderr
    return ended
