"""Before a card is validated: searches that are `like` another one, and kinds that a name alone tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hepcs.config.kinds import Group, installed_kinds
from hepcs.config.messages import Location, did_you_mean, place_of, shown

#: Sections of the card whose entries have kinds, and where the kinds are registered.
GROUPS: Mapping[str, Group] = {"features": "hepcs.features", "searches": "hepcs.searches"}
# Keys that a search does not take over from the one that it is like.
_OWN = ("like", "title")


def spelled_out(
    given: Mapping[str, Any], places: Mapping[Location, str], path: Path
) -> tuple[dict[str, Any], list[str]]:
    """The card with `kind` in each feature and search, and with `like` replaced by the keys of the other search.

    Mappings inside a search, such as its statistic, are merged key by key; `null` sets a key back to nothing.

    Returns
    -------
    The card, and what is wrong: entries without kind, `like` of what there is not, or in a circle. Entries that are
    wrong are left out.
    """
    result, problems = dict(given), []
    for section, group in GROUPS.items():
        entries = given.get(section)
        if not isinstance(entries, dict):
            continue
        found: dict[str, Any] = {}
        for name in entries:
            try:
                found[name] = _spelled_out(name, entries, group, ())
            except ValueError as error:
                place = place_of((section, str(name)), places, path)
                problems.append(f"{place}: {section}.{name}: {error}")
        result[section] = found
    return result, problems


def _spelled_out(name: str, entries: Mapping[str, Any], group: Group, above: tuple[str, ...]) -> Any:
    """One entry; raises ValueError with what is wrong."""
    if name in above:
        raise ValueError(f"`like` goes in a circle: {' -> '.join((*above, name))}")
    entry = {} if entries[name] is None else entries[name]
    if not isinstance(entry, dict):
        return entry
    known = installed_kinds(group)
    if "like" not in entry:
        if "kind" in entry:
            return entry
        if name not in known:
            meant = did_you_mean(str(name), set(known))
            raise ValueError(f"`kind` is missing, and no kind has this name; expected one of them.{meant}")
        return {"kind": name, **entry}
    other = entry["like"]
    if group != "hepcs.searches":
        raise ValueError("unknown key `like`, which is for searches")
    if not isinstance(other, str) or other not in entries:
        meant = did_you_mean(str(other), {str(one) for one in entries if one != name})
        raise ValueError(f"like: found {shown(other)}, expected another search of the card.{meant}")
    base = _spelled_out(other, entries, group, (*above, name))
    if not isinstance(base, dict):
        raise ValueError(f"like: {other} is no section with keys")
    own = {key: value for key, value in entry.items() if key != "like"}
    if own.get("kind", base["kind"]) != base["kind"]:
        raise ValueError(
            f"kind: found {shown(own['kind'])}, and {other}, which it is like, is of kind {base['kind']!r}"
        )
    return _merged({key: value for key, value in base.items() if key not in _OWN}, own)


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of both; where both hold mappings, these merged, else what is `own`."""
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def inherited_only(location: Location, given: Mapping[str, Any]) -> bool:
    """Whether a problem lies in a key that a search only took over: it is told at the search that has the key."""
    match location:
        case ("searches", str(name), *_, str(key)) if len(location) >= 3:
            entry = given.get("searches", {}).get(name)
            return (
                isinstance(entry, dict) and "like" in entry and str(location[2]) not in entry and key != name
            )
    return False
