"""A built studio, its server, a browser. One missing is a skip; with LINEART_BROWSER=required, an error."""

import os
import shutil
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from lineart.config import InputError
from lineart.studio import build, commands

NAMES = {"browser": ("chromium", "chromium-browser", "google-chrome"), "driver": ("chromedriver",), "npm": ("npm",)}


def found() -> dict[str, str | None]:
    """Where the browser, its driver and npm are."""
    return {kind: next(filter(None, map(shutil.which, names)), None) for kind, names in NAMES.items()}


@pytest.fixture(scope="session")
def programs() -> dict[str, str]:
    paths = found()
    missing = [" or ".join(NAMES[kind]) for kind, path in paths.items() if path is None]
    if missing:
        refuse(f"there is no {', no '.join(missing)} on the path")
    return paths


def refuse(reason: str) -> None:
    """Skip, or fail where the browser is required."""
    if os.environ.get("LINEART_BROWSER") == "required":
        pytest.fail(f"LINEART_BROWSER=required, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def folder(programs, tmp_path_factory) -> Path:
    """The built studio: the one of `make studio` where it is up to date, else one for these tests."""
    if build.built(commands.FOLDER):
        return commands.FOLDER
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all processes, so that one builds and the others wait
    with FileLock(shared / "studio.lock"):
        if not build.built(shared / "studio"):
            try:
                build.build(shared / "studio")
            except InputError as error:  # no network, no onnx
                refuse(str(error))
    return shared / "studio"


@pytest.fixture(scope="session")
def address(folder) -> str:
    with commands.server(folder, 0) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://localhost:{http.server_port}/"
        http.shutdown()


@pytest.fixture(scope="session")
def browser(programs):
    """Chromium without a window, which reaches nothing but this machine."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs["browser"]
    for argument in (
        "--headless=new",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs["driver"]))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()
