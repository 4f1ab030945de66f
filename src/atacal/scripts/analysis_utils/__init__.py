"""The part of ALMA's ``analysisUtils`` (``aU``) that its generated scripts call, and its ``es`` class."""
