"""The pages in a real browser, from files."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from atacal.pipeline import pipeline
from atacal.simulate import simulate
from atacal.weblog import weblog

MAIN = (
    "index",
    "block-1",
    "topics",
    "tasks",
    "flags",
    "antennas",
    "messages",
    "downloads",
    "compare",
    "stage-03-hifa_bandpass",
)


class Page:
    """A page of the browser, and what went wrong on it."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.problems: list[str] = []
        self.context = browser.new_context(viewport={"width": options.pop("width", 1280), "height": 900}, **options)
        self.page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.on("requestfailed", self._failed)
        self.page.on(
            "request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else self.problems.append(r.url)
        )

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # of a page that is left while its charts are loaded
            self.problems.append(f"{request.url}: {request.failure}")

    def _said(self, message: Any) -> None:
        # of drivers that draw without a graphics card
        if message.type in ("error", "warning") and "GL Driver Message" not in message.text:
            self.problems.append(message.text)

    def open(self, path: Path, hash_: str = "") -> Any:
        self.page.goto("about:blank")
        self.page.goto(path.as_uri() + hash_)
        return self.page

    def drawn(self, name: str) -> Any:
        """Wait until a chart is drawn; return its figure."""
        figure = self.page.locator(f'figure[data-chart$="{name}"]').first
        figure.scroll_into_view_if_needed()
        figure.locator("xpath=self::*[@data-state='drawn' or @data-state='failed']").wait_for(timeout=30_000)
        return figure


@pytest.fixture
def shown(chromium):
    made = []

    def make(**options: Any) -> Page:
        made.append(Page(chromium, **options))
        return made[-1]

    yield make
    for one in made:
        one.context.close()


def draw_all(page: Any) -> None:
    page.evaluate("async () => { if (window.weblog && weblog.drawAll) { await weblog.drawAll(); } }")


def test_every_page_opens_and_draws(made_run, shown, pictures):
    web = made_run / "weblog"
    one = shown()
    pages = sorted(web.glob("*.html"))
    assert {p.stem for p in pages} >= set(MAIN)
    for path in pages:
        page = one.open(path)
        draw_all(page)
        states = page.eval_on_selector_all(
            "figure.chart",
            "all => all.map(f => [f.dataset.chart, f.dataset.state, f.querySelector('.problem').textContent])",
        )
        assert [s for s in states if s[1] != "drawn"] == [], path.name
        assert (
            page.eval_on_selector_all(
                "figure.chart .plot", "all => all.filter(p => !p.querySelector('.main-svg')).length"
            )
            == 0
        )
        assert one.problems == [], path.name
        if path.stem in MAIN:
            page.screenshot(path=pictures / f"{path.stem}.png", full_page=True)
    for links in [
        page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
        for page in [one.open(p) for p in pages]
    ]:
        for link in links:
            assert not link.split("#")[0] or (web / link.split("#")[0]).is_file(), link


def numbers_in(value: Any) -> set[float]:
    if isinstance(value, (dict, list)):
        return set().union(*map(numbers_in, value.values() if isinstance(value, dict) else value))
    return {float(value)} if isinstance(value, (int, float)) and not isinstance(value, bool) else set()


