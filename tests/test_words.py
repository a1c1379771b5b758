"""How numbers and names are put into text."""

import math

import pytest

from hiercal.words import count, detectable, markdown, p_value, percent


@pytest.mark.parametrize("n", [1, 7, 200, 100_000])
def test_shares_are_0_only_of_none_and_100_only_of_all(n):
    for k in {0, 1, n // 2, n - 1, n}:
        assert (percent(k / n) == "0 %") == (k == 0)
        assert (percent(k / n) == "100 %") == (k == n)
    assert percent(1 / 200) == "< 1 %"
    assert percent(math.nan) == "-"


def test_p_values_below_the_digits_that_repeat():
    assert p_value(0.0) == p_value(1e-12) == "< 1e-10"
    assert p_value(1e-10) == "1e-10"
    assert p_value(0.25) == "0.25"


def test_one_is_not_plural_and_nothing_is_infinite():
    assert count(1, "arm") == "1 arm"
    assert count(2, "arm") == "2 arms"
    assert "inf" not in detectable(math.inf, math.inf)


@pytest.mark.parametrize("name", ["[/nope]", "theta[north]", "a$b_c$", "A|B", "<script>", "*`\\"])
def test_no_character_of_a_name_is_read_as_markdown(name):
    from markdown_it import MarkdownIt  # rich brings it

    table = f"| name | n |\n|---|---|\n| {markdown(name)} | 1 |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    cells = [token for token in tokens if token.type == "inline"]
    assert [cell.content for cell in cells][:2] == ["name", "n"]
    assert len(cells) == 4
    assert {child.type for child in cells[2].children} <= {"text", "text_special"}
    assert "".join(child.content for child in cells[2].children) == name
