"""What leaves a run: a folder with ROOT and JSON files, figures and a report, and the table for the terminal.

It knows nothing of any search but what :mod:`hepcs.results` and :mod:`hepcs.searches.kinds` say.
"""

from hepcs.output.drawing import make_figures
from hepcs.output.folder import prepare_folder, refuse_replacing, save_figure, write_run
from hepcs.output.histograms import read_histograms, run_histograms
from hepcs.output.reading import StoredRun, read_run
from hepcs.output.root import write_root
from hepcs.output.summary import results_digest, summarise
from hepcs.output.table import TableRow, render_table, table_rows

__all__ = [
    "StoredRun",
    "TableRow",
    "make_figures",
    "prepare_folder",
    "read_histograms",
    "read_run",
    "refuse_replacing",
    "render_table",
    "results_digest",
    "run_histograms",
    "save_figure",
    "summarise",
    "table_rows",
    "write_root",
    "write_run",
]
