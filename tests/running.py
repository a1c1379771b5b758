"""How tests run things: in this process, quietly, and without tables unless they ask."""

import hiercal
from hiercal.runs.engine import fitted
from hiercal.runs.measurements import joined


def run(design, out, *, workers=0, where=None, export=False, progress=False, **options):
    """The result of a run in the folder `out`."""
    make = hiercal.run if export else fitted
    where = where or hiercal.Where(workers)
    return make(design, out, where=where, progress=progress, **options)


def measure(study):
    """Rows of all that a study measures, by table."""
    wanted = study.measurements()
    return joined({name: each.measure() for name, each in wanted.items()}, list(wanted))
