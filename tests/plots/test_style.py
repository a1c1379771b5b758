import io
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from hiercal.plots import (
    coverage,
    coverage_difference,
    ecdf_difference,
    rank_histogram,
    recovery,
    zscore_contraction,
)
from hiercal.plots._style import arm_styles, plain, quantity_label, text_width, wrap

NASTY = ("[/nope]", "theta[north]", "a$b_c$", "A|B", "<script>", r"\frac$x$", "_hidden")

DRAWN = [
    rank_histogram,
    ecdf_difference,
    coverage,
    coverage_difference,
    recovery,
    zscore_contraction,
]
ARMS = [f"arm {k}" for k in range(8)]


def lightness(colour):
    """CIE L*."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(luminance) - 16 if luminance > 0.009 else 903.3 * luminance


def test_arms_differ_in_greyscale_in_marker_and_in_line():
    looks = arm_styles(ARMS).values()
    assert np.diff(sorted(lightness(look.colour) for look in looks)).min() > 5
    assert len({look.marker for look in looks}) == len({look.linestyle for look in looks}) == 8
    first_four = [lightness(look.colour) for look in list(looks)[:4]]
    assert np.diff(sorted(first_four)).min() > 9


def test_too_many_arms_are_refused():
    with pytest.raises(ValueError, match="got 9 arms, at most 8"):
        arm_styles([*ARMS, "arm 8"])


@pytest.mark.parametrize(
    ("quantity", "label"),
    [
        ("mu", r"$\mu$"),
        ("theta[A]", r"$\theta_{A}$"),
        ("theta_new", r"$\theta_{\mathrm{new}}$"),
        ("beta[1,2]", r"$\beta_{1,2}$"),
        ("sigma_y[B]", r"$\sigma_{y,B}$"),
        ("log_tau", r"$\log\,\tau$"),
        ("log_lik", "log likelihood"),
        ("theta[St. Paul]", "theta[St. Paul]"),
        ("cost in $", r"cost in \$"),
    ],
)
def test_quantity_labels(quantity, label):
    assert quantity_label(quantity) == label


@pytest.mark.parametrize("draw", DRAWN)
def test_a_label_is_shown_whole_and_the_story_is_what_the_records_say(build, draw):
    """Planted: slashes in the names of arms, of which a story is no part."""
    records = build(20, ("A/B", "A/C"), ("mu",), story="X/Y")

    def shown(of):
        figure = draw(of, ["mu"])
        return [" ".join(text.get_text().split()) for text in figure.findobj(Text)]

    texts = shown(records)
    assert all(any(arm in text for text in texts) for arm in ("A/B", "A/C"))
    assert any(text.startswith("N = 20 simulations of X/Y.") for text in texts)
    two = records.assign(story=np.where(records["arm"] == "A/B", "X", "Y"))
    for without in (two, records.drop(columns="story")):
        assert any(text.startswith("N = 20 simulations.") for text in shown(without))


def test_wrap_fits_and_keeps_the_text():
    text = "The rank of tau_school[Hennepin] among $1 - x^2$ non-centred draws, by nutpie/nuts"
    lines = wrap(text, 1.0, 7)
    assert len(lines) > 3
    assert all(text_width(line, 7) <= 1.0 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrap("short", 1.0, 7) == ["short"]


def test_wrap_breaks_anywhere_rather_than_cut():
    for text in ("x" * 100, plain("a$b_c$" * 20)):
        lines = wrap(text, 1.0, 7)
        assert "".join(lines) == text
        assert all(text_width(line, 7) <= 1.0 for line in lines)


def test_names_are_drawn_as_they_are(build):
    """Planted names: mathematics, markup and Markdown in the names of arms and of a quantity."""
    arms = (*NASTY, "long" * 15 + "[0.95]")
    records = build(arms=arms, quantities=("a$b_c$", "A|B"), n_simulations=30)
    for draw in DRAWN:
        figure = draw(records, ["a$b_c$", "A|B"])
        svg = io.BytesIO()
        figure.savefig(svg, format="svg")
        ET.fromstring(svg.getvalue())
        shown = [text.get_text() for text in figure.findobj(Text)]
        flat = "".join(shown).replace("\n", "")
        for name in (*arms, "a$b_c$", "A|B"):
            assert plain(name) in flat
        assert not any(is_math_text(text) for text in shown if plain("a$b_c$") in text)
