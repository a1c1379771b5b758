"""Text, numbers and quantities as LaTeX shows them."""

from __future__ import annotations

import re

ESCAPED = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
)
"""What LaTeX would read as a command, or show as another letter."""
MATHEMATICS = re.compile(r"((?<!\\)\$(?:\\\$|[^$])+\$)")
POWER = re.compile(r"\b([0-9.]+)e([+-][0-9]+)")
MINUS = re.compile(r"(?<![\w.{])-(?=[0-9.])")


def in_latex(text: str) -> str:
    """Text that LaTeX shows as it is."""
    return re.sub(r"\s+", " ", text).translate(ESCAPED)


def mixed_in_latex(text: str) -> str:
    r"""Text with mathematics between dollars, in which ``\$`` is a dollar, as in figures.

    Examples
    --------
    >>> mixed_in_latex(r"5 % of a_b lie in $\pm 1$ for 3 \$")
    '5 \\% of a\\_b lie in $\\pm 1$ for 3 \\$'
    """
    parts = MATHEMATICS.split(text)
    plain, mathematics = parts[::2], [*parts[1::2], ""]
    return "".join(
        in_latex(each.replace(r"\$", "$")) + formula
        for each, formula in zip(plain, mathematics, strict=True)
    )


def number_in_latex(text: str) -> str:
    """A number with minus signs and powers of ten as mathematics."""
    text = in_latex(text.replace("<", "\0").replace(">", "\1"))
    text = POWER.sub(lambda m: f"${_mantissa(m[1])}10^{{{int(m[2])}}}$", text)
    text = MINUS.sub("$-$", text)
    return text.replace("\0", "$<$").replace("\1", "$>$")


def _mantissa(digits: str) -> str:
    return "" if digits == "1" else rf"{digits} \times "


def quantity_in_latex(name: str) -> str:
    """A quantity as mathematics, if its name is that of a letter; see `hiercal.plots`."""
    from hiercal.plots import quantity_label  # and with it matplotlib

    label = quantity_label(name)
    return label if label.startswith("$") else in_latex(name)
