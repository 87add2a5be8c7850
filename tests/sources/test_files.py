"""Finding, fetching and fingerprinting files."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import logging
import os
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from hepcs._core.errors import CardError, InputError
from hepcs.config.sources import LhcoSource
from hepcs.sources import files
from hepcs.sources.files import (
    checksums_by_file,
    fetch,
    fetch_folder,
    file_digest,
    resolve_files,
    verify_checksum,
)


def section(names, **keys) -> LhcoSource:
    return LhcoSource(kind="lhco", files=names, **keys)


def test_the_first_folder_that_has_the_file_wins(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (two / "a.h5").touch()
    assert resolve_files(section("a.h5"), [one, two]) == (str(two / "a.h5"),)
    (one / "a.h5").touch()
    assert resolve_files(section("a.h5"), [one, two]) == (str(one / "a.h5"),)


def test_globs_are_sorted_and_take_files_only(tmp_path: Path) -> None:
    for name in ("b_2.root", "b_10.root", "b_1.root", "c.root"):
        (tmp_path / name).touch()
    (tmp_path / "b_folder.root").mkdir()
    found = resolve_files(section("b_*.root"), [tmp_path])
    assert [Path(name).name for name in found] == ["b_1.root", "b_10.root", "b_2.root"]


def test_a_name_with_brackets_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "run[1].root").touch()
    assert resolve_files(section("run[1].root"), [tmp_path]) == (str(tmp_path / "run[1].root"),)


def test_home_and_environment_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.h5").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SAMPLES", str(tmp_path))
    expected = (str(tmp_path / "a.h5"),)
    assert resolve_files(section("~/a.h5"), [Path("/nowhere")]) == expected
    assert resolve_files(section("$SAMPLES/a.h5"), []) == expected


def test_urls_pass_untouched(tmp_path: Path) -> None:
    urls = ["root://host.example//store/a.root", "https://host.example/b.root?x=[1]"]
    assert resolve_files(section(urls), [tmp_path]) == tuple(urls)


def test_all_missing_files_in_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    here = section(
        ["lost.h5", "none_*.h5", "$NOT_SET/x.h5"],
        url="https://host.example/lost.h5",
        checksum="md5:0123",
        record="Zenodo 4536377",
    )
    with pytest.raises(InputError) as caught:
        resolve_files(here, [tmp_path / "a", tmp_path / "b"])
    text = str(caught.value)
    for part in (
        str(tmp_path / "a" / "lost.h5"),
        str(tmp_path / "b" / "lost.h5"),
        str(tmp_path / "b" / "none_*.h5"),
        "https://host.example/lost.h5",
        "md5:0123",
        "Zenodo 4536377",
        "--fetch",
        "demo.yaml",
        "environment variable",
    ):
        assert part in text


def test_without_a_url_nothing_is_said_about_fetching(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolve_files(section("lost.h5"), [tmp_path])
    assert "--fetch" not in str(caught.value)
    assert "demo.yaml" in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match="It is a folder"):
        resolve_files(section("sub"), [tmp_path])


def test_one_file_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h5").touch()
    (tmp_path / "link.h5").symlink_to(tmp_path / "a.h5")
    for names in (["a.h5", "*.h5"], ["a.h5", "link.h5"]):
        with pytest.raises(InputError, match="more than once"):
            resolve_files(section(names), [tmp_path])


def test_a_list_of_files(tmp_path: Path) -> None:
    for name in ("a_1.h5", "a_2.h5", "b.h5"):
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("# signal\n\n a_*.h5\r\nroot://host//c.root\n")
    found = resolve_files(section(["@list.txt", "b.h5"]), [tmp_path])
    places = [str(tmp_path / name) for name in ("a_1.h5", "a_2.h5", "b.h5")]
    assert found == (*places[:2], "root://host//c.root", places[2])
    (tmp_path / "list.txt").write_text("b.h5\nlost.h5\n")
    with pytest.raises(InputError, match=r"there is no file `lost\.h5`"):
        resolve_files(section("@list.txt"), [tmp_path])
    with pytest.raises(InputError, match=r"more than once"):
        (tmp_path / "list.txt").write_text("b.h5\n")
        resolve_files(section(["@list.txt", "b.h5"]), [tmp_path])
    for content, problem in (("# nothing", "names no file"), ("@list.txt", "names another list")):
        (tmp_path / "list.txt").write_text(content)
        with pytest.raises(InputError, match=rf"list\.txt: {problem}"):
            resolve_files(section("@list.txt"), [tmp_path])
    with pytest.raises(InputError, match=r"no list of files `@gone\.txt`"):
        resolve_files(section("@gone.txt"), [tmp_path])


def test_a_wildcard_in_a_url_is_told_as_that(tmp_path: Path) -> None:
    for url in ("root://host//store/qcd_*.root", "https://host/*.root", "file:///data/*.root"):
        with pytest.raises(InputError, match=r"a URL with a wildcard.*@list\.txt"):
            resolve_files(section(url), [tmp_path])


def test_brackets_and_accents_of_folders_are_found_as_they_are_typed(tmp_path: Path) -> None:
    folder = tmp_path / unicodedata.normalize("NFD", "caf\u00e9 [v1]")
    folder.mkdir()
    (folder / "q_1.h5").touch()
    for name in ("caf\u00e9 [v1]/q_*.h5", "caf\u00e9 [v1]/q_1.h5", "caf\u00e9 ?v1?/q_[0-9].h5"):
        assert resolve_files(section(name), [tmp_path]) == (str(folder / "q_1.h5"),)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """A web server with one file, and its content."""
    content = os.urandom(300_000)
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "a.h5").write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    ) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/a.h5", content
        httpd.shutdown()
        thread.join()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_fetch_verifies_and_is_found_afterwards(server, no_proxy, tmp_path: Path, caplog) -> None:
    url, content = server
    checksum = f"md5:{hashlib.md5(content).hexdigest()}"
    here = section("data/a.h5", url=url, checksum=checksum)
    with caplog.at_level(logging.INFO):
        path = fetch(here, tmp_path / "cache")
    assert path == tmp_path / "cache" / "a.h5"
    assert path.read_bytes() == content
    assert any("fetched 0 of 0 MB" in record.getMessage() for record in caplog.records)
    modified = path.stat().st_mtime_ns
    assert fetch(here, tmp_path / "cache") == path
    assert path.stat().st_mtime_ns == modified
    assert [p.name for p in path.parent.iterdir()] == ["a.h5"]


def test_fetch_with_another_checksum(server, no_proxy, tmp_path: Path) -> None:
    url, _ = server
    here = section("a.h5", url=url, checksum=f"sha256:{'0' * 64}")
    with pytest.raises(InputError, match=r"http://127.*a\.h5.*hash"):
        fetch(here, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_fetch_what_is_not_there(server, no_proxy, tmp_path: Path) -> None:
    url, _ = server
    with pytest.raises(InputError, match=r"404.*network"):
        fetch(section("b.h5", url=url.replace("a.h5", "b.h5"), checksum="md5:00"), tmp_path)


def test_fetch_needs_one_file_and_a_url(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no `url`"):
        fetch(section("a.h5"), tmp_path)
    for names in ("*.h5", ["a.h5", "b.h5"], "https://host.example/a.h5"):
        with pytest.raises(CardError, match="only one plain file"):
            fetch(section(names, url="https://host.example/a.h5"), tmp_path)


def test_digest_is_sha256_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_digest(path) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if what the test wrote were old enough for its checksum to be remembered."""
    monkeypatch.setattr(files, "_SETTLED_AFTER", -1.0)


