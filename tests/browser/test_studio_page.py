"""The studio in a real browser: what a person does there, and that its pictures are those of `Colorizer`."""

import base64
import functools
import io
import json
import time

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions import interaction
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from lineart import Colorizer
from lineart.coloring.drawing import shrink
from lineart.images import to_batch
from lineart.studio.export import shipped

NAMES = [path.stem for path in shipped()]
colorizer = functools.cache(Colorizer.from_pretrained)


class Page:
    """The page, driven as a person does, and what it shows."""

    def __init__(self, browser, address, folder):
        self.browser, self.address, self.folder = browser, address, folder
        self.manifest = json.loads((folder / "studio.json").read_text())

    def open(self, words: str = "", width: int = 1280, height: int = 900, anew: bool = False) -> "Page":
        """Go to an address of the page; `anew` loads everything again, else an open page only follows the address."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        if anew or not self.browser.current_url.startswith(self.address):
            self.browser.get("about:blank")
            for log in ("browser", "performance"):
                self.browser.get_log(log)
            self.browser.get(f"{self.address}#{words}")
            return self.wait()
        self.wait().run(
            "document.querySelector('[value=pen]').click(); location.hash = 'x'; location.hash = arguments[0]", words
        )
        return self.wait()

    def command(self, name: str, **values):
        return self.browser.execute_cdp_cmd(name, values)

    def run(self, script: str, *values):
        return self.browser.execute_script(script, *values)

    def wait(self) -> "Page":
        time.sleep(0.05)
        ready = "return document.documentElement.dataset.state"
        WebDriverWait(self.browser, 60).until(lambda _: self.run(ready) == "ready")
        return self

    def find(self, css: str):
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list:
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def click(self, css: str) -> "Page":
        self.run("arguments[0].scrollIntoView({block: 'center'})", self.find(css))
        self.find(css).click()
        return self.wait()

    def pixels(self, canvas: str = "result") -> np.ndarray:
        """(H, W, 3) integers of a canvas."""
        url = self.run("return document.getElementById(arguments[0]).toDataURL('image/png')", canvas)
        data = base64.b64decode(url.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)

    def status(self) -> str:
        return self.find("#status").text

    def point(self, css: str, x: float, y: float) -> "Page":
        """Put the mouse on a place, in shares of an element's width and height."""
        element = self.find(css)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        size = element.rect
        left, top = round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
        ActionChains(self.browser, duration=20).move_to_element_with_offset(element, left, top).perform()
        return self

    def drag(self, css: str, kind: str = interaction.POINTER_MOUSE) -> "Page":
        """A line across an element, by mouse or touch."""
        element = self.find(css)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        actions = ActionBuilder(self.browser, mouse=PointerInput(kind, f"a {kind}"), duration=30)
        third = round(element.rect["width"] / 3)
        actions.pointer_action.move_to(element, -third, 20).pointer_down().move_to(element, third, -20).pointer_up()
        actions.perform()
        return self.wait()

    def sample(self, number: int) -> tuple[Image.Image, Image.Image, np.ndarray]:
        """Drawing, reference and palette of a sample."""
        entry = self.manifest["samples"][number - 1]
        line, color = (Image.open(self.folder / entry[key]) for key in ("line", "color"))
        return line, color, np.array(entry["palette"], np.float32)


@pytest.fixture
def page(browser, address, folder) -> Page:
    return Page(browser, address, folder)


def share_alike(picture: np.ndarray, other, within: int = 2) -> float:
    """Share of the pixels that differ by no more than `within` of 255 in any channel."""
    return float((np.abs(picture - np.asarray(other).astype(int)).max(2) <= within).mean())


def test_it_loads_with_no_request_elsewhere_and_no_word_in_the_console(page):
    page.open(anew=True)
    log = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    urls = [entry["params"]["request"]["url"] for entry in log if entry["method"] == "Network.requestWillBeSent"]
    assert any(url.endswith("studio.json") for url in urls) and any(url.endswith(".onnx.gz") for url in urls)
    assert all(url.startswith((page.address, "data:", "blob:")) for url in urls)
    assert page.browser.get_log("browser") == []
    assert len(page.all("#drawings button")) == len(page.all("#references button")) == 12
    assert "bad" not in page.find("#status").get_attribute("class") and np.ptp(page.pixels()) > 100


