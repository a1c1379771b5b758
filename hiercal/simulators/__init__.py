"""Generative stories, one file each; a public module here is in the catalogue."""

from hiercal.simulators._reference import Reference
from hiercal.simulators._story import Simulation, Story

__all__ = ["Reference", "Simulation", "Story"]
