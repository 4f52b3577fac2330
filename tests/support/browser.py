"""A headless browser that opens pages from the disk and tells what it was asked for."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs the Debian packages chromium and chromium-driver"
)
FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,900")


@contextmanager
def browser(downloads: Path) -> Iterator[Any]:
    """Start Chromium.

    Args:
        downloads: the folder that files are saved in.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_script_timeout(600)  # a busy machine is no fault of the page
    try:
        yield driver
    finally:
        driver.quit()


def open_page(driver: Any, page: Path, hash_: str = "") -> None:
    """Open a page and wait until its figures stand."""
    open_address(driver, page.as_uri() + (f"#{hash_}" if hash_ else ""))


def open_address(driver: Any, address: str) -> None:
    """Open the address of a page afresh and wait until its figures stand: on a busy machine it is there before them."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get("about:blank")
    driver.get(address)
    drawn = "return document.getElementById('all-figures').dataset.drawn && document.querySelector('.crossover svg')"
    WebDriverWait(driver, 120).until(lambda one: one.execute_script(drawn))


def answer(driver: Any, hash_: str) -> dict[str, Any]:
    """Put settings into the address of the open page and give its answer."""
    script = """
        const [hash] = arguments;
        if (location.hash === "#" + hash) return serlab.answer();
        return new Promise((resolve) => {
          addEventListener("hashchange", () => resolve(serlab.answer()), { once: true });
          location.hash = hash;
        });
    """
    found: dict[str, Any] = driver.execute_script(script, hash_)
    return found


def requests(driver: Any) -> list[str]:
    """List the addresses that the pages since the last call asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [address for address in sent if address != "about:blank"]