@pytest.mark.parametrize("name", NAMES)
def test_each_method_gives_the_picture_that_colorizer_gives(page, name):
    page.open("drawing=2&reference=6")
    Select(page.find("#method")).select_by_value(name)
    page.wait()
    line, reference, _ = (page.sample(2)[0], *page.sample(6)[1:])
    assert share_alike(page.pixels(), colorizer(name).colorize(line, reference)) >= 0.99
    assert f"method={name}" in WebDriverWait(page.browser, 5).until(lambda d: name in d.current_url and d.current_url)


def test_flat_is_the_flat_of_colorizer_where_no_region_is_mixed(page):
    page.open("drawing=7&reference=2&method=toon-image-warped&finish=flat")
    expected = colorizer("toon-image-warped").colorize(page.sample(7)[0], page.sample(2)[1], finish="flat")
    assert share_alike(page.pixels(), expected) >= 0.97
    smooth = page.click("[name=finish][value=smooth]").pixels()
    assert share_alike(smooth, expected) < 0.9


@pytest.mark.parametrize("kind", [interaction.POINTER_MOUSE, interaction.POINTER_TOUCH])
def test_a_drawn_stroke_changes_the_result_and_undo_takes_it_back(page, kind):
    before = page.open("drawing=3&reference=6").pixels()
    page.drag("#drawing", kind)
    drawn, after = page.pixels("drawing"), page.pixels()
    assert (drawn != np.asarray(page.sample(3)[0].convert("RGB"))).any() and share_alike(before, after) < 0.99
    expected = colorizer(page.find("#method").get_attribute("value")).colorize(
        Image.fromarray(drawn.astype(np.uint8)), page.sample(6)[1]
    )
    assert share_alike(after, expected) >= 0.99
    assert (page.click("#undo").pixels() == before).all()


def test_the_eraser_leaves_paper_and_an_empty_sheet_is_empty(page):
    page.open("drawing=3&reference=6").click("[name=tool][value=eraser]").drag("#drawing")
    original = np.asarray(page.sample(3)[0].convert("RGB")).astype(int)
    erased = page.pixels("drawing")
    assert (erased >= original).all() and (erased > original).any()
    assert (page.click("#clear").pixels("drawing") == 255).all()


def test_a_changed_swatch_changes_the_result_and_reset_takes_it_back(page):
    page.open("drawing=1&reference=4&method=toon-palette")
    before = page.pixels()
    change = "arguments[0].value = '#00ff40'; arguments[0].dispatchEvent(new Event('input'))"
    page.run(change, page.all("#swatches input")[2])
    after = page.wait().pixels()
    line, reference, palette = (page.sample(1)[0], *page.sample(4)[1:])
    palette[2] = (0, 255, 64)
    assert share_alike(before, after) < 0.99
    assert share_alike(after, colorizer("toon-palette").colorize(line, reference, palette)) >= 0.99
    assert (page.click("#palette-reset").pixels() == before).all()


def attention_of(page, name: str, drawing: int, reference: int, mirror: bool) -> np.ndarray:
    """PyTorch's attention of the decoder's finest layer that attends, (h, w, T)."""
    line, (_, color, palette) = np.asarray(page.sample(drawing)[0]), page.sample(reference)
    color = np.asarray((ImageOps.mirror(color) if mirror else color).resize((128, 128), Image.Resampling.LANCZOS))
    batch = to_batch(*(torch.tensor(x.copy())[None] for x in (shrink(line, 128), color, palette)))
    generator = colorizer(name).generator
    layers = list(generator.record_attention().values())
    with torch.no_grad():
        generator(batch["line"], batch["palette"], batch["color"])
    generator.record_attention(False)
    return layers[-1].attention[0].numpy()


ATTENDING = [name for name in NAMES if "image" in name or "lines" in name or "colors" in name]


