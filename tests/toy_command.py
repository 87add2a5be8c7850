"""A card for toy events, and the command on it: in a process of its own, as a user runs it, or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toy_events import write_toys

from hepcs.analysis.__main__ import main

Ended = subprocess.CompletedProcess[str]

SAMPLES = """\
name: toy
samples:
  background: {kind: root, files: background.root}
  signal: {kind: root, files: signal.root}
"""
# Small enough for tests. Further searches, pseudo-experiments and what else there is come after it.
CARD = f"""\
{SAMPLES}
features: {{image_pca: {{kept_variance: 0.8}}}}
injection: {{epsilon: [0, 150]}}
searches:
  cluster_scanning: {{k: 8, ensemble: 2}}
"""


def toy_folder(folder: Path, card: str, n_background: int = 3000) -> Path:
    """A folder with a card, ``toy.yaml``, and the samples that it names."""
    write_toys(folder / "background.root", n_background, 1)
    write_toys(folder / "signal.root", 400, 2, resonance=3500.0)
    (folder / "toy.yaml").write_text(card)
    return folder


def command(folder: Path, *arguments: str, **settings: Any) -> Ended:
    """The command in a folder, as a process."""
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:hepcs", "-m", "hepcs.analysis", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1"},
        timeout=300,
        **settings,
    )


def command_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """The command in this process, which has imported everything already."""
    capsys.readouterr()
    try:
        code = main(arguments)
    except SystemExit as ended:  # by argparse
        code = ended.code if isinstance(ended.code, int) else 1
    said = capsys.readouterr()
    return Ended(arguments, code, said.out, said.err)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code of the quiet command in this process, and all that it said, in one line."""
    ended = command_here(capsys, *arguments, "--quiet")
    return ended.returncode, " ".join((ended.stdout + ended.stderr).split())
