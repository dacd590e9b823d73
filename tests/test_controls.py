"""A control is a plain picture wherever nobody can move a slider, and a picture that follows its sliders elsewhere."""

import base64
import io

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from lineart.course.controls import control
from lineart.course.kernel import _kernel_manager

ipywidgets = pytest.importorskip("ipywidgets")


def patch_of(color, grey=0):
    """A picture of one colour; what is called grey has the value of `grey`."""
    figure, axis = plt.subplots(figsize=(1, 1))
    axis.imshow(Image.new("RGB", (2, 2), (grey,) * 3 if color == "grey" else color))
    axis.axis("off")
    return figure


@pytest.fixture
def page(monkeypatch):
    """What lands on the page: pictures in the order of their coming, and the widgets below them."""
    plt.switch_backend("Agg")
    shown = {"pictures": [], "widgets": []}
    monkeypatch.setattr("IPython.display.publish_display_data", lambda **what: shown["pictures"].append(what))
    monkeypatch.setattr("IPython.display.display", lambda *what: shown["widgets"].extend(what))
    monkeypatch.delenv("LINEART_STATIC", raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", "/a/page.ipynb")
    yield shown
    assert not plt.get_fignums(), "every figure is closed"


def middle(what):
    picture = Image.open(io.BytesIO(base64.b64decode(what["data"]["image/png"]))).convert("RGB")
    return picture.getpixel((picture.width // 2, picture.height // 2))


@pytest.mark.parametrize("case", ["asked for", "no server"])
def test_without_a_person_it_is_one_picture_with_its_text(page, monkeypatch, case):
    monkeypatch.setenv("LINEART_STATIC", "1") if case == "asked for" else monkeypatch.delenv("JPY_SESSION_NAME")
    control(patch_of, "A square of one colour, {color}.", color=("red", ["blue", "red"]), grey=(0, [0, 64]))
    (picture,) = page["pictures"]
    assert middle(picture) == (255, 0, 0) and not page["widgets"] and not picture["transient"]
    assert picture["metadata"]["image/png"]["alt"] == picture["data"]["text/plain"] == "A square of one colour, red."


def test_a_moved_slider_draws_into_the_same_place_and_says_what_is_there_now(page):
    def text(color, grey):
        return f"A square: {color}, {grey}."

    control(patch_of, text, color=("grey", ["grey", "red"]), grey=(64, [0, 64, 255]))
    (box,) = page["widgets"]
    names, sliders = [slider.description for slider in box.children], box.children
    sliders[1].value = 255
    sliders[0].value = "red"
    assert names == ["color", "grey"] and [slider.value for slider in sliders] == ["red", 255]
    assert [middle(picture)[1] for picture in page["pictures"]] == [64, 255, 0]
    alts = [picture["metadata"]["image/png"]["alt"] for picture in page["pictures"]]
    assert alts == ["A square: grey, 64.", "A square: grey, 255.", "A square: red, 255."]
    assert len({picture["transient"]["display_id"] for picture in page["pictures"]}) == 1
    assert [picture.get("update", False) for picture in page["pictures"]] == [False, True, True]


def test_two_controls_of_a_page_have_places_of_their_own_and_a_colour_is_picked(page):
    for start in ("#ff0000", "#00ff00"):
        control(patch_of, "A square of one colour.", color=start, grey=(0, [0, 64]))
    first, second = page["widgets"]
    assert isinstance(first.children[0], ipywidgets.ColorPicker) and first.children[0].value == "#ff0000"
    second.children[0].value = "#0000ff"
    places = [picture["transient"]["display_id"] for picture in page["pictures"]]
    assert places[0] != places[1] == places[2] and middle(page["pictures"][2]) == (0, 0, 255)


@pytest.mark.parametrize("live", [False, True])
def test_a_start_that_is_no_option_is_our_mistake_and_seen_on_every_run(page, monkeypatch, live):
    monkeypatch.setenv("LINEART_STATIC", "" if live else "1")
    with pytest.raises(AssertionError, match="green"):
        control(patch_of, "A square of one colour.", color=("green", ["red", "blue"]))
    assert not page["pictures"] and not page["widgets"]


def test_the_runner_asks_for_plain_pictures():
    assert _kernel_manager({}).kernel_spec.env["LINEART_STATIC"] == "1"
