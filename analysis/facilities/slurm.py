"""Run a card on a SLURM site, through dask-jobqueue.

pip install dask-jobqueue
python analysis/facilities/slurm.py lhco.yaml --workers 50 --set execution.cache=/scratch/me/hepcs

To be started on a login node, or in a small job of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dask_jobqueue import SLURMCluster
from facility import arguments_of, run_on_cluster


def open_cluster() -> SLURMCluster:
    """A cluster whose workers are jobs of one core each."""
    return SLURMCluster(
        # To change: partition and account of the site.
        queue="short",
        account=None,
        cores=1,
        processes=1,
        memory="2 GB",
        walltime="02:00:00",
        # A worker leaves before its job is ended, and hands its tasks back.
        worker_extra_args=["--lifetime", "110m", "--lifetime-stagger", "5m"],
        # To change: what a job needs before Python starts, such as ["module load gcc"]. It runs the same Python as
        # this script, which must lie on a disk that the nodes see.
        job_script_prologue=[],
        # To change: a disk of the node itself.
        local_directory="/tmp",
        log_directory="dask_logs",
        # To change: the network between the nodes, such as "ib0"; None for the default.
        interface=None,
        scheduler_options={"dashboard_address": ":0"},
    )


def main(given: Sequence[str] | None = None) -> int:
    """Run a card on jobs of the site."""
    arguments = arguments_of(__doc__, given)
    with open_cluster() as cluster:
        return run_on_cluster(cluster, arguments, shared_disk=True)


if __name__ == "__main__":
    sys.exit(main())