@pytest.mark.parametrize("name", ATTENDING)
@pytest.mark.parametrize("mirror", [False, True])
def test_the_heat_map_of_a_place_has_its_maximum_where_pytorch_has_it(page, name, mirror):
    attention = attention_of(page, name, 1, 4, mirror)
    page.open(f"drawing=1&reference=4&method={name}{'&mirror=1' if mirror else ''}")
    height, width, _ = attention.shape
    for x, y in [(0.47, 0.22), (0.78, 0.6), (0.3, 0.72)]:
        page.point("#result", x, y)
        heat = page.find("#heat")
        own = [int(word) for word in heat.get_attribute("data-own").split(",")]
        most = [int(word) for word in heat.get_attribute("data-most").split(",")]
        assert np.abs(np.array(own) - [x * width, y * height]).max() <= 1.1
        row = attention[own[1], own[0]]
        assert row[most[1] * width + most[0]] >= 0.99 * row.max()  # two of the same weight may change places
        assert heat.is_displayed() and page.find("#own-place").is_displayed()
        shown = page.run("const ring = document.getElementById('own-place').style; return [ring.left, ring.top]")
        assert [float(word.rstrip("%")) / 100 for word in shown] == pytest.approx([x, y], abs=0.01)


def test_attention_to_the_palette_is_shown_on_its_colours(page):
    page.open("drawing=1&reference=4&method=toon-palette").point("#result", 0.5, 0.2)
    weights = page.run(
        "return [...document.querySelectorAll('#swatches b')].map(b => +b.style.getPropertyValue('--weight'))"
    )
    assert len(weights) == 9 and sum(weights) == pytest.approx(1, abs=1e-3)
    assert not page.find("#heat").is_displayed()


def test_mirror_turns_the_reference_and_leaves_its_palette(page):
    page.open("drawing=10&reference=10&method=toon-image")
    straight, shown = page.pixels(), page.pixels("reference")
    page.click("#mirror")
    assert (page.pixels("reference") == shown[:, ::-1]).all() and share_alike(straight, page.pixels()) < 0.9
    line, reference, palette = page.sample(10)
    expected = colorizer("toon-image").colorize(line, ImageOps.mirror(reference), palette)
    assert share_alike(page.pixels(), expected) >= 0.99
    assert (page.click("#mirror").pixels() == straight).all()


@pytest.mark.parametrize("what", ["drawing", "reference"])
def test_a_file_that_is_no_picture_gets_a_sentence_and_changes_nothing(page, tmp_path, what):
    before = page.open("drawing=1&reference=4").pixels()
    (tmp_path / "notes.png").write_text("no picture")
    page.find(f"#{what}-file").send_keys(str(tmp_path / "notes.png"))
    WebDriverWait(page.browser, 10).until(lambda _: "bad" in page.find("#status").get_attribute("class"))
    assert "notes.png" in page.status() and (page.wait().pixels() == before).all()
    assert page.browser.get_log("browser") == []
    Image.new("RGB", (40, 30), "#c04020").save(tmp_path / "fine.png")  # and the page goes on
    page.find("#reference-file").send_keys(str(tmp_path / "fine.png"))
    WebDriverWait(page.browser, 10).until(lambda _: "fine.png" in page.status())
    assert "bad" not in page.find("#status").get_attribute("class")


