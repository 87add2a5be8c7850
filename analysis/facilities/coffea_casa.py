"""Run a card on a coffea-casa analysis facility.

python analysis/facilities/coffea_casa.py lhco.yaml

The facility has started a Dask cluster beside the notebook server, and has put its certificates into Dask's
configuration; its own page scales the cluster.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from distributed import Client
from facility import arguments_of, run_on_client

# To change: the address, if the facility's page shows another one.
SCHEDULER = "tls://localhost:8786"

# To change: what the workers' image lacks, as pip names it: the same version as here.
PACKAGES: list[str] = []


def main(given: Sequence[str] | None = None) -> int:
    """Run a card on the cluster that is there."""
    arguments = arguments_of(__doc__, given, asks_for_workers=False)
    with Client(SCHEDULER) as client:
        return run_on_client(client, arguments, shared_disk=False, packages=PACKAGES)


if __name__ == "__main__":
    sys.exit(main())
