"""Modules of Python 2's standard library, made of Python 3's.

Made when a script imports them, for that script alone: ``string.join``, ``commands.getoutput``, ``urllib2.urlopen``.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

RENAMED = {
    "ConfigParser": "configparser", "Queue": "queue", "cPickle": "pickle", "copy_reg": "copyreg", "thread": "_thread",
    "dummy_thread": "_thread", "Tkinter": "tkinter", "httplib": "http.client", "urlparse": "urllib.parse",
    "cookielib": "http.cookiejar", "HTMLParser": "html.parser", "__builtin__": "builtins", "repr": "reprlib",
    "SocketServer": "socketserver", "BaseHTTPServer": "http.server", "xmlrpclib": "xmlrpc.client", "anydbm": "dbm",
    "htmlentitydefs": "html.entities", "UserDict": "collections", "xml.etree.cElementTree": "xml.etree.ElementTree",
}  # fmt: skip
"""Modules that only have another name."""


def module(name: str) -> ModuleType | None:
    """Make a module of Python 2.

    Parameters
    ----------
    name : str
        As scripts import it.

    Returns
    -------
    module or None
        None if Python 3's module of that name, if there is one, does.
    """
    if name in RENAMED:
        return importlib.import_module(RENAMED[name])
    make = _MAKERS.get(name)
    if make is None:
        return None
    made = ModuleType(name)
    with contextlib.suppress(ImportError):
        vars(made).update({k: v for k, v in vars(importlib.import_module(name)).items() if not k.startswith("__")})
    vars(made).update(make())
    return made


def _string() -> dict[str, Any]:
    import string

    methods = (
        "lower", "upper", "strip", "lstrip", "rstrip", "split", "rsplit", "find", "rfind", "index", "rindex", "count",
        "replace", "capitalize", "swapcase", "center", "ljust", "rjust", "zfill", "expandtabs", "splitlines",
        "translate",
    )  # fmt: skip
    out: dict[str, Any] = {name: _method(name) for name in methods}
    return out | {
        "join": lambda words, sep=" ": sep.join(words), "joinfields": lambda words, sep=" ": sep.join(words),
        "atoi": lambda text, base=10: int(text, base), "atof": float, "atol": lambda text, base=10: int(text, base),
        "letters": string.ascii_letters, "lowercase": string.ascii_lowercase, "uppercase": string.ascii_uppercase,
        "maketrans": str.maketrans, "splitfields": _method("split"),
    }  # fmt: skip


def _method(name: str) -> Callable[..., Any]:
    def call(text: str, *args: Any) -> Any:
        return getattr(text, name)(*args)

    call.__name__ = name
    return call


def _commands() -> dict[str, Any]:
    import subprocess

    return {"getoutput": subprocess.getoutput, "getstatusoutput": subprocess.getstatusoutput}


def _string_io() -> dict[str, Any]:
    import io

    return {"StringIO": io.StringIO, "InputType": io.StringIO, "OutputType": io.StringIO}


def _urllib() -> dict[str, Any]:
    import urllib.parse
    import urllib.request

    names = ("quote", "quote_plus", "unquote", "unquote_plus", "urlencode")
    out: dict[str, Any] = {n: getattr(urllib.parse, n) for n in names}
    return out | {"urlopen": urllib.request.urlopen, "urlretrieve": urllib.request.urlretrieve}


def _urllib2() -> dict[str, Any]:
    import urllib.error
    import urllib.request

    return {n: getattr(urllib.request, n) for n in dir(urllib.request) if not n.startswith("_")} | {
        "HTTPError": urllib.error.HTTPError,
        "URLError": urllib.error.URLError,
    }


def _exceptions() -> dict[str, Any]:
    return {n: v for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)} | {
        "StandardError": Exception
    }


def _types() -> dict[str, Any]:
    import types

    return {
        "StringType": str, "UnicodeType": str, "StringTypes": (str,), "IntType": int, "LongType": int,
        "FloatType": float, "ListType": list, "TupleType": tuple, "DictType": dict, "DictionaryType": dict,
        "BooleanType": bool, "NoneType": type(None), "ComplexType": complex, "TypeType": type, "ObjectType": object,
        "FileType": object, "ClassType": type, "InstanceType": object, "FunctionType": types.FunctionType,
        "LambdaType": types.LambdaType, "ModuleType": types.ModuleType,
    }  # fmt: skip


def _itertools() -> dict[str, Any]:
    import itertools

    return {
        "izip": builtins.zip, "imap": builtins.map, "ifilter": builtins.filter,
        "izip_longest": itertools.zip_longest, "ifilterfalse": itertools.filterfalse,
    }  # fmt: skip


def _subprocess() -> dict[str, Any]:
    """Give text, as Python 2's pipes did."""
    import subprocess

    class Popen(subprocess.Popen):
        def __init__(self, *args: Any, **keywords: Any) -> None:
            if "text" not in keywords and "encoding" not in keywords:
                keywords["universal_newlines"] = True
            super().__init__(*args, **keywords)

    def check_output(*args: Any, **keywords: Any) -> str:
        keywords.setdefault("universal_newlines", True)
        return str(subprocess.check_output(*args, **keywords))

    return {"Popen": Popen, "check_output": check_output}


def _sets() -> dict[str, Any]:
    return {"Set": set, "ImmutableSet": frozenset}


def _os() -> dict[str, Any]:
    import os

    return {"getcwdu": os.getcwd}


def _sys() -> dict[str, Any]:
    return {"maxint": 2**63 - 1}


_MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "string": _string, "commands": _commands, "StringIO": _string_io, "cStringIO": _string_io, "urllib": _urllib,
    "urllib2": _urllib2, "exceptions": _exceptions, "types": _types, "itertools": _itertools, "sets": _sets,
    "subprocess": _subprocess,
}  # fmt: skip


def patch_shared() -> None:
    """Give ``sys.maxint`` and ``os.getcwdu`` back: modules that scripts change must be the real ones."""
    import os
    import sys
    import xml.etree
    import xml.etree.ElementTree

    for target, names in ((sys, _sys()), (os, _os())):
        for name, value in names.items():
            if not hasattr(target, name):
                setattr(target, name, value)
    # gone in Python 3.9; scriptForPI.py of 2022 still imports it
    xml.etree.cElementTree = xml.etree.ElementTree  # type: ignore[attr-defined]
