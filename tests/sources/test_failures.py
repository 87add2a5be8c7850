"""Why a file cannot be read: servers, locks, rights and types, each told as what it is."""

from __future__ import annotations

import errno
import fcntl
import http.server
import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from hepcs._core.errors import InputError
from hepcs.sources import failures, hdf5, rootio
from hepcs.sources.failures import explain, passes
from hepcs.sources.lhco import LhcoFiles
from hepcs.sources.root import RootFiles
from hepcs.sources.writing import LhcoWriter, RootWriter

EVENTS = ak.Array([[{"pt": 1.0 + i, "eta": 0.5, "phi": 0.1} for i in range(3)] for _ in range(20)])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(failures, "_WAIT", 0.01)
    yield
    rootio.close_opened()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[list[int]], str]]:
    """A function that serves a ROOT file, after answers with the given HTTP statuses; 0 for no answer at all."""
    with RootWriter(tmp_path / "a.root") as writer:
        writer.write(EVENTS)
    content = (tmp_path / "a.root").read_bytes()
    stop, servers = threading.Event(), []

    def serve(statuses: list[int]) -> str:
        left = iter(statuses)

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                status = next(left, 206)
                if status == 0:
                    stop.wait(30)
                    self.close_connection = True
                    return
                first, _, last = (
                    (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")
                )
                end = min(int(last) + 1 if last else len(content), len(content))
                body = content[int(first) : end] if status == 206 else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if body:
                    self.send_header("Content-Range", f"bytes {first}-{end - 1}/{len(content)}")
                self.end_headers()
                self.wfile.write(body)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append((server, threading.Thread(target=server.serve_forever)))
        servers[-1][1].start()
        return f"http://127.0.0.1:{server.server_address[1]}/a.root"

    yield serve
    stop.set()
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (403, "HTTP status 403: The server does not let you read it"),
        (404, "There is no such file"),
        (503, r"HTTP status 503: The server is overloaded or out of order, asked 3 times"),
    ],
)
def test_what_a_server_answers(served, status: int, told: str) -> None:
    url = served([status] * 20)
    with pytest.raises(InputError, match=rf"{url}: cannot read .*{told}") as caught:
        RootFiles((url,)).chunks()
    assert "damaged" not in str(caught.value)


def test_a_busy_server_is_asked_again(served, caplog: pytest.LogCaptureFixture) -> None:
    source = RootFiles((served([503, 429]),))
    with caplog.at_level(logging.WARNING):
        (chunk,) = source.chunks()
    assert source.read(chunk).pt.to_list() == EVENTS.pt.to_list()
    assert [record.getMessage().rpartition(";")[2] for record in caplog.records] == [
        " try 1 of 3",
        " try 2 of 3",
    ]


def test_a_silent_server_is_given_up(served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootio, "PATIENCE", 0.3)
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"No answer within .* asked 3 times"):
        RootFiles((served([0] * 20),)).chunks()
    assert time.monotonic() - begin < 10


def test_nobody_listens() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{one.getsockname()[1]}/a.root"
    with pytest.raises(InputError, match=r"connection refused\): check host and port"):
        RootFiles((url,)).chunks()


@pytest.fixture
def table(tmp_path: Path) -> str:
    with LhcoWriter(tmp_path / "a.h5") as writer:
        writer.write(EVENTS)
    return str(tmp_path / "a.h5")


def test_a_file_that_is_being_written_is_told_as_that(table: str) -> None:
    descriptor = os.open(table, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(InputError, match=r"a\.h5: cannot read .*Another program has it open for writing"):
            LhcoFiles((table,)).chunks()
    finally:
        os.close(descriptor)
    assert LhcoFiles((table,)).chunks()


def test_a_disk_without_locks_is_read(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = h5py.File, []

    def without_locks(path: str, mode: str, locking: object) -> h5py.File:
        asked.append(locking)
        if locking is not False:
            raise OSError(errno.ENOLCK, "Unable to synchronously open file (unable to lock file, errno = 37)")
        return real(path, mode, locking=locking)

    monkeypatch.setattr(hdf5.h5py, "File", without_locks)
    source = LhcoFiles((table,))
    assert source.read(source.chunks()[0]).pt.to_list() == EVENTS.pt.to_list()
    assert set(asked) == {"best-effort", False}


def test_a_branch_that_uproot_cannot_read_is_told_as_that(tmp_path: Path, monkeypatch) -> None:
    with RootWriter(tmp_path / "a.root") as writer:
        writer.write(EVENTS)
    source = RootFiles((str(tmp_path / "a.root"),))
    (chunk,) = source.chunks()

    def unknown(self, *args, **kwargs):
        raise uproot.interpretation.identify.UnknownInterpretation(
            "none of the rules matched", "a.root", "/Events"
        )

    monkeypatch.setattr(uproot.TBranch, "array", unknown)
    with pytest.raises(
        InputError, match=r"entries \[0, 20\) of `Particle_pt`.*of a type that cannot be read here"
    ):
        source.read(chunk)


def caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


CASES = [
    (OSError(errno.EIO, "Input/output error"), "file system, fails", False),
    (PermissionError(errno.EACCES, "Permission denied"), "check its rights", False),
    (caused(ValueError("x"), TimeoutError()), "No answer", True),
    (ConnectionResetError(errno.ECONNRESET, "reset"), "connection broke", True),
    (
        OSError("[ERROR] Server responded with an error: [3011] No such file or directory"),
        "no such file",
        False,
    ),
    (OSError("[FATAL] Auth failed"), "does not let you", False),
    (OSError("[ERROR] Operation expired"), "No answer", True),
    (OSError("Can't read data (required filter 'x' is not registered)"), "compressed in a way", False),
    (OSError("Unable to open file (truncated file: eof = 96)"), "truncated or damaged", False),
    (RuntimeError("Server disconnected"), "connection broke", True),
    (AssertionError(), "truncated or damaged", False),
]


@pytest.mark.parametrize(("error", "told", "may_pass"), CASES, ids=itertools.count())
def test_what_libraries_raise(error: Exception, told: str, may_pass: bool) -> None:
    assert told in explain(error)
    assert passes(error) == may_pass


def test_a_missing_file_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.root: .*There is no such file") as caught:
        RootFiles((str(tmp_path / "gone.root"),)).chunks()
    assert "damaged" not in str(caught.value)
    assert np.isfinite(failures.PATIENCE * failures.TRIES) and failures.PATIENCE * failures.TRIES < 120
