"""The page: one file that loads nothing, answers first, and can be sorted, filtered, changed and saved from."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serlab.decide import decide, scenario_names, scenario_text
from serlab.decide.ranking import Run as Read
from serlab.decide.ranking import read_run
from serlab.page import page_of, write_page
from serlab.page.build import SCRIPTS, asset, embedded
from serlab.page.data import DARK
from serlab.report import build_tables
from serlab.report.figures.look import luminance
from serlab.rows import write_table
from tests.conftest import ROOT, Run
from tests.support.browser import browser, needs_browser, open_address, open_page, requests
from tests.support.figurerows import COLOURS
from tests.support.figurerows import run as figure_rows
from tests.support.folders import ENVIRONMENT
from tests.support.pagerows import WORKLOADS, write

pytestmark = pytest.mark.slow

EVIL = "x</script ><img src=x onerror=\"document.title='broken in'\"><!--.jsonl"
LARGEST = 5_000_000


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for saved files."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a run, with a workload whose name is an attack, and its page."""
    folder = write(tmp_path_factory.mktemp("page") / "run", {**WORKLOADS, EVIL: "ChatRequest"})
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def run(directory: Path) -> Read:
    """Read the run."""
    return read_run(directory)


@pytest.fixture(scope="module")
def tables(run: Read) -> dict[str, pd.DataFrame]:
    """Build its tables."""
    return build_tables(run.rows)


@pytest.fixture(scope="module")
def driver(downloads: Path) -> Iterator[Any]:
    """Start a browser for all tests here."""
    with browser(downloads) as found:
        yield found


@pytest.fixture
def page(driver: Any, directory: Path) -> Any:
    """Open the page afresh."""
    driver.get_log("browser")
    requests(driver)
    open_page(driver, directory / "report.html")
    return driver


def text_of(page: Any, selector: str) -> str:
    """Read an element's text."""
    found: str = page.execute_script("return document.querySelector(arguments[0]).textContent", selector)
    return found.replace("\u00a0", " ")


def column(page: Any, table: str, name: str) -> list[str]:
    """Read the cells of one column of a table."""
    script = """
        const [table, name] = arguments;
        const heads = [...document.querySelectorAll(`#table-${table} thead th`)].map((head) => head.dataset.column);
        const rows = [...document.querySelectorAll(`#table-${table} tbody tr`)];
        return rows.map((row) => row.children[heads.indexOf(name)].textContent);
    """
    found: list[str] = page.execute_script(script, table, name)
    return found


def ranked(page: Any) -> list[str]:
    """Read the codecs of the ranking in order."""
    script = "return [...document.querySelectorAll('#ranking tbody tr')].map((row) => row.dataset.codec)"
    found: list[str] = page.execute_script(script)
    return found


def set_field(page: Any, path: str, value: object) -> None:
    """Type a value into a field of the calculator, and wait until the page has ranked again."""
    script = """
        const field = document.getElementById("set-" + arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event(field.tagName === "SELECT" ? "change" : "input"));
        return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    """
    page.execute_script(script, path, str(value))


def key(page: Any, element: Any, name: str) -> None:
    """Press a key on an element."""
    from selenium.webdriver.common.keys import Keys

    element.send_keys(getattr(Keys, name))


def find(page: Any, selector: str) -> Any:
    """Find an element by a CSS selector."""
    return page.find_element("css selector", selector)


def saved(folder: Path, name: str) -> Path:
    """Wait for a saved file."""
    path = folder / name
    for _ in range(2400):
        if path.exists() and path.stat().st_size:
            return path
        time.sleep(0.05)
    raise AssertionError(f"{name} was not saved; there are {[one.name for one in folder.iterdir()]}")


@needs_browser
def test_page_loads_nothing_and_complains_of_nothing(page: Any, directory: Path) -> None:
    """From the disk, without a request beyond itself, and without an error, a warning or a breach of its policy."""
    assert requests(page) == [(directory / "report.html").as_uri()]
    assert [entry["message"] for entry in page.get_log("browser")] == []


@needs_browser
def test_name_of_a_workload_is_only_text(page: Any) -> None:
    """A corpus may bear any name; one that ends a script and brings a picture stays a name."""
    assert page.title == "serlab: run r"
    assert page.execute_script("return document.images.length") == 0
    names = page.execute_script("return [...document.getElementById('workload').options].map((one) => one.value)")
    assert EVIL in names
    find(page, "#filter-summary").send_keys("onerror")
    assert set(column(page, "summary", "workload")) == {EVIL}


