"""``except E, (a, b):`` and ``def f(a, (b, c)):`` without added lines.

fissix's own fixers put the unpacking on a line of its own, which would move every line after it. Here the tuple becomes
one name that spells the targets, and `atacal.scripts.semantics` unpacks it in the tree.
"""

from __future__ import annotations

from fissix import fixer_base
from fissix.fixer_util import Name, syms
from fissix.pgen2 import token

MARK = "__py2_unpack_"
"""What such a name begins with; the rest is the hexadecimal text of the targets."""


def encoded(targets: str) -> str:
    """Spell an expression as a name."""
    return MARK + " ".join(targets.split()).encode().hex()


def decoded(name: str) -> str:
    """Read the expression back."""
    return bytes.fromhex(name.removeprefix(MARK)).decode()


class FixUnpack(fixer_base.BaseFix):
    """Name the tuples in except clauses and in the parameters of functions (lambdas: fissix's fix_tuple_params)."""

    BM_compatible = True
    run_order = 1
    PATTERN = """
        except_clause< 'except' any ',' target=any >
        | funcdef< 'def' any parameters< '(' args=any ')' > any* >
    """

    def transform(self, node, results):
        """Replace the targets by a name."""
        if "target" in results:
            target = results["target"]
            if target.type != token.NAME:
                target.replace(Name(encoded(str(target)), prefix=target.prefix or " "))
            return
        args = results["args"]
        for part in [args, *args.children] if args.type == syms.typedargslist else [args]:
            if part.type == syms.tfpdef:
                part.replace(Name(encoded(str(part)), prefix=part.prefix))
