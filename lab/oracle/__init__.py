"""The oracle: judges from outside, as a browser would, whether a stack is broken or well; it knows no fixer."""

from lab.oracle.ask import ask, record
from lab.oracle.load_test import LoadSpec
from lab.oracle.types import Baseline, Check, NotHealthy, Site, Verdict, baseline_from_json, baseline_to_json

__all__ = [
    "Baseline",
    "Check",
    "LoadSpec",
    "NotHealthy",
    "Site",
    "Verdict",
    "ask",
    "baseline_from_json",
    "baseline_to_json",
    "record",
]
