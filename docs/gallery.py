"""Runs every installed search on the site's sample, for the figure and the cost on its page.

    python docs/gallery.py                  those that have no page in docs/gallery yet
    python docs/gallery.py cwola dijet_fit  these, anew

It takes some minutes for the sample, and less than that for most searches. What cannot be run on it, such as a
search that needs a key which only you know, is named, and its page has no figure.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from hepcs._core.errors import HepcsError
from hepcs.config import LocatedCard, read_card
from hepcs.datasets.loading import load
from hepcs.output.figures import draw_figures
from hepcs.pipeline import run
from hepcs.results import RunResult
from hepcs.running.provenance import processor
from hepcs.searches.kinds import Context, Drawing, SearchKind, build_searches, installed

HERE = Path(__file__).parent
FOLDER = HERE / "gallery"
CARD = HERE / "gallery.yaml"

logger = logging.getLogger("gallery")


def card_for(name: str) -> LocatedCard:
    """The card of the gallery with one search, as the card has it or by its defaults."""
    searches = read_card(CARD).given["searches"]
    return read_card(CARD, [f"searches={json.dumps({name: searches.get(name, {})})}"])


def is_trained_once(located: LocatedCard) -> bool:
    """Whether one model, trained before, judges all data sets."""
    loaded = load(located)
    (search,) = build_searches(Context(located.card, loaded.pools, loaded.columns, located.where))
    return not search.cost.retrain


def figure_of(result: RunResult, name: str) -> Drawing | None:
    """The first figure that is of the search itself, rather than of any."""
    common = (f"{name}_calibration", "sensitivity", "searches", "average_images", "nonzero_pixels")
    return next((one for one in draw_figures(result) if not one.name.startswith(common)), None)


def show(name: str, kind: SearchKind) -> None:
    """Run a search, and write its figure and its numbers."""
    located = card_for(name)
    card = located.card
    result = run(located)
    (search,) = result.searches
    (observed,) = search.observed
    drawing = figure_of(result, name)
    if drawing is not None:
        drawing.figure.savefig(FOLDER / f"{name}.png", dpi=110)
    found = {
        "seconds_per_data_set": float(f"{search.seconds:.3g}"),
        "trained_once": is_trained_once(located),
        "n_events": observed.outcome.n_events,
        "n_data_sets": len(search.outcomes),
        "epsilon": observed.injection.epsilon,
        "region": list(card.regions.evaluation),
        "looks_in": "" if kind.trials is None else kind.trials(card.searches[name], card),
        "processor": processor(),
        "figure": "" if drawing is None else f"{name}.png",
        "heading": "" if drawing is None else drawing.heading,
        "caption": "" if drawing is None else drawing.caption,
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    logger.info("%s: %s s a data set", name, found["seconds_per_data_set"])


def main() -> None:
    """Run the searches that are named, or those that are new."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("hepcs").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", help="kinds of searches (those that are new)")
    kinds = installed()
    named = parser.parse_args().kinds or [name for name in kinds if not (FOLDER / f"{name}.json").is_file()]
    FOLDER.mkdir(exist_ok=True)
    for name in named:
        try:
            show(name, kinds[name])
        except HepcsError as error:
            logger.warning("%s: not in the gallery: %s", name, error)


if __name__ == "__main__":
    main()
