"""What ``hiercal check TARGET --kernel NAME`` does."""

from __future__ import annotations

import ast
import sys
from typing import Any, NoReturn

from hiercal.cli._exit import fail


def check_kernel(
    target: str,
    kernel: str,
    *,
    options: tuple[str, ...] = (),
    model: str = "",
    alpha: float = 1e-3,
    max_gradients: int = 100_000,
    max_simulations: int | None = None,
    reversible: bool = False,
    seed: int = 0,
) -> NoReturn:
    """Check a kernel on a story, print the result and exit: 0 no evidence, 1 wrong, 2 a mistake.

    Parameters
    ----------
    target : str
        A name of ``hiercal list stories``, ``file.py:Class`` or ``file.py:model``.
    kernel : str
        ``numpyro``, ``blackjax``, ``pymc`` or ``file.py:function``.
    options : tuple of str
        ``name=value`` pairs, such as ``step_size=0.2``.
    """
    from hiercal import catalogue
    from hiercal.console.kernel import kernel_progress, show_kernel
    from hiercal.kernel_check import check_kernel as checked

    try:
        given = dict(map(_pair, options)) | ({"model": model} if model else {})
        with kernel_progress() as progress:
            found = checked(
                catalogue.story(target),
                catalogue.kernel(kernel, **given),
                alpha=alpha,
                max_gradients=max_gradients,
                max_simulations=max_simulations,
                reversible=reversible,
                seed=seed,
                progress=progress,
            )
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    except KeyboardInterrupt:
        fail("interrupted; nothing is kept of a check of a kernel", 130)
    show_kernel(found)
    sys.exit(1 if found.rejected else 0)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        fail(f"a kernel's option is {text!r}; give name=value, as in step_size=0.2", 2)
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
