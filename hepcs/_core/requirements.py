"""How to install a package that is missing: in the version that hepcs wants, by a command that works as it stands.

hepcs itself is on no package index, so the advice is never to install one of its extras by name.
"""

from __future__ import annotations

import shlex
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Names that a package is imported by, where they are not its own.
_MODULES = {"scikit-learn": "sklearn", "pillow": "PIL"}


def module_of(package: str) -> str:
    """The name that a package is imported by."""
    return _MODULES.get(package, package.replace("-", "_"))


def pip_install(*packages: str) -> str:
    """``pip install 'dask>=2025.1' 'distributed>=2025.1'``: the command that installs packages.

    Parameters
    ----------
    packages
        Names of distributions; those that hepcs or one of its extras requires get its bounds, read from the
        metadata of the installation. Others, and options of pip, stay as they are.
    """
    wanted = {canonicalize_name(one.name): one for one in map(Requirement, requires("hepcs") or ())}
    # The lower bound first; the text of a set of bounds has no order.
    bounds = {
        name: one.name + ",".join(sorted(map(str, one.specifier), reverse=True))
        for name, one in wanted.items()
    }
    return f"pip install {shlex.join(bounds.get(canonicalize_name(name), name) for name in packages)}"
