"""What a data set is called: in sentences, in cells of tables, and in legends."""

from __future__ import annotations

from hepcs.config.samples import SIGNAL
from hepcs.datasets.bootstrap import Injection
from hepcs.results.run import RunResult

#: Where there is no number.
NOTHING = "-"
#: Stands beside every result of a search that no search of real data can be.
KNOWS_TRUTH = "study: knows the truth"
#: All searches of a card together.
TOGETHER = "all searches together"


def variation_text(name: str) -> str:
    """What the jets of a sample are like in a variation of :attr:`SampleReport.energy_spectra`."""
    what, _, value = name.rpartition("_")
    return f"jet {'resolution' if what else 'energies'} {value}"


def signal_name(injection: Injection) -> str:
    """Name of the signal, where there are several; else nothing."""
    return "" if injection.signal in {"", SIGNAL} else injection.signal


def data_set(result: RunResult, injection: Injection) -> str:
    """What the observed data set with an injection is."""
    if result.is_real_search:
        return "the data"
    if not injection.epsilon:
        return "the background alone"
    name = signal_name(injection)
    of = f"events of the signal {name}" if name else "signal events"
    return f"the background with {injection.epsilon:,} injected {of}"


def data_set_name(result: RunResult, injection: Injection) -> str:
    """Its name in paths of files and histograms: ``data`` of a real search, else ``epsilon_0850``."""
    return "data" if result.is_real_search else injection.label


def short_data_set(result: RunResult, injection: Injection) -> str:
    """The same for a cell of a table."""
    return "data" if result.is_real_search else injected_events(injection)


def injected_events(injection: Injection) -> str:
    """How many signal events are injected, and of which signal: ``850 signal events``."""
    if not injection.epsilon:
        return "no signal"
    name = signal_name(injection)
    return f"{injection.epsilon:,} events of {name}" if name else f"{injection.epsilon:,} signal events"


def legend_text(result: RunResult, injection: Injection) -> str:
    """What the observed data set with an injection is, for a legend."""
    if result.is_real_search:
        return "data"
    if not injection.epsilon:
        return "background only"
    name = signal_name(injection)
    of = f"events of {name}" if name else "signal events"
    return rf"background and $\epsilon$ = {injection.epsilon} {of}"


def epsilon_text(injection: Injection) -> str:
    r"""``$\epsilon$ = 850``, with the signal where there are several."""
    name = signal_name(injection)
    return (f"{name}, " if name else "") + rf"$\epsilon$ = {injection.epsilon}"