@needs_browser
def test_answer_stands_first_and_is_that_of_decide(page: Any, run: Read) -> None:
    """On the first screen, in the words of `serlab decide`, with its reasons."""
    decision = decide(run, "service-hop")
    assert text_of(page, "#verdict") == decision.verdict
    reasons = page.execute_script("return [...document.querySelectorAll('#reasons li')].map((one) => one.textContent)")
    assert [reason.replace("\u00a0", " ") for reason in reasons] == [*decision.notes, *decision.reasons]
    assert page.execute_script("return document.getElementById('verdict').getBoundingClientRect().bottom") < 400
    assert ranked(page) == [one.codec for one in decision.order.standings]


@needs_browser
def test_answer_stands_there_without_scripts(directory: Path, run: Read) -> None:
    """In the file itself, with a line for each boundary."""
    text = re.sub(r"<script.*?</script>", "", (directory / "report.html").read_text(), flags=re.DOTALL)
    for name in scenario_names():
        assert decide(run, name).verdict.split(":")[0] in text


@needs_browser
def test_column_sorts_by_click_and_by_key(page: Any, tables: dict[str, pd.DataFrame]) -> None:
    """Up at first, down the second time, and the heading says which; figures sort as figures, not as texts."""
    button = find(page, "#table-time th[data-column='time_ns'] button")
    head = find(page, "#table-time th[data-column='time_ns']")
    assert head.get_attribute("aria-sort") is None
    page.execute_script("arguments[0].click()", button)
    times = tables["time"]
    assert head.get_attribute("aria-sort") == "ascending"
    fastest = times.sort_values("time_ns", kind="stable")["codec"].tolist()
    assert column(page, "time", "codec") == fastest[: len(column(page, "time", "codec"))]
    key(page, button, "ENTER")
    assert head.get_attribute("aria-sort") == "descending"
    slowest = times.sort_values("time_ns", ascending=False, kind="stable")["codec"].iloc[0]
    assert column(page, "time", "codec")[0] == slowest
    other = find(page, "#table-time th[data-column='codec'] button")
    key(page, other, "SPACE")
    assert head.get_attribute("aria-sort") is None
    names = column(page, "time", "codec")
    assert names == sorted(names)


@needs_browser
def test_filter_keeps_the_rows_that_hold_all_words_and_choices(page: Any) -> None:
    """And says how many there are."""
    field = find(page, "#filter-time")
    field.send_keys("PROTOBUF stream")
    rows = column(page, "time", "codec")
    assert set(rows) == {"protobuf"} and set(column(page, "time", "workload")) == {"stream"} and len(rows) == 11
    choice = find(page, "#filter-time-operation")
    choice.send_keys("decode")
    assert column(page, "time", "operation") == ["decode"]
    assert "1 of " in text_of(page, "#time [role=status]")
    field.send_keys(" nothing-like-it")
    assert column(page, "time", "codec") == []


@needs_browser
def test_all_rows_can_be_shown(page: Any, tables: dict[str, pd.DataFrame]) -> None:
    """A long table begins short."""
    before = len(column(page, "time", "codec"))
    page.execute_script("document.querySelector('#time > button').click()")
    assert before < len(column(page, "time", "codec")) == len(tables["time"])


@needs_browser
def test_setting_ranks_again_and_stands_in_the_address(page: Any, run: Read) -> None:
    """The answer is that of the command which the page names, and a reader of the screen hears of it."""
    set_field(page, "wire.bandwidth_bit_per_s", 2)
    set_field(page, "latency.time_to_first_token_s", 0)
    set_field(page, "latency.tokens", 0)
    set_field(page, "messages.ChatRequest.workloads.agent-request", 8)
    changes = {
        "wire.bandwidth_bit_per_s": 2e6, "latency.time_to_first_token_s": 0.0, "latency.tokens": 0.0,
        "messages.ChatRequest.workloads.agent-request": 8.0,
    }  # fmt: skip
    decision = decide(run, "service-hop", **changes)
    assert text_of(page, "#verdict") == decision.verdict
    assert ranked(page) == [one.codec for one in decision.order.standings]
    assert find(page, "#verdict").get_attribute("aria-live") == "polite"
    assert "--set wire.bandwidth_bit_per_s=2000000" in text_of(page, "#command")
    address = page.current_url
    assert "wire.bandwidth_bit_per_s=2000000" in address
    open_address(page, address)
    assert text_of(page, "#verdict") == decision.verdict
    assert find(page, "#set-wire\\.bandwidth_bit_per_s").get_attribute("value") == "2"
    page.execute_script("document.getElementById('reset').click()")
    set_field(page, "wire.crossings", 1)
    assert text_of(page, "#verdict") == decide(run, "service-hop").verdict


