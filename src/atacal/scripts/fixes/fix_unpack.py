"""``except E, (a, b):``, ``def f(a, (b, c)):`` and ``lambda (a, b): a`` without added lines.

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
    """Name the tuples in except clauses and in the parameters of functions and lambdas."""

    BM_compatible = True
    run_order = 1
    PATTERN = """
        except_clause< 'except' any ',' target=any >
        | funcdef< 'def' any parameters< '(' args=any ')' > any* >
        | lambda=lambdef< 'lambda' args=any ':' any >
    """

    def transform(self, node, results):
        """Replace the targets by a name."""
        if "target" in results:
            target = results["target"]
            if target.type != token.NAME:
                target.replace(Name(encoded(str(target)), prefix=target.prefix or " "))
            return
        args = results["args"]
        lists = (syms.typedargslist, syms.varargslist)
        for part in list(args.children) if args.type in lists else [args]:
            before = part.prev_sibling
            is_default = before is not None and before.type == token.EQUAL
            if not is_default and part.children and part.children[0].type == token.LPAR:
                part.replace(Name(encoded(str(part)), prefix=part.prefix or (" " if "lambda" in results else "")))
