"""Aliases of a TTree: names for expressions of its branches, as TTree::SetAlias writes them into a file.

An expression comes from a file, so nothing of it is run: its numbers, names, operators and functions are looked up
one by one, and anything else is refused. Elements such as ``pt[0]`` are, since they would mean events here.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
from uproot.language.python import PythonLanguage

from hepcs._core.errors import InputError

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **PythonLanguage.default_functions,
    "pow": np.power,
    "min": np.minimum,
    "max": np.maximum,
}
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
}
# As C++ and TFormula write them.
_SPELT = (("&&", " and "), ("||", " or "), ("^", "**"), ("TMath::", ""))


@dataclass(frozen=True)
class Alias:
    """An expression of branches, in the place of a branch.

    Attributes
    ----------
    name
        Of the alias.
    formula
        Its expression, parsed.
    branches
        What it is of, by their names.
    """

    name: str
    formula: ast.expr
    branches: Mapping[str, Any]

    def of(self, values: Mapping[str, Any]) -> Any:
        """The expression of the values of its branches, awkward arrays of one shape or numbers."""
        return _value(self.formula, values)


def parse_alias(name: str, expression: str, path: str) -> tuple[ast.expr, tuple[str, ...]]:
    """The formula of an alias, and the names in it; raises InputError for what is not understood."""
    text = expression
    for theirs, ours in _SPELT:
        text = text.replace(theirs, ours)
    try:
        formula = ast.parse(text.strip(), mode="eval").body
        return formula, tuple(dict.fromkeys(_names(formula)))
    except (SyntaxError, _UnknownError) as error:
        raise InputError(
            f"{path}: the alias `{name}` is `{expression}`, which cannot be read: "
            f"{error.msg if isinstance(error, SyntaxError) else error}. Expected names of branches with "
            "+ - * / ^, comparisons, && and ||, and functions of numbers such as sqrt; or name branches"
        ) from error


class _UnknownError(Exception):
    """What no alias may hold."""


def _names(node: ast.expr) -> list[str]:
    """Names of branches and aliases in a formula."""
    if isinstance(node, ast.Name | ast.Attribute):
        return [_dotted(node)]
    return [name for part in _operation(node)[1] for name in _names(part)]


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name | ast.Attribute):
        return values[_dotted(node)]
    operation, parts = _operation(node)
    return operation(*(_value(part, values) for part in parts))


def _dotted(node: ast.expr) -> str:
    """A name with dots in it, as those of Delphes have."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
    raise _UnknownError(f"`{ast.unparse(node)}` is no name")


def _operation(node: ast.expr) -> tuple[Callable[..., Any], list[ast.expr]]:
    """What a part of a formula does, and of what."""
    operation: Callable[..., Any] | None = None
    operands: list[ast.expr] = []
    match node:
        case ast.Constant(value=int() | float() as number):
            operation = partial(float, number)
        case ast.UnaryOp(op=kind, operand=part):
            operation, operands = _OPERATORS.get(type(kind)), [part]
        case (
            ast.BinOp(op=kind, left=left, right=right)
            | ast.Compare(left=left, ops=[kind], comparators=[right])
        ):
            operation, operands = _OPERATORS.get(type(kind)), [left, right]
        case ast.BoolOp(op=kind, values=parts):
            operation, operands = partial(_reduced, _OPERATORS[type(kind)]), parts
        case ast.Call(func=ast.Name(id=function), args=parts, keywords=[]):
            operation, operands = _FUNCTIONS.get(function.lower()), parts
    if operation is None:
        raise _UnknownError(f"`{ast.unparse(node)}` has no meaning for all events at once")
    return operation, operands


def _reduced(combine: Callable[..., Any], *values: Any) -> Any:
    return reduce(combine, values)