@needs_browser
def test_wrong_value_is_said_and_changes_nothing(page: Any) -> None:
    """The field is marked, its note read out, and the ranking stays."""
    before = text_of(page, "#verdict")
    set_field(page, "wire.bandwidth_bit_per_s", 0)
    field = find(page, "#set-wire\\.bandwidth_bit_per_s")
    assert field.get_attribute("aria-invalid") == "true"
    assert find(page, f"[id='{field.get_attribute('aria-describedby')}']").is_displayed()
    assert text_of(page, "#verdict") == before and "bandwidth" not in page.current_url
    set_field(page, "wire.bandwidth_bit_per_s", 10)
    assert field.get_attribute("aria-invalid") == "false" and "bandwidth" in page.current_url


@needs_browser
def test_boundary_is_chosen_by_keyboard(page: Any, run: Read) -> None:
    """From the list, and from the line of each boundary, which moves the focus to the answer."""
    choice = find(page, "#scenario")
    choice.send_keys("edge")
    page.execute_script("return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    assert text_of(page, "#verdict") == decide(run, "edge").verdict
    key(page, find(page, "#overview tr:last-child button"), "ENTER")
    assert "scenario=log-archive" in page.current_url
    assert page.execute_script("return document.activeElement.id") == "verdict"


@needs_browser
def test_saved_csv_holds_the_rows_of_the_table(page: Any, downloads: Path, tables: dict[str, pd.DataFrame]) -> None:
    """All columns with full figures, of the rows that the filter keeps, in the order that is shown."""
    find(page, "#filter-size").send_keys("chat-turn")
    page.execute_script("document.querySelector('#size th[data-column=raw_bytes] button').click()")
    for button in page.find_elements("css selector", "#size .buttons button"):
        key(page, button, "ENTER")
    size = tables["size"]
    expected = size[size["workload"] == "chat-turn"].sort_values("raw_bytes", kind="stable", ignore_index=True)
    found = pd.read_csv(saved(downloads, "size.csv"))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_column_type=False, rtol=1e-15)
    record = json.loads(saved(downloads, "size.json").read_text())
    assert [row["raw_bytes"] for row in record["rows"]] == expected["raw_bytes"].tolist()
    assert "a CPU" in record["caption"]


@needs_browser
def test_saved_csv_holds_no_formula(driver: Any, tmp_path: Path, downloads: Path) -> None:
    """Neither as a name nor as a part of one; numbers stay what they are."""
    formulas = ["=1+1.jsonl", "a;=1+1.jsonl"]
    folder = write(tmp_path / "run", dict.fromkeys(formulas, "ChatRequest"))
    open_page(driver, write_page(folder))
    (downloads / "size.csv").unlink(missing_ok=True)
    find(driver, "#size .buttons button").click()
    found = pd.read_csv(saved(downloads, "size.csv"))
    assert {*found["workload"]} == {"'=1+1.jsonl", "a;'=1+1.jsonl"} and (found["raw_bytes"] > 0).all()


@needs_browser
def test_legend_hides_a_codec_from_every_figure(page: Any) -> None:
    """By a key, with its state said, in the address, and back again."""
    script = "return document.querySelectorAll('#all-figures svg [aria-label*=\"protobuf\"]').length"
    assert page.execute_script(script) > 0
    button = find(page, "#legend [data-codec=protobuf]")
    key(page, button, "ENTER")
    assert button.get_attribute("aria-pressed") == "false" and "hide=protobuf" in page.current_url
    deadline = time.monotonic() + 120
    while page.execute_script(script) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert page.execute_script(script) == 0


