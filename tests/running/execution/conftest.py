"""Workers of Dask for the tests of what is done with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def workers_are_forked() -> Iterator[None]:
    """From a process that has imported all they need, which takes each of some sixty workers seconds otherwise."""
    dask = pytest.importorskip("dask")
    utils = pytest.importorskip("distributed.utils")
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        utils.get_mp_context().set_forkserver_preload(["distributed", "hepcs.output", "hepcs.pipeline"])
        yield
