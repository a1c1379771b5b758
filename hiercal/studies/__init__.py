"""Studies: the engine that runs them, and one file a study; a public module is in the catalogue."""

from hiercal.studies._experiment import Experiment
from hiercal.studies._result import Result
from hiercal.studies._study import Study

__all__ = ["Experiment", "Result", "Study"]
