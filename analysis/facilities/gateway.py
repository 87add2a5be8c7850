"""Run a card on a Dask Gateway.

pip install dask-gateway
python analysis/facilities/gateway.py lhco.yaml --workers 50
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dask_gateway import Gateway
from facility import arguments_of, run_on_cluster

# To change: the gateway's address and way of logging in; None for those of Dask's configuration, which many
# facilities provide.
ADDRESS: str | None = None
LOGIN: str | None = None

# To change: what the gateway lets its users choose (`Gateway().cluster_options()` lists it). One core and 2 GB for
# each worker are enough; the image must hold the same version of hepcs as this machine.
OPTIONS = {"worker_cores": 1, "worker_memory": 2}


def main(given: Sequence[str] | None = None) -> int:
    """Run a card on a new cluster of the gateway."""
    arguments = arguments_of(__doc__, given)
    with Gateway(address=ADDRESS, auth=LOGIN) as gateway, gateway.new_cluster(**OPTIONS) as cluster:
        return run_on_cluster(cluster, arguments, shared_disk=False)


if __name__ == "__main__":
    sys.exit(main())