@needs_browser
def test_figures_are_drawn_for_what_was_measured(driver: Any, tmp_path: Path) -> None:
    """A run with sizes, times, memory, steps of reading and lag has every figure; its codecs have the usual colours."""
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT))
    write_table(tmp_path, figure_rows("chat-turn", "stream"))
    open_page(driver, write_page(tmp_path))
    script = "return document.querySelectorAll('#figure-' + arguments[0] + ' svg').length"
    for name in ("crossover", "ratios", "pareto", "access", "memory", "lag"):
        assert driver.execute_script(script, name) > 0, name
    assert COLOURS["protobuf"].lower() in driver.execute_script(
        "return document.getElementById('figure-ratios').innerHTML.toLowerCase()"
    )


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_follows_the_system_and_its_button(driver: Any, directory: Path, theme: str) -> None:
    """Text and links have the contrast that WCAG 2.2 asks of small text (4.5), on both grounds."""
    features = [{"name": "prefers-color-scheme", "value": theme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    open_page(driver, directory / "report.html")
    other = {"light": "dark", "dark": "light"}[theme]
    assert text_of(driver, "#theme").lower().startswith(other)
    for name in ("text", "quiet", "accent", "wrong"):
        for ground in ("ground", "raised", "chosen"):
            assert contrast(colour(driver, name), colour(driver, ground)) >= 4.5, (theme, name, ground)
    for codec, drawn in COLOURS.items():
        seen = DARK.get(drawn, drawn) if theme == "dark" else drawn
        assert contrast(seen, colour(driver, "ground")) >= (3 if theme == "dark" else 2), codec
    ground = colour(driver, "ground")
    find(driver, "#theme").click()
    assert colour(driver, "ground") != ground and f"theme={other}" in driver.current_url
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def colour(driver: Any, name: str) -> str:
    """Read one of the page's colours."""
    found: str = driver.execute_script(
        "return getComputedStyle(document.documentElement).getPropertyValue('--' + arguments[0]).trim()", name
    )
    return found


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""
    shades = sorted(luminance([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for text in (one, other))
    return (shades[1] + 0.05) / (shades[0] + 0.05)


@needs_browser
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_page_is_no_wider_than_the_screen(driver: Any, directory: Path, width: int) -> None:
    """What is wide scrolls within itself."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    open_page(driver, directory / "report.html")
    driver.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@needs_browser
def test_every_control_and_region_has_a_name(page: Any) -> None:
    """For a reader of the screen: labels, captions, headings in order, one main part."""
    script = """
        const nameless = [...document.querySelectorAll("input, select, button, [role=region], section, form, nav")]
          .filter((one) => !one.closest(".vega-embed"))
          .filter((one) => !(one.labels?.length || one.textContent.trim() && one.tagName === "BUTTON"
            || one.getAttribute("aria-label") || document.getElementById(one.getAttribute("aria-labelledby"))));
        const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
        return {
          nameless: nameless.map((one) => one.outerHTML.slice(0, 100)),
          captionless: [...document.querySelectorAll("table")].filter((one) => !one.caption).length,
          mains: document.querySelectorAll("main, header, nav").length,
          twice: ids.filter((id, i) => ids.indexOf(id) !== i),
          levels: [...document.querySelectorAll("h1, h2, h3")].map((one) => Number(one.tagName[1])),
        };
    """
    found = page.execute_script(script)
    assert found["nameless"] == [] and found["captionless"] == 0 and found["mains"] == 3 and found["twice"] == []
    levels = found["levels"]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in itertools.pairwise(levels))


@needs_browser
def test_link_within_the_page_keeps_the_settings(page: Any) -> None:
    """The address holds the settings, so a jump must not take their place."""
    set_field(page, "wire.bandwidth_bit_per_s", 5)
    before = page.current_url
    key(page, find(page, "nav a[href='#tables']"), "ENTER")
    assert page.current_url == before and page.execute_script("return document.activeElement.id") == "tables"


def test_page_stays_small_with_all_operations(directory: Path) -> None:
    """At most 5 MB, half of it the library that draws."""
    assert (directory / "report.html").stat().st_size < LARGEST


class Scripts(HTMLParser):
    """Counts scripts and addresses, as a browser would find them."""

    def __init__(self) -> None:
        """Start at nothing."""
        super().__init__()
        self.scripts, self.addresses, self.tags = 0, [], set()  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.scripts += tag == "script"
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action")]


def test_page_is_one_file_with_three_scripts(directory: Path) -> None:
    """Data, library and program; addresses are within the page or of files beside it, whatever a workload is called."""
    found = Scripts()
    found.feed((directory / "report.html").read_text())
    assert found.scripts == 3 and not found.tags & {"img", "link", "iframe", "object", "base"}
    beside = {"results.parquet", "environment.json"}
    assert {address for address in found.addresses if not address.startswith("#")} == beside


def test_policy_forbids_the_network_and_code_from_text(directory: Path) -> None:
    """No source of anything but the page's own scripts by hash; neither eval nor scripts in line."""
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', (directory / "report.html").read_text())
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'" and re.fullmatch(r"('sha256-[\w+/=]+' ?){2}", rules["script-src"])
    assert rules["img-src"] == "data: blob:" and "http" not in policy[1] and "unsafe-eval" not in policy[1]


def test_equal_rows_give_an_equal_page(directory: Path, run: Read) -> None:
    """So that a page can be kept under version control."""
    assert page_of(run) == (directory / "report.html").read_text()


def test_own_boundary_stands_first(run: Read, tmp_path: Path) -> None:
    """A scenario file of the user's, named in the command that the page gives."""
    path = tmp_path / "mine.toml"
    path.write_text(scenario_text("edge").replace("per_call = 1", "per_call = 7"))
    text = page_of(run, [path])
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert data["first"] == "mine" and data["answers"][0]["source"] == path.name
    assert data["answers"][0]["verdict"] == decide(run, path).verdict


def test_scripts_and_style_are_short_and_named() -> None:
    """Every asset is used, and none is longer than 250 lines."""
    folder = ROOT / "serlab/page/assets"
    assert {path.name for path in folder.iterdir()} == {f"{name}.js" for name in SCRIPTS} | {"page.html", "page.css"}
    for path in folder.iterdir():
        assert len(asset(path.name).splitlines()) < 250, path.name


def test_compare_and_report_write_the_page(serlab: Run, tmp_path: Path, quick_run: Path) -> None:
    """Beside the tables; a run of sizes alone gets one by `report`, which says why there is no answer."""
    assert "report.html" in (quick_run.parent / "told.txt").read_text()
    page = (quick_run / "report.html").read_text()
    # A page is sent to others, who need not know where it was made.
    assert "Stay with orjson" in page and str(quick_run.parent) not in page
    assert serlab("size", "--workload", "chat-turn", "--codec", "orjson", "-o", "small").returncode == 0
    assert not (tmp_path / "small/report.html").exists()
    assert serlab("report", "small").returncode == 0
    assert "No answer: this run has not timed" in (tmp_path / "small/report.html").read_text()


def test_published_run_says_what_other_processes_did(tmp_path: Path) -> None:
    """Before, during and after it; a run of nobody's publishing says nothing of it."""
    stored = {"busy_cores_before": 0.125, "busy_cores_during": 1.5, "busy_cores_after": None}
    page = page_of(read_run(write(tmp_path / "stored", stored=stored)))
    cells = re.findall(r'<th scope="row">other processes, (\w+)</th><td>([^<]+)</td>', page)
    assert cells == [("before", "0.12 cores busy"), ("during", "1.50 cores busy"), ("after", "unknown")]
    assert "other processes, before" not in page_of(read_run(write(tmp_path / "own")))


def test_embedded_texts_turn_nothing_around(tmp_path: Path) -> None:
    """A question and the environment come from files that anybody may have written."""
    assert json.loads(embedded({"a\u202e": ["\x1b[1m", "two\nlines", "\ud83d"]})) == {
        r"a\u202e": [r"\x1b[1m", "two\nlines", r"\ud83d"]
    }
    hostile: dict[str, Any] = {"cpu": "a CPU \u202e\ud83d", "command": ["serlab", "-o", "a\x1b[31m"]}
    path = write(tmp_path / "run", {"w": "ChatRequest"}, **hostile)
    page = write_page(path).read_text(encoding="utf-8")
    assert r"a CPU \u202e\ud83d" in page and r"a\x1b[31m" in page and not set(page) & {"\u202e", "\x1b"}
