"""Without JAX: cards are read and searches are listed; training says what to install."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from hepcs._core.errors import MissingDependencyError
from hepcs.searches.autoencoder import AutoencoderSection


def test_training_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("hepcs.neural", "hepcs.searches.auto"))]:
        if name != "hepcs.searches.autoencoder":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "equinox", None)
    with pytest.raises(
        MissingDependencyError, match=r"hepcs\[neural\].*pip install 'jax.*equinox"
    ) as missing:
        AutoencoderSection().training()
    assert missing.value.exit_code == 2
    with pytest.raises(MissingDependencyError):
        importlib.import_module("hepcs.neural.training")


def test_sections_do_not_import_it() -> None:
    code = (
        "import sys\n"
        "from hepcs.searches.kinds import installed\n"
        "kinds = installed()\n"
        "assert {'autoencoder', 'vae', 'gan_ae', 'vrnn', 'particle_graph'} <= set(kinds)\n"
        "[kind.section.model_construct().packages for kind in kinds.values()]\n"
        "assert not {'jax', 'equinox', 'optax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
