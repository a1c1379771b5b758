"""Generative stories, one file each; a public module here is in the catalogue."""

from hiercal.simulators._catalogue_story import CatalogueStory, NormalGroups, Tractable, by_name
from hiercal.simulators._fields import Names, Observed, Positive, Positives
from hiercal.simulators._story import Simulation, Story

__all__ = [
    "CatalogueStory",
    "Names",
    "NormalGroups",
    "Observed",
    "Positive",
    "Positives",
    "Simulation",
    "Story",
    "Tractable",
    "by_name",
]
