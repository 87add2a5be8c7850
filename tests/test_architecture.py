"""The floors of the house: a module imports only from the floors below its own, and nothing goes in circles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hepcs.config.kinds import installed_kinds

PACKAGE = Path(__file__).parents[1] / "hepcs"

# From the ground up. A module may import from lower floors, and from its own package.
FLOORS = [
    ["_core"],
    ["config"],
    ["statistics", "sources", "neural"],
    ["background", "calibration", "jets", "generation"],
    ["images", "studies"],
    ["features"],
    ["datasets"],
    ["results"],
    ["plots"],
    ["searches"],
    ["running"],
    ["output", "representation"],
    ["pipeline", "boxes"],
    ["interactive"],
    ["analysis"],
]
# What searches share, below the folder of the kinds.
SHARED = ["base", "kinds", "cut_and_fit", "densities"]
PICKLES = {"pickle", "dill", "cloudpickle"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    """The module or package directly below hepcs that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "hepcs":
                rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("hepcs.")}
    return rooms - {"__version__"}


def pickles(node: ast.AST) -> bool:
    """Whether a statement or call reads or writes pickles, or may, or loads YAML that makes objects."""
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] in PICKLES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        return (node.module or "").split(".")[0] in PICKLES or (
            node.module == "joblib" and bool(names & {"load", "dump"})
        )
    if not isinstance(node, ast.Call):
        return False
    options = {option.arg: ast.unparse(option.value) for option in node.keywords}
    called = ast.unparse(node.func)
    return (
        options.get("allow_pickle", "False") != "False"
        or called in {"joblib.load", "joblib.dump", "yaml.unsafe_load", "yaml.full_load"}
        or (called in {"np.load", "numpy.load"} and "allow_pickle" not in options)
        or (
            called in {"yaml.load", "yaml.load_all"}
            and "Safe" not in options.get("Loader", ast.unparse(node))
        )
    )


def floor_of(name: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if name in rooms)


def test_every_module_has_a_floor() -> None:
    known = {name for rooms in FLOORS for name in rooms}
    assert {room(path) for path in modules()} - {"data_cards"} == known


def test_every_package_is_installed() -> None:
    """What is installed is found, so no folder of modules may lack the file that makes it a package."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    here = room(path)
    upward = {name for name in imported_rooms(path) if name != here and floor_of(name) >= floor_of(here)}
    assert not upward, f"{here} (floor {floor_of(here)}) imports {upward}"


def kinds() -> list[str]:
    """Modules and folders of the kinds of search."""
    found = {path.relative_to(PACKAGE / "searches").parts[0] for path in (PACKAGE / "searches").rglob("*.py")}
    return sorted({name.removesuffix(".py") for name in found} - {*SHARED, "__init__"})


def names_of(path: Path, kind: str) -> set[str]:
    """What in a module imports a kind of search, or is its name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    place = f"hepcs.searches.{kind}"
    return {name for name in found if name in {kind, place} or name.startswith((f"{place}.", f"{place}:"))}


@pytest.mark.parametrize("kind", kinds())
def test_nothing_outside_of_a_search_knows_it(kind: str) -> None:
    own = (PACKAGE / "searches" / kind, PACKAGE / "searches" / f"{kind}.py")
    others = [path for path in modules() if not any(place in (path, *path.parents) for place in own)]
    named = {str(path.relative_to(PACKAGE)): names for path in others if (names := names_of(path, kind))}
    assert not named


def test_no_two_classes_have_one_name() -> None:
    """But for private ones, which nobody sees beside each other."""
    places: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert not {name: paths for name, paths in places.items() if len(paths) > 1}


def test_every_kind_is_registered() -> None:
    assert set(kinds()) == set(installed_kinds("hepcs.searches"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_house_rules(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "eval", "exec"}
        assert not pickles(node)
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "a bare except"
        if isinstance(node, ast.Attribute) and node.attr == "seed":
            assert not (isinstance(node.value, ast.Attribute) and node.value.attr == "random"), (
                "a global seed"
            )


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle as c",
        "from dill import dump",
        "joblib.load(path)",
        "from joblib import dump",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.save(path, array, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
    ],
)
def test_the_rule_sees_pickles(line: str) -> None:
    assert any(pickles(node) for node in ast.walk(ast.parse(line)))


def test_the_rule_lets_plain_arrays_and_safe_yaml_pass() -> None:
    text = "np.load(path, allow_pickle=False); yaml.safe_load(text); yaml.load(text, Loader=yaml.SafeLoader)"
    assert not any(pickles(node) for node in ast.walk(ast.parse(text)))
