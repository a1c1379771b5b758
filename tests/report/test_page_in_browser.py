"""The page of a run in Chromium: sorting, filtering, opening, contrast, keys, phone, no "
"requests."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from hiercal.report.page.render import page, write
from hiercal.runs.manifest import REPORT

CELLS = "document.getElementById('cells')"
SHOWN = f"return [...{CELLS}.tBodies[0].rows].filter(r => !r.hidden).map(r => r.dataset.name)"
CONTRAST = """
const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
const alpha = c => c.length > 3 ? c[3] : 1;
const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = c => {
  const [r, g, b] = c.map(v => linear(v / 255));
  return .2126 * r + .7152 * g + .0722 * b;
};
const behind = element => {
  for (let e = element; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length && alpha(c) === 1) return c;
  }
  return [255, 255, 255];
};
const low = [];
let n = 0;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!element || !element.getClientRects().length) continue;
  const text = walk.currentNode.data.trim();
  if (!text || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
  const style = getComputedStyle(element);
  const svg = element.namespaceURI.endsWith("svg");
  const ink = rgb(svg ? style.fill : style.color);
  const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
  n += 1;
  const ratio = (a + .05) / (b + .05);
  if (ratio < 4.5) low.push([text.slice(0, 40), style.color, ratio]);
}
return [n, low];
"""
"""WCAG 2.2, relative luminance and contrast, of every text that is shown."""


def cdp(browser, command, **options):
    return browser.execute_cdp_cmd(command, options)


@pytest.fixture(scope="module")
def path(finished):
    return write(page(finished.folder), finished.folder / REPORT)


@pytest.fixture
def opened(browser, path):
    """The page, as large as on a desk, in light colours, its messages and requests forgotten."""
    look(browser)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get("about:blank")
    browser.get(path.as_uri())
    return browser


def look(browser, width=1280, height=900, scheme="light"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    cdp(browser, "Emulation.setEmulatedMedia", features=features, media="")
    cdp(browser, "Emulation.setDeviceMetricsOverride", width=width, height=height,
        deviceScaleFactor=1, mobile=width < 500)  # fmt: skip


def keys(browser, *names):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    chain = ActionChains(browser)
    for name in names:
        chain.send_keys(getattr(Keys, name, name))
    chain.perform()


def fill(browser, name, text):
    field = browser.find_element("id", name)
    field.clear()
    field.send_keys(text)


def requests(browser):
    messages = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    sent = [
        m["params"]["request"]["url"]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in sent if not url.startswith(("about:", "data:"))]


def test_no_request_and_no_message(opened, path):
    opened.find_element("css selector", "#cells td a").click()
    assert requests(opened) == [path.as_uri()]
    assert opened.get_log("browser") == []


def test_sorting_by_an_arm_and_by_name(opened):
    before = opened.execute_script(SHOWN)
    heads = opened.find_elements("css selector", "#cells thead th")
    heads[2].find_element("css selector", "button").click()
    order = opened.execute_script(
        f"return [...{CELLS}.tBodies[0].rows].map(r => Number(r.cells[2].dataset.s))"
    )
    assert order == sorted(order, reverse=True)
    assert order[0] > order[-1]
    assert heads[2].get_attribute("aria-sort") == "descending"
    heads[0].find_element("css selector", "button").click()
    assert opened.execute_script(SHOWN) == sorted(before)
    assert heads[2].get_attribute("aria-sort") is None
    for _ in range(2):
        heads[0].find_element("css selector", "button").click()
    assert opened.execute_script(SHOWN) == before


def test_filters_by_quantity_arm_and_verdict(opened):
    fill(opened, "quantity", "G[")
    assert opened.execute_script(SHOWN) == ["g[A]", "g[B]"]
    assert "2 of 4 quantities, 5 of 5 arms" in opened.find_element("id", "shown").text
    fill(opened, "arm", "always=40")
    assert "1 of 5 arms" in opened.find_element("id", "shown").text
    opened.find_element("css selector", "form button").click()
    opened.execute_async_script("setTimeout(arguments[0], 50)")
    assert len(opened.execute_script(SHOWN)) == 4
    fill(opened, "arm", "always=40")
    opened.find_element("css selector", "#verdicts option:nth-child(2)").click()
    assert (
        opened.find_element("css selector", "#verdicts").get_attribute("value") == "miscalibrated"
    )
    assert opened.execute_script(SHOWN) == ["x", "g[A]", "g[B]"]


def test_a_cell_opens_and_escape_leads_back(opened):
    link = opened.find_element("css selector", "#cells td.e4 a")
    link.click()
    (section,) = [s for s in opened.find_elements("css selector", ".cell") if s.is_displayed()]
    assert "miscalibrated" in section.text
    drawn = section.find_elements("css selector", "svg")
    assert [svg.size["width"] > 250 for svg in drawn] == [True] * 3
    use = "return arguments[0].querySelector('use').getBBox().width"
    assert all(opened.execute_script(use, svg) > 400 for svg in drawn)
    keys(opened, "ESCAPE")
    assert not [s for s in opened.find_elements("css selector", ".cell") if s.is_displayed()]
    assert opened.switch_to.active_element == link


def test_arrows_go_from_cell_to_cell_and_a_slash_to_the_filter(opened):
    first = opened.find_element("css selector", "#cells td a")
    opened.execute_script("arguments[0].focus()", first)
    keys(opened, "ARROW_DOWN", "ARROW_RIGHT")
    row, column = opened.execute_script(
        "const c = document.activeElement.closest('td'); return [c.parentNode.rowIndex, "
        "c.cellIndex]"
    )
    assert (row, column) == (2, 2)
    keys(opened, "/")
    assert opened.switch_to.active_element.get_attribute("id") == "quantity"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(opened, scheme):
    look(opened, scheme=scheme)
    opened.execute_script(
        "document.querySelectorAll('.cell').forEach(c => c.style.display = 'block')"
    )
    n, low = opened.execute_script(CONTRAST)
    assert n > 200
    assert low == []
    paper = "return getComputedStyle(document.body).backgroundColor"
    dark = opened.execute_script(paper) != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_of_the_axes_have_contrast(opened, scheme):
    look(opened, scheme=scheme)
    opened.find_element("css selector", "#cells td.e4 a").click()
    for svg in opened.find_elements("css selector", ".cell:target svg"):
        pixels = np.asarray(Image.open(io.BytesIO(svg.screenshot_as_png)).convert("RGB")) / 255
        linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
        light = linear @ [0.2126, 0.7152, 0.0722]
        labels = light[:, : int(0.08 * light.shape[1])]  # what is left of the axis
        paper = labels[0, 0]
        ink = max(labels.min(), labels.max(), key=lambda value: abs(value - paper))
        high, low = max(ink, paper), min(ink, paper)
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_phone_scrolls_down_alone(opened):
    look(opened, width=390, height=844)
    wide = "return [document.documentElement.scrollWidth, innerWidth]"
    assert opened.execute_script(wide) == [390, 390]
    opened.find_element("css selector", "#cells td a").click()
    assert opened.execute_script(wide) == [390, 390]


def test_without_javascript_cells_still_open(opened, path):
    cdp(opened, "Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened.get("about:blank")
        opened.get(path.as_uri())
        assert not opened.find_element("css selector", "form.controls").is_displayed()
        opened.find_element("css selector", "#cells td.e4 a").click()
        assert [s for s in opened.find_elements("css selector", ".cell") if s.is_displayed()]
    finally:
        cdp(opened, "Emulation.setScriptExecutionDisabled", value=False)


def test_names_are_shown_and_do_nothing(browser, nasty):
    look(browser)
    browser.get(write(page(nasty), nasty / REPORT).as_uri())
    browser.get_log("browser")
    rows = browser.execute_script(SHOWN)
    assert any("</script><img" in name for name in rows)
    assert browser.find_elements("css selector", "main img") == []
    look(browser, width=390, height=844)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    browser.find_element("css selector", "#cells td a").click()
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    assert browser.get_log("browser") == []


def test_what_is_printed_has_its_cells_and_no_controls(opened):
    cdp(opened, "Emulation.setEmulatedMedia", media="print")
    shown = [s for s in opened.find_elements("css selector", ".cell") if s.is_displayed()]
    assert 0 < len(shown) <= 12
    assert not opened.find_element("css selector", "form.controls").is_displayed()
    look(opened)
