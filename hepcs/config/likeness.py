"""Before a card is validated: searches that are `like` another one, and kinds that a name alone tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hepcs.config.kinds import Group, installed_kinds
from hepcs.config.messages import Location, did_you_mean, shown

#: Sections of the card whose entries have kinds, and where the kinds are registered.
GROUPS: Mapping[str, Group] = {"features": "hepcs.features", "searches": "hepcs.searches"}
# Keys that a search does not take over from the one that it is like.
_OWN = ("like", "title")


class _EntryError(Exception):
    """An entry that cannot be spelled out: its name, the key in it, and what is wrong."""

    def __init__(self, name: str, key: str, text: str) -> None:
        super().__init__(name, key, text)
        self.place = name, key
        self.text = text


def spelled_out(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[Location, str]]]:
    """The card with `kind` in each feature and search, and with `like` replaced by the keys of the other search.

    Mappings inside a search, such as its statistic, are merged key by key; `null` sets a key back to nothing.

    Returns
    -------
    The card, and where and what is wrong: entries of no kind that is installed, or `like` what there is not, or
    in a circle. Entries that are wrong are left out, and so are those that are like them.
    """
    result = dict(given)
    problems: dict[Location, str] = {}
    for section, group in GROUPS.items():
        entries = given.get(section)
        if not isinstance(entries, dict):
            continue
        found: dict[str, Any] = {}
        for name in entries:
            try:
                found[name] = _spelled_out(name, entries, group, ())
            except _EntryError as wrong:
                problems[section, *filter(None, wrong.place)] = wrong.text
        result[section] = found
    return result, list(problems.items())


def _spelled_out(name: str, entries: Mapping[str, Any], group: Group, above: tuple[str, ...]) -> Any:
    """One entry; raises _EntryError, of whichever entry is to be mended."""
    if name in above:
        circle = above[above.index(name) :]
        # The same words wherever the circle is entered.
        first = circle.index(min(circle, key=list(entries).index))
        circle = (*circle[first:], *circle[:first], circle[first])
        raise _EntryError(circle[0], "like", f"goes in a circle: {' -> '.join(circle)}")
    entry = {} if entries[name] is None else entries[name]
    if not isinstance(entry, dict):
        return entry
    if "like" not in entry:
        return {**entry, "kind": _kind(name, entry, group)}
    if group != "hepcs.searches":
        raise _EntryError(name, "like", "is for searches; write the keys out")
    other = entry["like"]
    if not isinstance(other, str) or other not in entries or other == name:
        meant = did_you_mean(str(other), {str(one) for one in entries if one != name})
        raise _EntryError(name, "like", f"found {shown(other)}, expected another search of the card.{meant}")
    base = _spelled_out(other, entries, group, (*above, name))
    if not isinstance(base, dict):
        raise _EntryError(other, "", f"found {shown(base)}, expected a section with keys")
    if entry.get("kind", base["kind"]) != base["kind"]:
        found = f"found {shown(entry['kind'])}, and {other}, which it is like, is of kind {base['kind']!r}"
        raise _EntryError(name, "kind", f"{found}; leave one of the two out")
    own = {key: value for key, value in entry.items() if key != "like"}
    return _merged({key: value for key, value in base.items() if key not in _OWN}, own)


def _kind(name: str, entry: Mapping[str, Any], group: Group) -> str:
    """The kind of an entry, by its key or by its name."""
    known = set(installed_kinds(group))
    what = "search" if group == "hepcs.searches" else "feature"
    kind = entry.get("kind", name)
    if isinstance(kind, str) and kind in known:
        return kind
    if "kind" in entry:
        wrong = f"found {shown(kind)}, which is no kind of {what} that is installed"
    else:
        wrong = f"missing, and {name!r} is no kind of {what} that is installed"
    raise _EntryError(name, "kind", f"{wrong}.{did_you_mean(str(kind), known)} `hepcs searches` lists them")


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of both; where both hold mappings, these merged, else what is `own`."""
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def told_once(
    problems: Iterable[tuple[Location, str]], given: Mapping[str, Any]
) -> Iterator[tuple[Location, str]]:
    """Without the problems that a search only took over from the one that it is like, which has them too."""
    found = dict.fromkeys(problems)
    for location, text in found:
        match location:
            case ("searches", str(name), *keys):
                entry = given.get("searches", {}).get(name)
                other = entry.get("like") if isinstance(entry, dict) else None
                inherited = isinstance(other, str) and (("searches", other, *keys), text) in found
                if inherited and not _holds(entry, keys):
                    continue
        yield location, text


def _holds(entry: Any, keys: Iterable[str | int]) -> bool:
    """Whether a value of the card is written in an entry itself."""
    path = list(keys)
    for key in path:
        try:
            entry = entry[key]
        except (LookupError, TypeError):
            return False
    return bool(path)
