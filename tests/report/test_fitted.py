"""How tables are divided so that they fit."""

import pytest

from hiercal.report.fitted import TEXT_WIDTH, parts, stacked, text_points


def made(n_numbers, words="arm", n_rows=4, number="0.2345 (0.0012)"):
    headings = [words, *[f"estimate {k}" for k in range(n_numbers)]]
    cells = [[words] * n_rows, *[[number] * n_rows] * n_numbers]
    return parts(headings, cells, [False, *[True] * n_numbers], 1)


def test_a_narrow_table_is_left_as_it_is():
    (part,) = made(2)
    assert (part.columns, part.widths, part.size, part.space) == ([0, 1, 2], {}, "", 6.0)


def test_letters_get_smaller_before_a_table_is_divided():
    sizes = {n: [part.size for part in made(n)] for n in range(1, 6)}
    assert sizes[1] == [""]
    assert sizes[4] in (["\\small"], ["\\footnotesize"])


def test_each_part_has_the_keys_and_every_column_is_in_one():
    found = made(20)
    assert len(found) > 3
    assert all(part.columns[0] == 0 for part in found)
    assert [c for part in found for c in part.columns[1:]] == list(range(1, 21))


def test_long_words_are_broken_into_lines():
    (part,) = made(2, words="a long name of an arm / with-many_parts " * 3)
    assert 0 < part.widths[0] < TEXT_WIDTH
    assert part.lines > 4


@pytest.mark.parametrize("text", ["0.260 (0.025)", "miscalibrated", "W" * 10])
def test_widths_are_not_underestimated(text):
    """By the metrics of Computer Modern: digits 5, m 8.33, W 10.28 points at 10."""
    known = {"0.260 (0.025)": 57.2, "miscalibrated": 60.0, "W" * 10: 102.8}
    assert known[text] <= text_points(text) < 1.35 * known[text]


def test_headings_break_at_spaces_only():
    assert stacked("estimate") == ["estimate"]
    assert stacked("divergences_of_all_fits median") == ["divergences_of_all_fits", "median"]
