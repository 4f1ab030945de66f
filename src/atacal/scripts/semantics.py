"""Python 2's meanings on a tree that Python 3 has parsed.

Each changed node calls a function of `atacal.scripts.py2` that falls back on Python 2's rule only where Python 3 would
do something else (``/`` between integers) or raise (``None < 1``). Line numbers and columns are those of the script.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeVar

from atacal.scripts.fixes.fix_unpack import MARK, decoded

METHODS = {
    "keys": "listed", "values": "listed", "items": "listed",
    "iterkeys": "iterated", "itervalues": "iterated", "iteritems": "iterated",
    "viewkeys": "viewed", "viewvalues": "viewed", "viewitems": "viewed",
    "has_key": "has_key", "next": "advanced", "sort": "sort",
}  # fmt: skip
"""Methods of Python 2 (of dicts, iterators, lists): name -> function of `atacal.scripts.py2`."""

PREFIX = "__py2_"
"""What the names of those functions have in front in a translated script."""

ORDERINGS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}

Node = TypeVar("Node", bound=ast.AST)


def with_python2_meaning(tree: ast.Module) -> ast.Module:
    """Give a tree the meaning it has in Python 2.

    Parameters
    ----------
    tree : ast.Module
        Of the translated source; changed in place.

    Returns
    -------
    ast.Module
    """
    return ast.fix_missing_locations(_Python2(_true_division(tree)).visit(tree))


def _true_division(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(a.name == "division" for a in node.names)
        for node in tree.body
    )


class _Python2(ast.NodeTransformer):
    def __init__(self, true_division: bool) -> None:
        self._true_division = true_division

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div) and not self._true_division:
            return self._call("div", node, node.left, node.right)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div) and not self._true_division:
            node.value = self._call("divisor", node.value, node.value)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        name = ORDERINGS.get(type(node.ops[0])) if len(node.ops) == 1 else None
        return self._call(name, node, node.left, node.comparators[0]) if name else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in METHODS:
            return node
        attr = node.func.attr
        if METHODS[attr] in ("listed", "iterated", "viewed", "advanced") and (node.args or node.keywords):
            return node
        # the method is looked up on the object, so that other classes' methods of the same name are theirs
        name = ast.copy_location(ast.Constant(attr), node)
        call = self._call(METHODS[attr], node, node.func.value, name, *node.args)
        call.keywords = node.keywords
        return call

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.exc, (ast.Constant, ast.JoinedStr)):
            node.exc = self._call("StringException", node.exc, node.exc)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Keep the exception's name after its clause, unpack it where targets are given."""
        self.generic_visit(node)
        if isinstance(node.type, ast.Constant):
            node.type = self._name("StringException", node.type)
        if node.name is not None:
            own = f"{PREFIX}caught"
            value: ast.expr = ast.copy_location(ast.Name(own, ast.Load()), node)
            if node.name.startswith(MARK):
                target = self._target(decoded(node.name), node)
                if not isinstance(target, (ast.Attribute, ast.Subscript)):
                    value = ast.copy_location(ast.Attribute(value, "args", ast.Load()), node)
            else:
                target = ast.copy_location(ast.Name(node.name, ast.Store()), node)
            node.body.insert(0, ast.copy_location(ast.Assign([target], value), node))
            node.name = own
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Unpack parameters that are tuples."""
        self.generic_visit(node)
        unpacked: list[ast.stmt] = [
            ast.copy_location(
                ast.Assign([self._target(decoded(a.arg), a)], ast.copy_location(ast.Name(a.arg, ast.Load()), a)), a
            )
            for a in [*node.args.posonlyargs, *node.args.args]
            if a.arg.startswith(MARK)
        ]
        after_docstring = 1 if ast.get_docstring(node, clean=False) is not None else 0
        node.body[after_docstring:after_docstring] = unpacked
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Take parameters that are tuples apart where their names stand."""
        self.generic_visit(node)
        for argument in [*node.args.posonlyargs, *node.args.args]:
            if argument.arg.startswith(MARK):
                node.body = _Parts(argument.arg, self._target(decoded(argument.arg), argument)).visit(node.body)
        return node

    def _target(self, text: str, where: ast.AST) -> ast.expr:
        (statement,) = ast.parse(f"{text} = None").body
        assert isinstance(statement, ast.Assign)
        target = statement.targets[0]
        for node in ast.walk(target):
            ast.copy_location(node, where)
        return target

    def _name(self, name: str, where: ast.AST) -> ast.Name:
        return ast.copy_location(ast.Name(PREFIX + name, ast.Load()), where)

    def _call(self, name: str, where: ast.AST, *args: ast.expr) -> ast.Call:
        return ast.copy_location(ast.Call(self._name(name, where), list(args), []), where)


class _Parts(ast.NodeTransformer):
    """Puts ``p[0]``, ``p[1][0]`` for the names of a tuple parameter."""

    def __init__(self, name: str, target: ast.expr) -> None:
        self._places = dict(_places(target, ()))
        self._parameter = name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self._places or not isinstance(node.ctx, ast.Load):
            return node
        value: ast.expr = ast.copy_location(ast.Name(self._parameter, ast.Load()), node)
        for index in self._places[node.id]:
            place = ast.copy_location(ast.Constant(index), node)
            value = ast.copy_location(ast.Subscript(value, place, ast.Load()), node)
        return value


def _places(target: ast.expr, path: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    if isinstance(target, ast.Name):
        yield target.id, path
    elif isinstance(target, (ast.Tuple, ast.List)):
        for index, element in enumerate(target.elts):
            yield from _places(element, (*path, index))
