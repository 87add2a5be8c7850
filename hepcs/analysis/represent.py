"""``represent``: a learned representation of event objects, its scores, and a search for anomalies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hepcs._core.errors import ArgumentError
from hepcs.analysis.card_arguments import add_card_arguments

if TYPE_CHECKING:
    from rich.console import Console

    from hepcs.representation.card import Represented

DESCRIPTION = """\
Learn a representation of event objects by contrastive training (AnomalyCLR), find anomalies in it by an
autoencoder, and search for an excess of them. Weights, training curves, embeddings and the card are in the output
folder."""
EXAMPLES = """\
  python -m hepcs.analysis represent adc2021.yaml
  python -m hepcs.analysis represent adc2021.yaml --set representation.kind=clr --output runs/clr
  python -m hepcs.analysis represent adc2021.yaml --model runs/adc2021 --output runs/again"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_card_arguments(parser)
    parser.add_argument("--output", type=Path, help="folder for the results (runs/<name>)")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier training")
    parser.add_argument(
        "--model", type=Path, help="folder of a stored representation, in place of a training"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that generate events and search (1)"
    )


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:
    """Train, score and search.

    Raises
    ------
    ArgumentError
        If the output folder holds results already.
    """
    from hepcs.config.reading import read_representation

    if parsed.workers < 1:
        raise ArgumentError(f"--workers: found {parsed.workers}, expected 1 or more")
    card, path = read_representation(parsed.card, parsed.overrides)
    folder = parsed.output or Path("runs") / card.name

    from hepcs._core.storage import check_place, write_json
    from hepcs.analysis.reporting import progress_on
    from hepcs.datasets.cached_sources import cache_from_environment
    from hepcs.representation.card import run_representation
    from hepcs.representation.figures import draw_training
    from hepcs.representation.loading import load_events
    from hepcs.representation.storing import MODEL, restore
    from hepcs.running.execution.local import local_mapper

    if (folder / MODEL).exists() and not parsed.overwrite:
        raise ArgumentError(
            f"{folder}: holds a representation already; give another --output, or --overwrite"
        )
    check_place(folder / MODEL)
    trained = None if parsed.model is None else restore(parsed.model, card)
    mapper = local_mapper(parsed.workers)
    with progress_on(errors, parsed.quiet) as progress:
        samples = load_events(
            card,
            (Path.cwd(), path.absolute().parent),
            cache_from_environment(),
            mapper=mapper,
            progress=progress,
        )
        found = run_representation(
            card,
            samples,
            folder,
            trained=trained,
            mapper=mapper,
            workers=parsed.workers,
            progress=progress,
        )
    write_json(folder / "card.json", card.model_dump(mode="json"))
    draw_training(found.trained).savefig(folder / "training.png", bbox_inches="tight")
    for line in _lines(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"Results are in {folder}", highlight=False, markup=False, soft_wrap=True)


def _lines(found: Represented) -> list[str]:
    lines = [
        f"{name}: AUC {one.auc:.3f}, 1 / eps_B at eps_S = 0.3 {'>' if one.bounded else ''}"
        f"{one.inverse_background:.0f}"
        for name, one in found.performance.items()
    ]
    if found.search is not None:
        observed = found.search.observed[0]
        p = observed.calibration
        if p is not None:
            lines.append(
                f"events above thresholds: largest local Z {p.observed:.2f}, p = {p.p:.3g} "
                f"[{p.p_low:.3g}, {p.p_high:.3g}] of {p.n_null} pseudo-experiments"
                + (" (a bound)" if p.bound else "")
            )
    return lines
