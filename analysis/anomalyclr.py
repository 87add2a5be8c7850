"""AnomalyCLR on generated event objects: raw, CLR, AnomCLR and AnomCLR+ on four signals.

As section 6 of Dillon et al., "Anomalies, Representations, and Self-Supervision", smaller: the events, the epochs
and the network of the card, and as many trainings as are asked for. Each training is kept as it ends; the same
command goes on. ::

    python analysis/anomalyclr.py --trainings 3 --work runs/anomalyclr

writes `analysis/results/anomalyclr.json` and `analysis/pictures/anomalyclr_*.png`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from script import ended, parser_of

from hepcs._core.storage import write_json
from hepcs.config.reading import read_representation
from hepcs.config.representation import RepresentationCard
from hepcs.datasets.cached_sources import cache_from_environment
from hepcs.representation.card import search_numbers, train
from hepcs.representation.counting import count, sample_of
from hepcs.representation.figures import draw_comparison, draw_improvements
from hepcs.representation.loading import EventSamples, load_events
from hepcs.representation.performance import EFFICIENCIES, performance_of

logger = logging.getLogger("anomalyclr")
HERE = Path(__file__).parent
METHODS = ("raw", "clr", "anomaly_clr", "anomaly_clr_plus")
AUGMENTATIONS = ("add", "split", "shift")
DIMENSIONS = (8, 16, 64)
TITLES = {
    "raw": "raw",
    "clr": "CLR",
    "anomaly_clr": "AnomCLR",
    "anomaly_clr_plus": "AnomCLR+",
    "a_4l": r"$A \to 4\ell$",
    "lq_btau": r"$LQ \to b\tau$",
    "h0_tautau": r"$h^0 \to \tau\tau$",
    "hpm_taunu": r"$h^\pm \to \tau\nu$",
    "all": "all three",
    "add": "added",
    "split": "split",
    "shift": "shifted",
}


def variants(card: RepresentationCard) -> dict[str, RepresentationCard]:
    """What is trained, by name: the methods, then AnomCLR+ with single augmentations and other dimensions."""
    found = {kind: _changed(card, kind=kind) for kind in METHODS}
    found |= {
        f"only_{one}": _changed(card, kind="anomaly_clr_plus", anomalies=(one,)) for one in AUGMENTATIONS
    }
    dimensions = {d: _changed(card, kind="anomaly_clr_plus", dimension=d) for d in DIMENSIONS}
    return found | {f"dimension_{d}": one for d, one in dimensions.items()}


def _changed(card: RepresentationCard, **keys: Any) -> RepresentationCard:
    return card.model_copy(update={"representation": card.representation.model_copy(update=keys)})


def trained(
    card: RepresentationCard, samples: EventSamples, name: str, number: int, work: Path
) -> Mapping[str, Any]:
    """The numbers of one training, from its file if it is there."""
    path = work / f"{name}-{number}.json"
    if path.exists():
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    start = time.process_time()
    of_seed = card.model_copy(update={"seed": card.seed + number})
    networks = train(of_seed, samples)
    background = networks.scores(samples.background)
    scores = {signal: networks.scores(events) for signal, events in samples.signals.items()}
    numbers: dict[str, Any] = {"signals": {}, "losses": networks.representation.losses.tolist()}
    for signal, one in scores.items():
        p = performance_of(background, one)
        improvement = [None if np.isnan(x) else float(x) for x in p.improvement]
        numbers["signals"][signal] = {
            "auc": p.auc,
            "inverse_background": p.inverse_background,
            "improvement": improvement,
        }
    if card.count is not None:
        pool = sample_of(background, samples.background, "background", 0)
        wanted = card.count.signal or ""
        signals = {
            wanted: sample_of(scores[wanted], samples.signals[wanted], f"signals.{wanted}", pool.n_events)
        }
        numbers["count"] = search_numbers(count(card.count, pool, signals, card.seed))
    numbers["seconds"] = time.process_time() - start
    write_json(path, numbers)
    logger.info("%s, training %d: %.0f s of processor time", name, number, numbers["seconds"])
    return numbers


def summary(found: Mapping[str, list[Mapping[str, Any]]], quantity: str) -> dict[str, dict[str, Any]]:
    """Mean and spread of a quantity over the trainings, by signal and what was trained."""
    result: dict[str, dict[str, Any]] = {}
    for name, several in found.items():
        for signal in several[0]["signals"]:
            values = [one["signals"][signal][quantity] for one in several]
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
            result.setdefault(signal, {})[name] = {
                "mean": float(np.mean(values)),
                "spread": spread,
                "trainings": len(values),
            }
    return result


def figures(found: Mapping[str, list[Mapping[str, Any]]], folder: Path, dimension: int) -> Iterator[Path]:
    """The figures that there is something for: curves, single augmentations, dimensions."""
    methods = [name for name in METHODS if name in found]
    signals = list(found[methods[0]][0]["signals"])
    curves = {
        signal: {
            name: [np.array(one["signals"][signal]["improvement"], dtype=float) for one in found[name]]
            for name in methods
        }
        for signal in signals
    }
    assert all(
        len(one) == len(EFFICIENCIES) for of in curves.values() for many in of.values() for one in many
    )
    yield _saved(draw_improvements(curves, TITLES), folder / "anomalyclr_improvement.png")
    single = {"raw": "raw", **{f"only_{one}": one for one in AUGMENTATIONS}, "anomaly_clr_plus": "all"}
    sizes = {**{f"dimension_{d}": str(d) for d in DIMENSIONS}, "anomaly_clr_plus": str(dimension)}
    sizes = dict(sorted(sizes.items(), key=lambda one: int(one[1])))
    for names, label in ((single, "augmentations"), (sizes, "dimensions")):
        present = {name: shown for name, shown in names.items() if name in found}
        if len(present) < 3:
            continue
        values = summary({shown: found[name] for name, shown in present.items()}, "auc")
        numbers = {
            signal: {name: (one["mean"], one["spread"] or 0.0) for name, one in of_signal.items()}
            for signal, of_signal in values.items()
        }
        yield _saved(draw_comparison(numbers, TITLES, "AUC"), folder / f"anomalyclr_{label}.png")


def _saved(figure: Any, path: Path) -> Path:
    figure.savefig(path, bbox_inches="tight")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is missing, and write the summary after each training."""
    parser = parser_of(__doc__)
    parser.add_argument("--card", default="adc2021.yaml")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--trainings", type=int, default=3, help="of each method (3)")
    parser.add_argument("--variants", type=int, default=1, help="trainings of each variant of AnomCLR+ (1)")
    parser.add_argument("--work", type=Path, default=Path("runs/anomalyclr"), help="where trainings are kept")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--pictures", type=Path, default=HERE / "pictures")
    return ended(_work, parser, arguments)