def test_a_whole_run(shown, tmp_path):
    """All stages on a raw block: every page opens, every chart draws, every number is one of the stage's."""
    simulate(str(tmp_path / "block.ms"), raw=True, fluxcal="sso", seed=9)
    page_file = Path(pipeline(str(tmp_path / "block.ms"), outdir=str(tmp_path / "run")).weblog)
    one = shown()
    drawn = compared = 0
    for path in sorted(page_file.parent.glob("*.html")):
        page = one.open(path)
        draw_all(page)
        states = page.eval_on_selector_all(
            "figure.chart:not([hidden])",
            "all => all.map(f => [f.dataset.chart, f.dataset.state, f.querySelector('.problem').textContent])",
        )
        assert [s for s in states if s[1] != "drawn"] == [], path.name
        drawn += len(states)
        if path.name.startswith("stage-"):
            (result,) = (tmp_path / "run" / "stages").glob(f"{path.name[6:8]}-*/result.json")
            told = json.loads(result.read_text())
            values = set(page.eval_on_selector_all("data", "all => all.map(d => Number(d.value))"))
            assert values <= numbers_in(told), path.name
            for outcome in told["blocks"].values():
                wanted = numbers_in(outcome["decisions"]) | numbers_in([s["value"] for s in outcome["scores"]])
                assert wanted <= values, path.name
            compared += len(values)
    assert len(list((tmp_path / "run" / "stages").iterdir())) == 25
    assert drawn > 150
    assert compared > 500
    assert one.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(made_run, shown, scheme, pictures):
    from axe_playwright_python.sync_playwright import Axe

    one = shown(color_scheme=scheme)
    for name in MAIN:
        page = one.open(made_run / "weblog" / f"{name}.html")
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        serious = [
            (v["id"], [n["html"][:150] for n in v["nodes"][:3]])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == [], name
    one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html")
    one.drawn("phase_time")
    one.page.screenshot(path=pictures / f"stage-{scheme}.png")


def test_selection_by_controls_keyboard_and_link(made_run, shown):
    one = shown()
    page = one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html")
    figure = one.drawn("phase_time")
    traces = "f => f.querySelector('.plot').data.map(t => [t.name, t.x.filter(v => v !== null).length])"
    everything = figure.evaluate(traces)
    assert sum(n for _, n in everything) >= 24 * 40  # all antennas, spws, polarisations
    page.keyboard.press("ArrowRight")
    assert page.evaluate("weblog.selection") == {"antenna": "DA41"}
    one.drawn("phase_time")
    names = [name for name, _ in figure.evaluate(traces)]
    assert "other antennas" in names
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("weblog.selection") == {}
    page.select_option('select[name="spw"]', "19")
    page.select_option('select[name="antenna"]', "DV02")
    assert "antenna=DV02" in page.url
    assert "spw=19" in page.url
    assert page.locator('figure[data-chart$="many"]').first.is_hidden()  # all of it is of spw 17
    page.wait_for_function("f => true")
    kept = page.locator("a[rel=prev]").get_attribute("href")
    assert kept == "stage-02-hifa_flagdata.html#antenna=DV02&spw=19"
    again = one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html", "#antenna=DV02&spw=19&at=plots")
    assert again.evaluate("weblog.selection") == {"antenna": "DV02", "spw": "19"}
    assert again.locator('select[name="antenna"]').input_value() == "DV02"
    shown_of = one.drawn("bandpass_amp").evaluate(
        "f => [...new Set(f.querySelector('.plot').data.flatMap(t => t.text))].join(' ')"
    )
    assert "antenna DV02" in shown_of
    assert "spw 17" not in shown_of
    assert one.problems == []


def test_a_score_leads_to_its_plots(made_run, shown):
    one = shown()
    page = one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html", "#antenna=DV02")
    page.get_by_title("Choose it for the plots").first.click()
    assert page.evaluate("weblog.selection") == {"spw": "19"}
    one.drawn("phase_time")
    assert one.problems == []


def test_hover_zoom_and_legend(made_run, shown):
    one = shown()
    page = one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html")
    figure = one.drawn("phase_time")
    assert "snr" in figure.evaluate("f => f.querySelector('.plot').data[0].text[0]")
    assert "role flagged" in figure.evaluate("f => f.querySelector('.plot').data.flatMap(t => t.text).join(' ')")
    box = figure.locator(".nsewdrag").first.bounding_box()
    before = figure.evaluate("f => f.querySelector('.plot').layout.xaxis.range.join()")
    page.mouse.move(box["x"] + 50, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 120, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert figure.evaluate("f => f.querySelector('.plot').layout.xaxis.range.join()") != before
    legend = figure.locator(".legendtoggle").first
    legend.click()
    page.wait_for_timeout(600)
    assert "legendonly" in figure.evaluate("f => f.querySelector('.plot').data.map(t => t.visible)")
    assert one.problems == []


def test_why_something_was_flagged(made_run, shown):
    one = shown()
    one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html")
    texts = "f => f.querySelector('.plot').data.flatMap(t => (t.text || []).flat())"
    points = [t for t in one.drawn("phase_time").evaluate(texts) if "role flagged" in t]
    assert points
    assert all("flagged: jump 9.125 (limit 5)" in t for t in points)  # of DA41 in spw 17
    cells = {t for t in one.drawn("view").evaluate(texts) if t}
    assert cells == {"<br>flagged: jump 9.125 (limit 5)"}  # the first view is of spw 17


def test_lines_in_system_temperatures_are_shaded(made_run, shown):
    one = shown()
    page = one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html")
    spans = "f => f.querySelector('.plot').layout.shapes.filter(s => s.type === 'rect').map(s => [s.x0, s.x1])"
    assert one.drawn("X1.ms/bandpass_amp").evaluate(spans) == [[230.5, 230.6]]
    words = "f => f.querySelector('.plot').layout.annotations.map(a => a.text)"
    assert one.drawn("X1.ms/bandpass_amp").evaluate(words) == ["Tsys: line of Sgr A*"]
    page.select_option('select[name="block"]', "uid___A002_X1_X2.ms")
    assert one.drawn("X2.ms/bandpass_amp").evaluate(spans) == []  # the other block has none


def test_data_of_a_picture(made_run, shown, tmp_path):
    one = shown()
    page = one.open(made_run / "weblog" / "stage-03-hifa_bandpass.html", "#antenna=DV02&spw=17")
    figure = one.drawn("phase_time")
    with page.expect_download() as download:
        figure.locator("[data-save=csv]").click()
    download.value.save_as(tmp_path / "x.csv")
    rows = (tmp_path / "x.csv").read_text().splitlines()
    assert rows[0].startswith("antenna,field,polarisation,")
    assert len(rows) == 1 + 2 * 40
    with page.expect_download() as download:
        figure.locator("[data-save=json]").click()
    download.value.save_as(tmp_path / "x.json")
    assert '"antenna":"DV02"' in (tmp_path / "x.json").read_text()


def test_reasons_of_flags(made_run, shown):
    one = shown()
    page = one.open(made_run / "weblog" / "flags.html")
    page.locator("table.matrix td[data-at] button").first.click()
    assert "online" in page.locator(".reasons").first.inner_text()
    page.locator('td[data-at="DA41\tSgr A*\t17"] button').first.click()
    why = page.locator(".reasons").first
    assert "jump 9.125 (limit 5)" in why.inner_text()
    assert "7.5" not in why.inner_text()  # of another antenna
    table = why.get_by_text("4200 have no good solution in hifa_bandpass.s03.bcal.tbl")
    assert table.get_attribute("href") == "stage-03-hifa_bandpass.html"
    page = one.open(made_run / "weblog" / "antennas.html", "#antenna=PM01")
    assert "PM01 was shadowed" in page.locator("#antenna-found").inner_text()
    assert "shadow" in page.locator("#antenna-flags").inner_text()
    assert one.problems == []


def test_a_chart_that_fails_says_why(made_run, shown, tmp_path):
    web = Path(shutil.copytree(made_run / "weblog", tmp_path / "weblog"))
    data = web / "charts" / "03-hifa_bandpass" / "uid___A002_X1_X1.ms"
    (data / "phase_time.js").unlink()
    (data / "logarithm.js").write_text(
        'weblogChart(["03-hifa_bandpass/uid___A002_X1_X1.ms/logarithm",""],\'{"series": 5}\');'
    )
    one = shown()
    page = one.open(web / "stage-03-hifa_bandpass.html")
    gone, odd = one.drawn("X1.ms/phase_time"), one.drawn("X1.ms/logarithm")
    assert "cannot be loaded" in gone.inner_text()
    assert "cannot be drawn" in odd.inner_text()
    assert one.drawn("X1.ms/bandpass_amp").get_attribute("data-state") == "drawn"
    assert page.title()


def test_hostile_names_are_shown_and_never_run(hostile_run, shown):
    one = shown()
    for path in sorted((hostile_run / "weblog").glob("*.html")):
        page = one.open(path)
        draw_all(page)
        page.wait_for_timeout(200)
        assert page.title() != "gone", path.name
        assert page.locator("img").count() == 0, path.name
        assert page.evaluate("Object.keys(Object.prototype).length") == 0
        assert one.problems == [], path.name
    text = one.open(next((hostile_run / "weblog").glob("stage-01*.html"))).locator("body").inner_text()
    assert '<script>document.title="gone"</script>' in text
    assert "{{ 7 * 7 }}" in text
    assert "the data of this chart cannot be read: stages/../../secret.json" in text
    page.keyboard.press("ArrowRight")


def test_narrow_and_print(made_run, shown, pictures):
    one = shown(width=400)
    for name in ("index", "stage-03-hifa_bandpass", "flags"):
        page = one.open(made_run / "weblog" / f"{name}.html")
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), name
        page.screenshot(path=pictures / f"{name}-narrow.png")
    wide = shown()
    page = wide.open(made_run / "weblog" / "stage-03-hifa_bandpass.html")
    draw_all(page)
    page.pdf(path=pictures / "stage-print.pdf")
    assert (pictures / "stage-print.pdf").stat().st_size > 50_000


def test_pages_while_a_run_goes_on(made_run, shown, tmp_path):
    folder = Path(shutil.copytree(made_run, tmp_path / "run", ignore=shutil.ignore_patterns("weblog")))
    shutil.move(folder / "stages" / "03-hifa_bandpass", tmp_path / "later")
    weblog(str(folder))
    one = shown()
    page = one.open(folder / "weblog" / "index.html")
    assert re.search(r"3 stages are done; the run has not come to its end", page.locator("main").inner_text())
    shutil.move(tmp_path / "later", folder / "stages" / "03-hifa_bandpass")
    weblog(str(folder))
    assert "4 stages are done" in one.open(folder / "weblog" / "index.html").locator("main").inner_text()
    assert one.problems == []