def test_digest_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch, settled) -> None:
    path, memo = tmp_path / "x", tmp_path / "cache" / "digests.json"
    path.write_bytes(b"abc")
    first = file_digest(path, memo)
    calls = []
    real = files.file_sha256
    monkeypatch.setattr(files, "file_sha256", lambda path: calls.append(1) or real(path))
    assert file_digest(path, memo) == first
    assert not calls
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert file_digest(path, memo) != first
    assert len(calls) == 1
    assert [p.name for p in memo.parent.iterdir()] == ["digests.json"]


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path, settled) -> None:
    path, memo = tmp_path / "x", tmp_path / "digests.json"
    path.write_bytes(b"abc")
    first = file_digest(path, memo)
    status = path.stat()
    time.sleep(0.02)  # a tick of the kernel, in which times of changes are counted
    with path.open("r+b") as file:
        file.write(b"abd")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert file_digest(path, memo) == file_digest(path) != first
    with pytest.raises(InputError, match=rf"x: its checksum is sha256:.*expected {first}"):
        verify_checksum(str(path), first, memo)


def test_what_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    path, memo = tmp_path / "x", tmp_path / "digests.json"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1))
    file_digest(path, memo)
    assert not memo.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 3}', "\udcff"])
def test_a_spoilt_memo_is_made_anew(tmp_path: Path, content: str, settled) -> None:
    path, memo = tmp_path / "x", tmp_path / "digests.json"
    path.write_bytes(b"abc")
    memo.write_bytes(content.encode("utf-8", "surrogateescape"))
    digest = file_digest(path, memo)
    assert digest == file_digest(path)
    assert json.loads(memo.read_text())[str(path.resolve())]["sha256"] == digest.removeprefix("sha256:")


