#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.5"]
# ///

"""Sessions in environments of their own: `nox -l` lists them, `nox -s tests-3.12` runs one.

In everyday work `make lint`, `make test` and `make docs` are quicker: they share one environment.
"""

from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"

# The demonstration at its smallest: one fit, and some twenty pseudo-experiments of few events.
SMALLEST = (
    "demo.yaml", "--set", "searches={fit_3: {kind: dijet_fit, parameters: 3}}",
    "--set", "samples.background.events=4000", "--set", "samples.signal.events=400",
    "--set", "pseudo_experiments={background_only: 20, doped: 2}", "--set", "injection.epsilon=[100]",
)  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Run ruff, mypy, and the review of the repository."""
    session.install("-e", ".[lint,test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("repo-review", ".")


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests, or those that are named: `nox -s tests-3.12 -- tests/jets`."""
    session.install("-e", ".[pythia,test]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session(python="3.11", venv_backend="uv", default=False)
def lowest(session: nox.Session) -> None:
    """Run the quick tests with the oldest versions that pyproject.toml allows."""
    session.install("--resolution", "lowest-direct", "-e", ".[pythia,test]")
    session.run("pytest", "-n", "2", "-m", "not slow", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run(
        "sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs
    )


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """Build the distributions, install the wheel without the checkout, and run the smallest demonstration."""
    session.install("build")
    session.run("python", "-m", "build", "--outdir", "dist")
    newest = max(Path("dist").glob("hepcs-*.whl"), key=lambda path: path.stat().st_mtime).resolve()
    session.install(f"hepcs[pythia] @ {newest.as_uri()}")
    session.cd(session.create_tmp())
    session.run("hepcs", "--help", silent=True)
    session.run("hepcs", "doctor")
    session.run("hepcs", *SMALLEST, "--overwrite")
    session.run("hepcs", "verify", "runs/demo")


if __name__ == "__main__":
    nox.main()