def test_files_of_any_shape_become_drawing_and_reference(page, tmp_path):
    """A drawing on grey paper, higher than wide; the result is as large as it is."""
    paper = 40 + 0.6 * np.asarray(page.sample(2)[0].resize((300, 300)), np.float32)
    Image.fromarray(np.pad(paper, ((0, 100), (0, 0)), constant_values=193).round().astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    page.sample(6)[1].resize((400, 200)).save(tmp_path / "b.jpg", quality=95)
    page.open()
    for what, name in (("drawing", "a.png"), ("reference", "b.jpg")):
        page.find(f"#{what}-file").send_keys(str(tmp_path / name))
        WebDriverWait(page.browser, 10).until(lambda _, name=name: name in page.status())
        page.wait()
    drawing = page.pixels("drawing")
    assert drawing.shape == page.pixels().shape == (400, 300, 3)
    assert np.median(drawing) == 255 and drawing.min() < 30
    assert page.pixels("reference").shape == (200, 400, 3)
    swatches = [page.run("return arguments[0].value", swatch) for swatch in page.all("#swatches input")]
    assert len(set(swatches)) > 4
    expected = colorizer(page.find("#method").get_attribute("value")).colorize(
        Image.fromarray(drawing.astype(np.uint8)),
        Image.open(tmp_path / "b.jpg"),
        np.array([[int(word[i : i + 2], 16) for i in (1, 3, 5)] for word in swatches], np.float32),
    )
    assert share_alike(page.pixels(), expected, within=4) >= 0.97  # JPEG decoders and rounded swatches differ a little


def lines(ink, paper, width, height) -> Image.Image:
    """Four thin lines, less than one per cent of the sheet."""
    picture = np.full((height, width, 3), paper, np.uint8)
    for at in range(1, 5):
        picture[height * at // 5, width // 10 : -width // 10] = ink
    return Image.fromarray(picture)


@pytest.mark.parametrize(
    ("ink", "paper", "size"),
    [(30, 190, (500, 500)), (200, 60, (500, 500)), ((60, 50, 40), (240, 217, 168), (500, 500)), (0, 255, (1000, 400))],
    ids=["few lines on grey", "white on grey", "tinted paper", "a strip"],
)
def test_whatever_is_opened_becomes_dark_lines_on_white(page, tmp_path, ink, paper, size):
    lines(ink, paper, *size).save(tmp_path / "scan.png")
    page.open().find("#drawing-file").send_keys(str(tmp_path / "scan.png"))
    WebDriverWait(page.browser, 10).until(lambda _: "scan.png" in page.status())
    drawing = page.wait().pixels("drawing")
    assert np.median(drawing) == 255 and drawing.min() < 30
    assert ("a strip" in page.status()) is (size[0] > 2 * size[1])


def test_an_empty_sheet_keeps_the_colours_and_undo_brings_the_drawing_back(page):
    page.open("drawing=3&reference=4&method=toon-image").drag("#drawing")
    page.run(
        "arguments[0].value = '#00ff40'; arguments[0].dispatchEvent(new Event('input'))", page.all("#swatches input")[2]
    )
    drawn, colored = page.wait().pixels("drawing"), page.pixels()
    assert (page.click("#clear").pixels("drawing") == 255).all()
    assert page.all("#swatches input")[2].get_attribute("value") == "#00ff40"
    assert (page.click("#undo").pixels("drawing") == drawn).all() and (page.pixels() == colored).all()
    page.click("#drawings button:nth-of-type(5)")  # a sample, too
    assert (page.click("#undo").pixels("drawing") == drawn).all()


def test_a_file_dropped_beside_the_panels_does_not_leave_the_page(page):
    drop = "return !arguments[0].dispatchEvent(new DragEvent('drop', {bubbles: true, cancelable: true}))"
    assert page.open().run(drop, page.find("body")) and page.run(drop, page.find("#status"))


@pytest.mark.parametrize("width", [360, 720, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    page.open("step=2&drawing=1&reference=1&mirror=1&method=toon-image", width=width, height=740)
    assert page.run("return document.documentElement.scrollWidth") <= width
    for element in page.all("#drawing, #reference, #result, #method, #mirror, #download, #compare, .story a"):
        box = element.rect
        assert 0 <= box["x"] and box["x"] + box["width"] <= width and min(box["width"], box["height"]) > 20
    before = page.pixels()
    assert share_alike(before, page.drag("#drawing", interaction.POINTER_TOUCH).pixels()) < 0.9999


def test_five_steps_set_the_page_up_and_their_addresses_bring_it_back(page):
    page.open()
    assert len(page.all(".story a")) == 5
    pictures = []
    for number in range(1, 6):
        page.drag("#drawing")  # a step starts from its own drawing, whatever was drawn before
        page.click(f".story li:nth-of-type({number}) a")
        words = dict(
            word.split("=") for word in page.find(".story li.now a").get_attribute("href").partition("#")[2].split("&")
        )
        assert page.find(".story li.now a").get_attribute("aria-current") == "step"
        assert words["step"] == str(number) and page.find(".story li.now p").is_displayed()
        assert page.find("#method").get_attribute("value") == words["method"]
        assert page.find("[name=finish]:checked").get_attribute("value") == words["finish"]
        assert page.find("#mirror").get_attribute("aria-pressed") == ("true" if "mirror" in words else "false")
        for what in ("drawing", "reference"):
            pressed = [button.get_attribute("aria-pressed") for button in page.all(f"#{what}s button")]
            assert pressed.index("true") == int(words[what]) - 1 and pressed.count("true") == 1
        pictures.append(page.pixels())
        time.sleep(0.3)  # the address follows a little later
        address = page.browser.current_url.partition("#")[2]
        assert f"step={number}" in address and (page.open(address, anew=number == 3).pixels() == pictures[-1]).all()
    for one, other in zip(pictures, pictures[1:]):
        assert share_alike(one, other) < 0.95
    answer = np.asarray(page.sample(1)[1].resize((512, 512)))
    errors = [np.abs(picture - answer).mean() for picture in pictures[:2]]
    assert errors[1] > 2 * errors[0]  # the leak, in one click


def test_by_keyboard_alone(page):
    page.open("drawing=0&reference=4&method=toon-image-warped", anew=True)
    order = []
    for _ in range(40):
        ActionChains(page.browser).send_keys(Keys.TAB).perform()
        order.append(page.run("return document.activeElement.id || document.activeElement.name"))
    for name in ("drawing", "drawing-file", "tool", "mirror", "reference-file"):
        assert name in order, order
    page.find("#drawing").send_keys(" ", *[Keys.ARROW_RIGHT] * 8, *[Keys.ARROW_DOWN] * 8, " ", *[Keys.ARROW_LEFT] * 5)
    drawn = page.wait().pixels("drawing")
    rows, columns = np.where(drawn[..., 0] < 128)
    assert np.ptp(rows) >= 64 and np.ptp(columns) >= 64 and columns.max() >= 256 + 60
    page.find("#drawing").send_keys("e")
    assert page.find("[name=tool]:checked").get_attribute("value") == "eraser"
    page.find("#drawing").send_keys(Keys.CONTROL, "z")
    assert (page.wait().pixels("drawing") == 255).all()
    page.find("#result").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    assert page.find("#heat").is_displayed() and page.find("#own-place").is_displayed()
    page.find(".story a").send_keys(Keys.ENTER)
    assert "now" in page.wait().find(".story li").get_attribute("class")
    page.find("#mirror").send_keys(Keys.SPACE)
    assert page.wait().find("#mirror").get_attribute("aria-pressed") == "true"


def test_all_methods_side_by_side_and_one_is_chosen(page):
    page.open("drawing=1&reference=4&method=toon-image").click("#compare")
    toon = [network["name"] for network in page.manifest["networks"] if network["data"] == "toon"]
    buttons = page.all("#pictures button")
    assert [button.get_attribute("data-method") for button in buttons] == toon
    urls = page.run("return [...document.querySelectorAll('#pictures canvas')].map(canvas => canvas.toDataURL())")
    assert len(set(urls)) == len(toon)
    buttons[0].click()
    assert page.wait().find("#method").get_attribute("value") == toon[0]
    assert page.run("return document.getElementById('result').toDataURL()") == urls[0]
    Select(page.find("#method")).select_by_value("faces-image")
    page.wait()
    assert all(button.get_attribute("data-method").startswith("faces") for button in page.all("#pictures button"))
    assert not page.click("#compare").find("#gallery").is_displayed()


def test_a_dark_room(page):
    brightness = (
        "return getComputedStyle(document.documentElement).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)"
    )
    try:
        for scheme, dark in (("dark", True), ("light", False)):
            page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            page.open()
            assert (max(page.run(brightness)) < 80) is dark
    finally:
        page.command("Emulation.setEmulatedMedia", features=[])


def test_the_result_is_saved_as_it_is_shown(page, tmp_path):
    page.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.open("drawing=5&reference=3&finish=flat").click("#download")
    file = tmp_path / "lineart.png"
    WebDriverWait(page.browser, 10).until(lambda _: file.is_file() and file.stat().st_size)
    assert (np.asarray(Image.open(file).convert("RGB")) == page.pixels()).all()


def test_an_address_of_nonsense_gives_the_page_as_at_the_start(page):
    start = page.open().pixels()
    assert (page.open("step=9&drawing=99&reference=x&method=none&finish=gold&point=7,7").pixels() == start).all()
