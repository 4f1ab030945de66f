"""What fissix leaves as it is: long octal numbers (``0777L``), string exceptions with a value (``raise 's', v``)."""

from __future__ import annotations

import re

from fissix import fixer_base
from fissix.fixer_util import Number


class FixLeftovers(fixer_base.BaseFix):
    """Make them what the tree's pass understands."""

    run_order = 1
    PATTERN = """
        number=NUMBER
        | raise_stmt< 'raise' text=STRING ',' any* >
    """

    def match(self, node):
        """Take numbers that have a leading zero and an L only."""
        results = super().match(node)
        if results and "number" in results and not re.fullmatch(r"0[0-7]+[lL]", node.value):
            return False
        return results

    def transform(self, node, results):
        """Write Python 3's octal number; keep the text of the exception alone."""
        if "text" in results:
            for child in node.children[2:]:
                child.remove()
            return None
        return Number(f"0o{node.value[1:-1]}", prefix=node.prefix)
