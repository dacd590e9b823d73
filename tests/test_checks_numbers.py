"""Checks of predicted and measured numbers: asked for, right, each usual guess answered in its words, never told."""

import inspect
import re
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch

from lineart.coloring.colorizer import Colorizer
from lineart.config import ROOT
from lineart.course import checks, exercises
from lineart.course.checks.handles import shares_that_arrive
from lineart.data import toon
from lineart.data.palette import extract_palette
from lineart.networks import Generator, count_parameters

PREDICTED = [
    name
    for name, check in inspect.getmembers(checks, inspect.isfunction)
    if list(inspect.signature(check).parameters)[:1] == ["answer"]
]


def said(capsys, name, answer, *more):
    assert getattr(checks, name)(answer, *more) is None
    return capsys.readouterr().out


def test_the_course_has_numbers_to_predict():
    assert len(PREDICTED) >= 8


def mirror_test():
    """A generator that is decided enough for a mistake to show, and two drawings."""
    torch.manual_seed(0)
    generator = Generator(4, 3).eval()
    for attention in generator.record_attention().values():
        attention.to_q.weight.data *= 8
    return generator, {name: torch.randn(2, *shape) for name, shape in SHAPES.items()}


SHAPES = {"line": (3, 16, 16), "palette": (9, 3), "color": (3, 16, 16)}


def painted_pairs():
    """Three pictures in stripes of fourteen colours, the last of them the eyes'; the first has the widest gamut."""
    rng = np.random.default_rng(212)  # a draw in which every mistake has its own number
    slots = rng.integers(0, 256, (3, 6, 3), dtype=np.uint8)
    color, mask = np.empty((3, 14, 56, 3), np.uint8), np.zeros((3, 14, 56), np.uint8)
    for i, gamut in enumerate((255, 120, 90)):
        paints = rng.integers(0, gamut, (14, 3), dtype=np.uint8)
        slots[i, 4] = paints[13]
        stripes = np.repeat(np.arange(14), [10, 8, 7, 6, 5, 4, 4, 3, 2, 2, 2, 1, 1, 1])
        color[i], mask[i] = paints[stripes], 4 * (stripes == 13)
    return SimpleNamespace(color=color, mask=mask, slots=slots)


def at_hand(name):
    """What a page hands to a check of a number beside the answer."""
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    return {
        "mirror_test": mirror_test,
        "colors_needed": lambda: (painted_pairs(),),
        "share_of_the_decoder": lambda: (Generator(4, 2),),
        "color_of_l1": lambda: (np.repeat([[1, 1, 1], [1, 1, 0], [0, 0, 0]], [40, 35, 25], axis=0),),
        "drawings_of_step_six": lambda: (0,),
        "smallest_gap": lambda: (np.pad(np.pad(np.full((31, 31), 255), 3)[:, :-3], 9, constant_values=255),),
        "improvement": lambda: ({("none", "FID"): 40.08, ("image", "FID"): 23.34},),
        "standard_errors": lambda: [SimpleNamespace(value=v, spread=s, n=25) for v, s in ((10, 3), (12, 4))],
        "two_handles": handles,
        "colorfulness_under_grey": lambda: (Colorizer.from_pretrained("toon-none"), picture[..., 0], picture),
    }.get(name, tuple)()


def handles():
    """A network that attends, a drawing, another one in its colours, and an edited palette and the colour in it."""
    drawing = toon.draw(toon.seed_of("test", 5))
    lender, wish = toon.draw(toon.seed_of("test", 7), slots=drawing.slots), np.array([40, 40, 220])
    edited = extract_palette(lender.color)
    edited[np.linalg.norm(edited - drawing.slots[toon.SLOTS.index("skin")], axis=1).argmin()] = wish
    return Colorizer.from_pretrained("toon-image-warped"), drawing, lender, edited, wish


@pytest.fixture
def kept(name, monkeypatch):
    """What a check gives to `predict`."""
    kept = {"more": at_hand(name)}
    with monkeypatch.context() as patch:
        module = sys.modules[getattr(checks, name).__module__]
        patch.setattr(module, "predict", lambda *a, **k: kept.update(args=a, **k))
        getattr(checks, name)([0, 0] if name == "colors_needed" else 0, *kept["more"])  # measured for two numbers alone
    return kept


