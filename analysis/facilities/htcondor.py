"""Run a card on an HTCondor pool, through dask-jobqueue.

pip install dask-jobqueue
python analysis/facilities/htcondor.py lhco.yaml --workers 50

To be started on a machine that may submit jobs, and that they can connect to.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dask_jobqueue import HTCondorCluster
from facility import arguments_of, run_on_cluster


def open_cluster() -> HTCondorCluster:
    """A cluster whose workers are jobs of one core each."""
    return HTCondorCluster(
        cores=1,
        processes=1,
        memory="2 GB",
        disk="2 GB",
        # To change: what the site wants to know of a job; this is CERN's name for a limit of two hours.
        job_extra_directives={"+JobFlavour": '"longlunch"'},
        # A worker leaves before its job is ended, and hands its tasks back.
        worker_extra_args=["--lifetime", "110m", "--lifetime-stagger", "5m"],
        # To change, if jobs do not see this machine's disk: the Python of an environment with hepcs that they do
        # see, such as one on CVMFS (python="/cvmfs/.../bin/python").
        job_script_prologue=[],
        log_directory="dask_logs",
        # To change, if jobs reach only some ports of this machine: {"port": 8786, ...}.
        scheduler_options={"dashboard_address": ":0"},
    )


def main(given: Sequence[str] | None = None) -> int:
    """Run a card on jobs of the pool."""
    arguments = arguments_of(__doc__, given)
    with open_cluster() as cluster:
        # To change, if jobs see this machine's disk: True.
        return run_on_cluster(cluster, arguments, shared_disk=False)


if __name__ == "__main__":
    sys.exit(main())
