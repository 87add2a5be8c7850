"""How to install a package that is missing: in the version that hepcs wants, by a command that works as it stands.

hepcs itself is on no package index, so the advice is never to install one of its extras by name.
"""

from __future__ import annotations

import re
import shlex
from importlib.metadata import requires


def pip_install(*packages: str) -> str:
    """``pip install 'dask>=2025.1' 'distributed>=2025.1'``: the command that installs packages.

    Parameters
    ----------
    packages
        Names of distributions; those that hepcs or one of its extras requires get its bounds, read from the
        metadata of the installation. Others, and options of pip, stay as they are.
    """
    bounded = _requirements()
    return f"pip install {shlex.join(bounded.get(_canonical(name), name) for name in packages)}"


def _requirements() -> dict[str, str]:
    """Requirements of hepcs and of its extras, without markers, by canonical name."""
    texts = [text.partition(";")[0].strip() for text in requires("hepcs") or ()]
    return {_canonical(re.split(r"[^\w.-]", text, maxsplit=1)[0]): text for text in texts}


def _canonical(name: str) -> str:
    """A name as packages are compared by."""
    return re.sub(r"[-_.]+", "-", name).lower()