def _work(parsed: argparse.Namespace, console: Console) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    card, path = read_representation(parsed.card, parsed.overrides)
    samples = load_events(card, (Path.cwd(), path.parent), cache_from_environment())
    parsed.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Mapping[str, Any]]] = {}
    all_variants = variants(card)
    # What is compared first is trained first.
    tasks = [(name, i) for i in range(parsed.trainings) for name in (METHODS[0], *METHODS[:0:-1])]
    tasks += [(name, i) for i in range(parsed.variants) for name in all_variants if name not in METHODS]
    for name, number in tasks:
        found.setdefault(name, []).append(trained(all_variants[name], samples, name, number, parsed.work))
        methods = {name: found[name] for name in METHODS if name in found}
        others = {name: several for name, several in found.items() if name not in METHODS}
        write_json(
            parsed.results / "anomalyclr.json",
            {
                "auc": summary(methods, "auc"),
                "inverse_background": summary(methods, "inverse_background"),
                "variants_of_anomaly_clr_plus": {
                    quantity: summary(others, quantity) for quantity in ("auc", "inverse_background")
                },
                "count": {name: [one["count"] for one in several] for name, several in methods.items()}
                if card.count
                else {},
                "events": {
                    "training": len(samples.training),
                    "background": len(samples.background),
                    **{name: len(events) for name, events in samples.signals.items()},
                },
                "seconds_of_a_training": {
                    name: float(np.mean([one["seconds"] for one in several]))
                    for name, several in found.items()
                },
                "card": card.model_dump(mode="json"),
            },
        )
    for picture in figures(found, parsed.pictures, card.representation.dimension):
        console.print(f"written: {picture}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
