"""``init``: a card that runs, from a look into the files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepcs._core.errors import ArgumentError
from hepcs.analysis.card_arguments import program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from hepcs.analysis.proposing import Probe
    from hepcs.sources.inspecting import Proposal

DESCRIPTION = """\
Write a card that runs, from a look into your files: --background with --signal searches simulated events with
injected signal, --data with --background searches real data, --labelled takes a file with the truth in it. Without
any of them it asks."""
EXAMPLES = """\
  python -m hepcs.analysis init
  python -m hepcs.analysis init --background "qcd_*.root" --signal zprime.root
  python -m hepcs.analysis init --data data.root --background qcd.root --output mine.yaml"""

# Roles, and what is asked for each.
ROLES = {
    "data": "recorded events to search (empty for a study of simulated ones)",
    "background": "simulated background events (empty if the truth is in one file)",
    "signal": "simulated signal events (empty for none)",
    "labelled": "one file of background and signal, with a truth label",
}
# Events that are looked at.
TRIED = 500
# Events in the evaluation region for a cluster whose thinnest bin holds some ten jets, and the published number.
EVENTS_OF_A_CLUSTER, MOST_CLUSTERS, FEWEST_CLUSTERS = 1100, 50, 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    for role, what in ROLES.items():
        parser.add_argument(f"--{role}", nargs="+", metavar="FILE", help=what.split(" (", maxsplit=1)[0])
    parser.add_argument(
        "--branches", metavar="pt=NAME,eta=NAME,phi=NAME", help="of the constituents, if they are not found"
    )
    parser.add_argument("--name", default="mine", help="name of the run (mine)")
    parser.add_argument("--output", type=Path, help="the card (<name>.yaml)")
    parser.add_argument("--overwrite", action="store_true", help="replace the card if it exists")


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Write the card, and say how it is run.

    Raises
    ------
    ArgumentError
        If there are no files to search, nothing in them looks like constituents, or the card exists.
    """
    files = {role: given for role in ROLES if (given := getattr(parsed, role))}
    if not files:
        files = _asked(errors)
    path = parsed.output or Path(f"{parsed.name}.yaml")
    if path.exists() and not parsed.overwrite:
        raise ArgumentError(f"{path}: exists already; give another --output, or --overwrite")
    _require_roles(files)

    from hepcs._core.storage import check_place, write_text
    from hepcs.config import read_card

    check_place(path)
    sections, probes = {}, {}
    for role, named in files.items():
        sections[role], probes[role] = _looked_at(role, named, parsed.branches)
    write_text(path, card_text(parsed.name, files, sections, probes))
    read_card(path)
    for role, found in probes.items():
        console.print(f"{role}: {' '.join(found.lines())}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"The card is in {path}. Next:\n"
        f"  {program()} run {path} --dry-run    # what would run, how long it takes, and what to mind\n"
        f"  {program()} run {path}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _asked(errors: Console) -> dict[str, list[str]]:
    """Files of each role, asked for in a terminal."""
    if not sys.stdin.isatty():
        raise ArgumentError(
            "no files: name --background and --signal, --data and --background, or --labelled"
        )
    files: dict[str, list[str]] = {}
    for role, what in ROLES.items():
        if role == "labelled" and files:
            break
        answer = errors.input(f"{role}: {what}: ", markup=False).split()
        if answer:
            files[role] = answer
    return files


def _require_roles(files: Mapping[str, Any]) -> None:
    roles = set(files)
    if "labelled" in roles and roles != {"labelled"}:
        raise ArgumentError("--labelled has background and signal in it: leave the others out")
    if "labelled" not in roles and "background" not in roles:
        raise ArgumentError(
            f"found {', '.join(sorted(roles)) or 'no files'}; expected --background, from which "
            "pseudo-experiments are drawn, with --signal or --data, or --labelled alone"
        )


def _looked_at(role: str, files: list[str], branches: str | None) -> tuple[Proposal, Probe]:
    """How the files of a role are read, by the first of them, and how its events fare."""
    from hepcs.analysis.proposing import probe
    from hepcs.sources.files import named_trees
    from hepcs.sources.inspecting import Proposal, look_into

    here = [Path.cwd()]
    first, tree = next(iter(named_trees(files, here).items()))
    contents = look_into(first if tree is None else f"{first}:{tree}")
    if branches is not None:
        names = dict(pair.partition("=")[::2] for pair in branches.split(","))
        kind = "parquet" if contents.format == "Parquet" else "root"
        found = Proposal({"kind": kind, "branches": names}, "as they were named")
    elif contents.proposals:
        found = contents.proposals[0]
    else:
        raise ArgumentError(
            f"{first}: nothing in it looks like constituents with pt, eta and phi; it has "
            f"{', '.join(contents.columns or contents.tables)}. Name them: --branches pt=NAME,eta=NAME,phi=NAME"
        )
    if role == "labelled" and not contents.has_labels:
        raise ArgumentError(f"{first}: has no truth label, which --labelled needs")
    return found, probe(first, found, TRIED)


def card_text(
    name: str, files: Mapping[str, list[str]], sections: Mapping[str, Proposal], probes: Mapping[str, Probe]
) -> str:
    """The card, with comments that say what may be changed."""
    from hepcs.analysis.proposing import section_text

    lines = [f"name: {name}", "seed: 1", "samples:"]
    for role, section in sections.items():
        named = files[role][0] if len(files[role]) == 1 else files[role]
        lines.append(f"  {role}: {section_text(named, section)}")
    clusters = n_clusters(probes.get("data") or probes.get("background") or probes["labelled"])
    lines += [
        "# [low, high) in GeV, in bins of 100: begin above the turn-on of your selection.",
        "regions: {evaluation: [3000, 4600]}",
        "searches:",
        f"  cluster_scanning: {{k: {clusters}, ensemble: 10}}    # fewer clusters if the dry run says so",
        "  fit_4: {kind: dijet_fit, parameters: 4}    # `hepcs searches` lists the others",
    ]
    has_signal = "signal" in sections or "labelled" in sections
    doped = ", doped: 20" if has_signal else ""
    lines += [
        "# More of them resolve a larger Z: 4,000 for 3.5.",
        f"pseudo_experiments: {{background_only: 400{doped}}}",
    ]
    if has_signal:
        what = "in pseudo-experiments, for the expected sensitivity" if "data" in sections else "0 for none"
        few, many = injected(probes.get("signal") or probes["labelled"], labelled="labelled" in sections)
        lines.append(f"injection: {{epsilon: [0, {few}, {many}]}}    # signal events; {what}")
    return "\n".join(lines) + "\n"


def injected(found: Probe, *, labelled: bool) -> tuple[int, int]:
    """Two numbers of signal events to inject, that the sample has; of a labelled one a tenth may be signal."""
    there = int(found.n_entries * found.share * (0.1 if labelled else 1.0))
    many = min(1000, max(there // 2, 2))
    return many // 2, many


def n_clusters(found: Probe) -> int:
    """A number of clusters whose thinnest bins still hold some ten jets, by what the probe says of the file."""
    wanted = int(found.n_entries * found.share) // EVENTS_OF_A_CLUSTER
    return min(max(wanted, FEWEST_CLUSTERS), MOST_CLUSTERS)
