"""Check that a plug-in keeps the promises of its protocol: run them on your own file.

Each function takes a plug-in by name or as an object, returns the promises that it keeps, and
raises BrokenPromise for the first one that it breaks. Needs no test framework.

>>> from hiprobe import checks
>>> checks.check_method("one_class")[:2]
['it has every member', 'it states its labels and prompts']
"""

from hiprobe.checks.backbones import check_backbone
from hiprobe.checks.datasets import check_dataset
from hiprobe.checks.formats import check_format
from hiprobe.checks.methods import check_method
from hiprobe.checks.promises import BrokenPromise
from hiprobe.checks.sinks import check_sink

__all__ = [
    "BrokenPromise",
    "check_backbone",
    "check_dataset",
    "check_format",
    "check_method",
    "check_sink",
]
