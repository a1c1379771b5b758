"""Named studies: a folder each, with the design in ``study.py``; they are the catalogue's."""

from hiercal.studies._study import Study

__all__ = ["Study"]
