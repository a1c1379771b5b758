"""Markov kernels to be checked, one file a library; a public module here is in the catalogue."""

from hiercal.kernels._function import FunctionKernel
from hiercal.kernels._kernel import Kernel, Walk, Walked

__all__ = ["FunctionKernel", "Kernel", "Walk", "Walked"]
