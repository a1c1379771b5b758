"""Tables of a run: a `hiercal.Result` in, a DataFrame out."""

from hiercal.tables.bias import bias
from hiercal.tables.coverage import coverage
from hiercal.tables.evidence import evidence
from hiercal.tables.groups import groups
from hiercal.tables.meaning import meaning
from hiercal.tables.mixing import mixing
from hiercal.tables.strata import strata
from hiercal.tables.verdicts import verdicts

__all__ = ["bias", "coverage", "evidence", "groups", "meaning", "mixing", "strata", "verdicts"]