@pytest.mark.parametrize("name", PREDICTED)
def test_a_prediction_is_asked_for_and_never_told(name, kept, capsys):
    more, (_, _, right) = kept["more"], kept["args"]
    assert "not answered yet" in said(capsys, name, None, *more)
    assert f"{name}: right. " in said(capsys, name, right, *more)
    assert "must be a number" in said(capsys, name, "seven", *more)
    for guess, words in kept["guesses"]:
        assert words in said(capsys, name, guess, *more)
    off = said(capsys, name, (np.asarray(right, float) + 1000).tolist(), *more)
    assert "not right yet" in off and ("too large" in off or "0 of" in off)


def test_the_number_of_colours_is_exact_and_the_wrong_one_is_named(capsys):
    pairs = painted_pairs()

    def by_error(k):
        palettes = [extract_palette(color, k) for color in pairs.color]
        nearest = [np.linalg.norm(c[:, :, None] - p, axis=-1).argmin(-1) for c, p in zip(pairs.color, palettes)]
        return np.mean([np.sqrt(np.square(c - p[n]).mean()) for c, p, n in zip(pairs.color, palettes, nearest)]) < 8

    def by_eyes(size):
        eyes = [
            (extract_palette(color, 1 + k), slots[4])
            for k in range(20)
            for color, slots in zip(pairs.color, pairs.slots)
        ]
        found = np.array([(size(palette, eye) <= 8).any() for palette, eye in eyes]).reshape(20, 3)
        return int(found.all(1).argmax()) + 1  # two of three are less than three in four

    error = next(k for k in range(1, 20) if by_error(k))
    eyes = by_eyes(lambda palette, eye: np.linalg.norm(palette - eye, axis=1))
    channel = by_eyes(lambda palette, eye: abs(palette - eye).max(1))
    wrapped = by_eyes(lambda palette, eye: np.sqrt(((palette.round().astype(np.uint8) - eye) ** 2).sum(1)))
    for answer, words in (
        ([error, eyes], "right. "),
        ([error - 1, eyes], "by the error is too small. The number by the eyes is right"),
        ([error, eyes + 1], "by the error is right. The number by the eyes is too large"),
        ([error, channel], "in each channel"),
        ([error, wrapped], "uint8"),
        ([error], "shape"),
    ):
        assert words in said(capsys, "colors_needed", answer, pairs)


def test_of_a_negative_number_it_is_said_on_which_side_of_it_the_answer_lies(capsys):
    assert "right. " in said(capsys, "ink_threshold", -0.015)
    assert "too close to 0" in said(capsys, "ink_threshold", -0.01)
    assert "too far below 0" in said(capsys, "ink_threshold", -0.02)
    assert "too large" in said(capsys, "ink_threshold", 1)


@pytest.mark.parametrize("name", [name for name in PREDICTED if not at_hand(name)])
def test_no_page_prints_an_answer_before_it_has_asked(name, kept):
    answers = np.ravel(np.asarray(kept["args"][2], float))
    known = {f"{x:{form}}" for x in answers if x % 1 for form in (".4g", ".1f", ".2f")}
    known |= {f"{x:{form}}" for x in answers if x >= 20 for form in (".0f", ",.0f")}
    # 0.12 does not give 0.125 away; another number may well round to it
    known = {text for text in known if np.isclose(float(text.replace(",", "")), answers, rtol=0.02).any()}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells, before = nbformat.read(path, as_version=4).cells, ""
        asked = [i for i, cell in enumerate(cells) if f"check.{name}(" in cell.source]
        for cell in cells[: asked[0] + 1] if asked else []:
            printed = "".join(out.get("text", "") for out in cell.get("outputs", []))
            before += re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL) + "\n" + printed
        told = {*re.findall(r"(?<![\d.,])\d[\d,]*(?:\.\d+)?(?![\d.]*\d)", before)} & known
        assert not told, (path.name, told)


