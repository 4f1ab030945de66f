"""Follows a script without running it: what its names, constants and modules are, statement by statement."""

from __future__ import annotations

import ast
import builtins
import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from atacal.errors import AtacalError
from atacal.scripts import py2, py2_modules
from atacal.scripts._inspected import Made, assigned, catches_imports, found, looked_for, method_of
from atacal.scripts._layout import SHELL_CALL
from atacal.scripts._static import UNKNOWN, is_known, merged, operated
from atacal.scripts.casa_names import kind_of
from atacal.scripts.casa_task import CasaTask
from atacal.scripts.check import Issue
from atacal.scripts.missing import Ledger, Missing, Partial
from atacal.scripts.namespace import Names
from atacal.scripts.source import Script

SAFE_BUILTINS = (
    frozenset(dir(builtins)) | frozenset(py2.BUILTINS) | {"execfile", SHELL_CALL, "__file__", "exit", "quit"}
)
_SHELL_VARIABLES = frozenset({"mysteps", "thesteps", "applyonly", "__rethrow_casa_exceptions"})


class _Shell:
    """What `Names` needs of a run; nothing runs here."""

    globals_are_parameters = True

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}

    def call(self, task: CasaTask, arguments: dict[str, Any]) -> Any:
        raise AssertionError(f"{task.__name__} was called in a check")


