from typing import Any

import matplotlib as mpl
import pytest

from hiercal.plots import ecdf_difference, save, zscore_contraction

OTHER_SETTINGS: dict[Any, Any] = {
    "font.size": 20,
    "svg.hashsalt": "other",
    "axes.facecolor": "red",
}


def assert_same_bytes(paths, others):
    for path, other in zip(paths, others, strict=True):
        assert path.read_bytes() == other.read_bytes(), path.suffix


def test_saving_twice_gives_the_same_bytes_whatever_the_settings(records, tmp_path):
    figure = ecdf_difference(records, ["mu"])
    first = save(figure, tmp_path / "new" / "folder", "figure")
    with mpl.rc_context(OTHER_SETTINGS):
        again = save(figure, tmp_path, "again")
        assert mpl.rcParams["font.size"] == 20
    assert [path.name for path in first] == ["figure.pdf", "figure.svg", "figure.png"]
    assert_same_bytes(first, again)


def test_drawing_twice_gives_the_same_bytes_whatever_the_settings(records, tmp_path):
    first = save(zscore_contraction(records, ["mu"]), tmp_path, "first")
    with mpl.rc_context(OTHER_SETTINGS):
        again = zscore_contraction(records, ["mu"])
    assert_same_bytes(first, save(again, tmp_path, "again"))


def test_file_formats(records, tmp_path):
    figure = zscore_contraction(records, ["mu"], arms=["right"])
    pdf, svg, png = (path.read_bytes() for path in save(figure, tmp_path, "figure"))
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf
    assert b"<svg" in svg
    assert b"dc:date" not in svg
    assert png.startswith(b"\x89PNG")
    width = int.from_bytes(png[16:20])
    assert width == round(200 * figure.get_figwidth())


@pytest.mark.parametrize("name", ["", "folder/figure"])
def test_name_is_a_file_name(name, records, tmp_path):
    with pytest.raises(ValueError, match="file name without a directory"):
        save(zscore_contraction(records, ["mu"]), tmp_path, name)
