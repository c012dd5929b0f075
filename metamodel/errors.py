"""What can go wrong between rows and a predictor.

::

    MetamodelError
    ├── TableError       the tables hold nothing that a predictor could be fitted to
    ├── ModelError       a model folder is absent, incomplete, edited or of another version
    ├── OutputError      the model folder cannot be written
    ├── MeasuringError   a phone that is to be calibrated cannot be measured
    └── CompileError     a bag's boosters do more than the compiled form can hold
"""

from __future__ import annotations


class MetamodelError(Exception):
    """Base of everything that ``metamodel`` raises on bad input; its text is one line, fit to print."""


class TableError(MetamodelError):
    """The tables hold nothing that a predictor could be fitted to."""


class ModelError(MetamodelError):
    """A model folder is absent, incomplete, edited or of another version."""


class OutputError(MetamodelError):
    """The model folder cannot be written."""


class MeasuringError(MetamodelError):
    """A phone that is to be calibrated cannot be measured; the profiler's words."""


class CompileError(MetamodelError):
    """A bag's boosters do more than the compiled form can hold; XGBoost itself predicts from them."""