class Follower(ABC):
    """Goes through a script; what a call means is for the class that is made of it.

    Parameters
    ----------
    script : Script
    names : Names, optional
        CASA's shell; that of the script which runs this one.
    file : str
        What issues say of where they are: the script's name if another runs it.
    """

    def __init__(self, script: Script, names: Names | None, file: str) -> None:
        self.script = script
        self.issues: list[Issue] = []
        self._names = names or Names(_Shell(), Ledger(), script.casa_version)
        self._known: dict[str, Any] = self._names.shell()
        self._own: set[str] = set()
        self._any_name = False
        self._file = file
        self._forgiving = 0

    def inspect(self) -> None:
        """Look through it."""
        tree = self.script.plain_tree()
        self._names.choose_pipeline(tree, self._known)
        self._own = assigned(tree) | looked_for(tree)
        self._block(tree.body)

    @abstractmethod
    def _call(self, node: ast.Call, *, used: bool) -> Any:
        """Look at a call, and return what is known of its result."""

    def _issue(self, line: int, kind: str, what: str, text: str, *, stops: bool) -> None:
        self.issues.append(Issue(line, kind, what, text, stops, self._file))

    # statements

    def _block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        handler = getattr(self, f"_do_{type(node).__name__}", None)
        if handler is not None:
            handler(node)
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._value(child)
            elif isinstance(child, ast.stmt):
                self._statement(child)

    def _do_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self._call(node.value, used=False)
        else:
            self._value(node.value)

    def _do_Assign(self, node: ast.Assign) -> None:
        value = self._value(node.value)
        for target in node.targets:
            self._bind(target, value)

    def _do_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._bind(node.target, self._value(node.value) if node.value else UNKNOWN)

    def _do_AugAssign(self, node: ast.AugAssign) -> None:
        right = self._value(node.value)
        if isinstance(node.target, ast.Name):
            left = self._known.get(node.target.id, UNKNOWN)
            self._known[node.target.id] = operated(ast.BinOp(node.target, node.op, node.value), left, right)

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._known[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            fits = isinstance(value, (list, tuple)) and len(value) == len(target.elts)
            for i, element in enumerate(target.elts):
                self._bind(element, value[i] if fits else UNKNOWN)
        elif isinstance(target, (ast.Subscript, ast.Attribute)) and isinstance(target.value, ast.Name):
            # what it holds from now on is not followed
            self._known |= {target.value.id: UNKNOWN} if is_known(self._known.get(target.value.id, UNKNOWN)) else {}

    def _do_If(self, node: ast.If) -> None:
        self._value(node.test)
        before = dict(self._known)
        self._block(node.body)
        after, self._known = self._known, before
        self._block(node.orelse)
        self._known = merged(after, self._known)

    def _do_For(self, node: ast.For) -> None:
        values = self._value(node.iter)
        rounds = list(values) if isinstance(values, (list, tuple, range)) and 0 < len(values) <= 50 else [UNKNOWN]
        before = dict(self._known)
        for value in rounds:
            self._bind(node.target, value)
            self._block(node.body)
        self._block(node.orelse)
        self._known = merged(before, self._known) if rounds == [UNKNOWN] else self._known

    def _do_While(self, node: ast.While) -> None:
        for name in assigned(node):
            self._known[name] = UNKNOWN
        self._value(node.test)
        self._block([*node.body, *node.orelse])

    def _do_Try(self, node: ast.Try) -> None:
        forgiving = any(catches_imports(h) for h in node.handlers)
        self._forgiving += forgiving
        self._block(node.body)
        self._forgiving -= forgiving
        for handler in node.handlers:
            if handler.name:
                self._known[handler.name] = UNKNOWN
            self._block(handler.body)
        self._block([*node.orelse, *node.finalbody])

    def _do_With(self, node: ast.With) -> None:
        for item in node.items:
            value = self._value(item.context_expr)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, UNKNOWN if is_known(value) else value)
        self._block(node.body)

    def _do_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = dict(self._known)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
        for name in {a.arg for a in arguments} | assigned(node):
            self._known[name] = UNKNOWN
        self._block(node.body)
        self._known = before | {node.name: UNKNOWN}

    def _do_ClassDef(self, node: ast.ClassDef) -> None:
        self._block(node.body)
        self._known[node.name] = UNKNOWN

    def _do_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._known.pop(target.id, None)

    # imports

    def _do_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = self._module(alias.name, node)
            if alias.asname:
                self._known[alias.asname] = module
            else:
                top = alias.name.split(".")[0]
                self._known[top] = module if top == alias.name else self._module(top, node)

    def _do_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module == "__future__" or node.level:
            return
        module = self._module(node.module or "", node)
        for alias in node.names:
            if alias.name == "*":
                self._all_of(module)
                continue
            value: Any = UNKNOWN
            if isinstance(module, (ModuleType, Partial)):
                value = getattr(module, alias.name, None)
                if value is None:
                    value = self._module(f"{node.module}.{alias.name}", node, what=alias.name)
            self._known[alias.asname or alias.name] = value

    def _all_of(self, module: Any) -> None:
        if isinstance(module, ModuleType):
            names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
            self._known |= {n: getattr(module, n, UNKNOWN) for n in names}
        else:
            self._any_name = True  # names from a module that was not read: any may be there

    def _module(self, name: str, node: ast.stmt, what: str = "") -> Any:
        """Find a module: CASA's, Python 2's, Python 3's, one beside the script; only the first two are looked into."""
        module = self._names.module(name)
        if module is None and self.script.python == 2:
            module = py2_modules.module(name)
        if module is not None:
            return module
        if name in ("os", "sys", "re", "glob", "shutil", "subprocess", "string", "time", "math", "os.path", "numpy"):
            return importlib.import_module(name)
        top = name.split(".")[0]
        if name == "xml.etree.cElementTree" or found(top) or self._beside(top):
            return UNKNOWN
        if not self._forgiving:
            self._issue(node.lineno, "import", f"import {what or name}", "there is no such module", stops=True)
        return UNKNOWN

    def _beside(self, name: str) -> bool:
        folders = (self.script.path.parent, Path.cwd())
        return any((f / f"{name}.py").exists() or (f / name / "__init__.py").exists() for f in folders)

    # expressions

    def _value(self, node: ast.expr) -> Any:
        """Work out what is known of an expression, and look at the calls in it."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Call):
            return self._call(node, used=True)
        if isinstance(node, ast.Attribute):
            return self._attribute(self._value(node.value), node.attr)
        if isinstance(node, ast.BinOp):
            return operated(node, self._value(node.left), self._value(node.right))
        if isinstance(node, (ast.List, ast.Tuple)):
            values = [self._value(e) for e in node.elts]
            return tuple(values) if isinstance(node, ast.Tuple) else values
        if isinstance(node, ast.Dict) and all(k is not None for k in node.keys):
            keys = [self._value(k) for k in node.keys if k is not None]
            values = [self._value(v) for v in node.values]
            hashable = all(is_known(k) and not isinstance(k, (list, dict, set)) for k in keys)
            return dict(zip(keys, values, strict=True)) if hashable else UNKNOWN
        if isinstance(node, ast.Subscript):
            return self._item(self._value(node.value), self._value(node.slice))
        if isinstance(node, ast.UnaryOp):
            value = self._value(node.operand)
            return -value if isinstance(node.op, ast.USub) and isinstance(value, (int, float)) else UNKNOWN
        if isinstance(node, ast.JoinedStr):
            parts = [self._value(v.value) if isinstance(v, ast.FormattedValue) else self._value(v) for v in node.values]
            return "".join(str(p) if is_known(p) else repr(UNKNOWN) for p in parts)
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp, ast.Lambda)):
            return self._scoped(node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._value(child)
        return UNKNOWN

    def _scoped(self, node: ast.expr) -> Any:
        before = dict(self._known)
        for part in ast.walk(node):
            if isinstance(part, ast.arg):
                self._known[part.arg] = UNKNOWN
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self._known[part.id] = UNKNOWN
        for child in ast.iter_child_nodes(node):
            for part in [child] if isinstance(child, ast.expr) else ast.iter_child_nodes(child):
                if isinstance(part, ast.expr):
                    self._value(part)
        self._known = before
        return UNKNOWN

    def _name(self, node: ast.Name) -> Any:
        if node.id in self._known:
            return self._known[node.id]
        if node.id not in self._own and (kind := kind_of(node.id)) is not None:
            return Missing(node.id, kind, Ledger())
        known = node.id in self._own or node.id in SAFE_BUILTINS or node.id in _SHELL_VARIABLES or self._any_name
        if not known and not self._forgiving:
            self._issue(
                node.lineno, "name", node.id, "nothing in the script or in CASA's shell has this name", stops=True
            )
            self._own.add(node.id)
        return UNKNOWN

    def _attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, Made):
            return method_of(owner, name)
        if owner is UNKNOWN or isinstance(owner, (str, list, dict, tuple)):
            return UNKNOWN
        try:
            return getattr(owner, name)
        except (AttributeError, AtacalError, ImportError):
            return UNKNOWN

    def _item(self, owner: Any, key: Any) -> Any:
        try:
            value = owner[key] if isinstance(owner, (list, tuple, dict, str)) and is_known(key) else UNKNOWN
        except (LookupError, TypeError):
            return UNKNOWN
        return value
