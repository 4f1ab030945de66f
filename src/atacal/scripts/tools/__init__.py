"""CASA's tools that scripts use (``tb``, ``ms``, ``msmd``, ``qa``, ``casalog`` ...), over atacal's own rooms.

Instances have the names of CASA's shell, classes those of ``casatools``; ``ms`` is both (`ms()` makes another).
"""

from atacal.scripts.tools._tool import Tool, methods
from atacal.scripts.tools.factories import ABSENT, CASATOOLS, TASKINIT, casac, gentools
from atacal.scripts.tools.log_tool import LogSink as logsink
from atacal.scripts.tools.measures_tool import Measures as measures
from atacal.scripts.tools.metadata_tool import MSMetaData as msmetadata
from atacal.scripts.tools.ms_tool import MS as mstool
from atacal.scripts.tools.quanta_tool import Quanta as quanta
from atacal.scripts.tools.table_tool import Table as table
from atacal.scripts.tools.utils_tool import Utils as utils

tb = table()
qa = quanta()
me = measures()
cu = utils()
ms = mstool()
msmd = msmetadata()
casalog = logsink()

__all__ = [
    "ABSENT",
    "CASATOOLS",
    "TASKINIT",
    "Tool",
    "casac",
    "casalog",
    "cu",
    "gentools",
    "logsink",
    "me",
    "measures",
    "methods",
    "ms",
    "msmd",
    "msmetadata",
    "mstool",
    "qa",
    "quanta",
    "table",
    "tb",
    "utils",
]
