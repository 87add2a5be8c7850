"""What differs between two mappings, as lines for messages."""

from __future__ import annotations

from hepcs._core.differences import LISTED, differences, shortened


def test_by_dotted_key_in_the_order_of_the_first() -> None:
    before = {"b": {"x": 1, "y": (2, 3)}, "a": "same", "gone": 0}
    now = {"a": "same", "b": {"x": 1, "y": [2, 4], "z": {}}}
    assert differences(before, now, ("there", "here")) == (
        "b.y: [2, 3] there, [2, 4] here",
        "gone: 0 there, absent here",
        "b.z: absent there, {} here",
    )
    assert differences(before, before, ("there", "here")) == ()


def test_long_values_are_shortened() -> None:
    (line,) = differences({"a": {"b": list(range(1000))}}, {"a": {"b": []}}, ("before", "now"))
    assert line.startswith("a.b: [0, 1, 2")
    assert line.endswith("... before, [] now")
    assert len(line) < 130


def test_so_many_are_listed() -> None:
    lines = tuple(f"key {i}" for i in range(LISTED + 2))
    assert shortened(lines[:2]) == "  key 0\n  key 1"
    assert shortened(lines).splitlines()[-2:] == [f"  key {LISTED - 1}", "  and 2 more"]