def test_digest_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone"):
        file_digest(tmp_path / "gone")


def test_both_algorithms_are_remembered_beside_each_other(tmp_path: Path, monkeypatch, settled) -> None:
    path, memo = tmp_path / "x", tmp_path / "digests.json"
    path.write_bytes(b"abc")
    # RFC 1321, appendix A.5
    expected = "md5:900150983cd24fb0d6963f7d28e17f72"
    digest = file_digest(path, memo)
    verify_checksum(str(path), expected, memo)
    monkeypatch.setattr(files, "file_sha256", None)
    monkeypatch.setattr(files, "_hash_file", None)
    verify_checksum(str(path), expected, memo)
    verify_checksum(str(path), digest, memo)
    with pytest.raises(InputError, match=rf"x: its checksum is {expected}; expected md5:00"):
        verify_checksum(str(path), "md5:00", memo)


def test_one_checksum_for_each_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = ["a.root", "https://host.example/b.root"]
    assert checksums_by_file(section(names), names) == {}
    assert checksums_by_file(section(names, checksum=["md5:00", "md5:11"]), names) == {"a.root": "md5:00"}
    assert "b.root: read over the network in parts, so its checksum is not verified" in caplog.text
    with pytest.raises(InputError, match=r"1 for 2 files; expected one for each, in this order: a\.root"):
        checksums_by_file(section(names, checksum="md5:00"), names)


def test_a_file_is_fetched_to_where_it_is_looked_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SAMPLES", str(tmp_path / "here" / "deep"))
    here = [tmp_path / "here"]
    assert fetch_folder(section("a.h5"), here, tmp_path / "cache", "samples") == tmp_path / "here"
    assert fetch_folder(section("$SAMPLES/a.h5"), here, tmp_path, "samples") == tmp_path / "here" / "deep"
    cached = str(tmp_path / "cache" / "a.h5")
    assert fetch_folder(section(cached), here, tmp_path / "cache", "samples") == tmp_path / "cache"


@pytest.mark.parametrize("name", ["~/.profile", "../a.h5", "out/a.h5"])
def test_a_card_fetches_nothing_to_places_outside(name: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "out").symlink_to(tmp_path)
    places = [tmp_path / "here"], tmp_path / "cache", "samples.data"
    with pytest.raises(CardError, match=r"samples\.data\.files: .* outside of"):
        fetch_folder(section(name), *places)
    fetch_folder(section(name, checksum="md5:00"), *places)
