"""Commands that are stopped at any moment end with a word, and with the exit code of what stopped them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from hepcs.analysis.__main__ import main
from hepcs.analysis.stopping import sigterm_as_interrupt

# The command, stopped at the moment at which it begins to import a module.
PROGRAM = """
import os, sys

class Stopper:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(sys.argv[2]))

sys.meta_path.insert(0, Stopper())
from hepcs.analysis.__main__ import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("module", "sent", "arguments"),
    [
        ("rich", signal.SIGINT, ["demo.yaml"]),
        ("hepcs.config", signal.SIGTERM, ["demo.yaml"]),
        ("hepcs.pipeline", signal.SIGINT, ["demo.yaml"]),
        ("hepcs.sources.convert", signal.SIGINT, ["convert", "a.root", "b.h5"]),
        ("hepcs.output.verification", signal.SIGINT, ["verify", "folder"]),
        ("hepcs.output.hepdata", signal.SIGTERM, ["export", "folder", "--pyhf", "a.json"]),
    ],
)
def test_a_stop_at_any_moment_is_said(
    tmp_path: Path, module: str, sent: signal.Signals, arguments: list[str]
) -> None:
    """These keep nothing to go on from, and do not say that they do."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, str(int(sent)), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        # Tests that a shell runs in the background inherit a Ctrl-C that is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    words = "stopped" if sent is signal.SIGINT else "stopped by SIGTERM"
    assert (ended.returncode, ended.stderr) == (128 + sent, f"{words}. The same command begins anew.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_pseudo_experiments_keeps_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*arguments: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hepcs.pipeline.load", stopped)
    assert main(["demo.yaml", "--workers", "1", "--quiet"]) == 143
    assert capsys.readouterr().err == (
        "stopped by SIGTERM. Prepared samples are kept: the same command goes on from there.\n"
    )
    assert not (tmp_path / "runs" / "demo").exists()


def test_what_sigterm_did_before_it_does_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt() as stop:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)  # batch systems may send it again while the command cleans up
    assert stop.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_leave_signals_alone() -> None:
    codes: list[int] = []

    def work() -> None:
        with sigterm_as_interrupt() as stop:
            codes.append(stop.exit_code)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes == [130]