@pytest.mark.parametrize(
    ("name", "near", "far"),
    [
        ("colorfulness_under_grey", lambda right: [round(right), torch.tensor([right])], lambda right: right + 0.6),
        ("two_handles", lambda right: [np.round(right, 2)], lambda right: np.add(right, 0.015)),
        ("step_of_grey", lambda right: [100 / 255], lambda right: 1.12 * right),
    ],
)
def test_an_answer_is_right_to_the_digits_that_the_page_asks_for(name, kept, near, far, capsys):
    more, (_, _, right) = kept["more"], kept["args"]
    for answer in near(right):
        assert f"{name}: right." in said(capsys, name, answer, *more)
    assert "not right yet" in said(capsys, name, far(right), *more)


def test_two_decimals_are_enough_for_the_decoder_s_share(capsys):
    with torch.device("meta"):
        generator = Generator(64, 7)
    right = count_parameters(generator.decoder) / count_parameters(generator)
    for answer in (right, round(right, 2)):
        assert ": right." in said(capsys, "share_of_the_decoder", answer, generator)
    assert "not right yet" in said(capsys, "share_of_the_decoder", round(right, 1), generator)


def test_the_mirror_test_knows_shares_of_another_batch_and_leaves_what_was_recorded(capsys):
    generator, batch = mirror_test()
    layers = [*generator.record_attention().values()]
    with torch.no_grad():
        generator(*(torch.cat([batch[name]] * 2) for name in ("line", "palette")), torch.randn(4, 3, 16, 16))
    recorded = [layer.attention for layer in layers]
    stale = [exercises.e04_own_and_mirrored(attention) for attention in recorded[-2:]]
    assert "batch of 4" in said(capsys, "mirror_test", stale, generator, batch)
    assert all(layer.attention is attention for layer, attention in zip(layers, recorded))


def test_the_small_shares_of_one_layer_exchanged_are_wrong_beside_the_large_ones_of_the_other(capsys, monkeypatch):
    generator, batch = mirror_test()
    right = np.array([[0.0160, 0.0132], [0.540, 0.074]])  # of the page's network
    monkeypatch.setattr(sys.modules[checks.mirror_test.__module__], "_guesses_of_the_mirror", lambda *_: ([], right))
    assert "mirror_test: right." in said(capsys, "mirror_test", right.round(3), generator, batch)
    assert "2 of 4" in said(capsys, "mirror_test", np.stack([right[0, ::-1], right[1]]), generator, batch)


def test_a_row_of_attention_turned_round_is_not_mirrored(capsys):
    generator, batch = mirror_test()
    layers = [*generator.record_attention().values()][-2:]
    with torch.no_grad():
        generator(batch["line"], batch["palette"], batch["color"].flip(-1))
    rows = [layer.attention.reshape(2, -1, layer.attention.shape[-1]) for layer in layers]
    answer = [[m.diagonal(dim1=1, dim2=2).mean().item() for m in (row, row.flip(-1))] for row in rows]
    assert "one long row" in said(capsys, "mirror_test", answer, generator, batch)


def test_what_arrives_is_nothing_without_a_change_and_all_of_it_where_the_skin_is_as_asked():
    class Obedient:  # paints the whole picture in the palette's last colour
        def colorize(self, line, reference, palette):
            return np.broadcast_to(palette[-1], (*line.size[::-1], 3))

    drawing = toon.draw(toon.seed_of("test", 0))
    kept = extract_palette(drawing.color)
    wish = np.array([40, 220, 40])
    assert shares_that_arrive(Obedient(), drawing, drawing, kept, wish) == [0, 0]
    half = np.vstack([kept[:-1], (kept[-1] + wish) / 2])
    assert shares_that_arrive(Obedient(), drawing, drawing, half, wish) == pytest.approx([0.5, 0], abs=1e-4)
    assert shares_that_arrive(Obedient(), drawing, drawing, np.vstack([kept[:-1], wish]), wish) == pytest.approx(
        [1, 0], abs=1e-4
    )
