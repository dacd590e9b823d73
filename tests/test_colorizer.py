"""The Colorizer at its edge: any picture in, the right picture out, and a sentence for what it cannot use."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from standin import StandIn

from lineart.checkpoint import make_generator, save_checkpoint
from lineart.coloring import colorizer as colorize
from lineart.coloring.colorizer import PRETRAINED, Colorizer, checkpoint_path, pretrained_path
from lineart.coloring.drawing import clean
from lineart.config import Config, InputError
from lineart.data.palette import extract_palette
from lineart.data.toon import draw
from lineart.evaluation.regions import region_error

SIZE = 32
CONFIG = Config.from_profile("smoke", size=SIZE)


def stand_in(answer=lambda line, palette, reference: torch.ones_like(line)):
    return Colorizer(StandIn(answer), CONFIG)


def the_line(line, palette, reference):
    return line


def line_art(width=48, height=40):
    """White paper with a black frame a few pixels inside, mode L."""
    paper = np.full((height, width), 255, np.uint8)
    paper[height // 8, :], paper[:, width // 8] = 0, 0
    return Image.fromarray(paper)


def picture(seed=0, size=(24, 24)):
    """Four flat colours."""
    colors = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    return Image.fromarray(colors).resize(size, Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny generator in which nothing is at its initial value, so that reference, palette and noise all matter."""
    torch.manual_seed(0)
    generator = make_generator(CONFIG)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return save_checkpoint(tmp_path_factory.mktemp("run") / "last.safetensors", CONFIG, 1, {"generator": generator})


@pytest.fixture(scope="module")
def colorizer(checkpoint):
    return Colorizer.from_pretrained(checkpoint)


# --- pictures in and out


@pytest.mark.parametrize("size", [(SIZE, SIZE), (50, 40), (100, 7), (7, 100), (5, 5), (1, 1), (1, 90)])
def test_the_result_is_rgb_and_as_large_as_the_drawing(colorizer, size):
    result = colorizer.colorize(Image.new("L", size, 255), picture(), as_is=True)
    assert (result.mode, result.size) == ("RGB", size)


def test_pixels_of_32_bits_are_a_sentence(colorizer):
    for mode in "IF":
        for pictures in ((Image.new(mode, (9, 9)), picture()), (line_art(), Image.new(mode, (9, 9)))):
            with pytest.raises(InputError, match=rf"pixels of 32 bits \(mode {mode}\)"):
                colorizer.colorize(*pictures)


def test_a_scan_is_cleaned_unless_it_shall_not_be(colorizer):
    line = line_art()
    negative = Image.eval(line, lambda v: 255 - v)
    cleaned = [colorizer.colorize(x, picture()).tobytes() for x in (line, negative, clean(negative))]
    assert cleaned[0] == cleaned[1] == cleaned[2] != colorizer.colorize(negative, picture(), as_is=True).tobytes()
    with pytest.raises(InputError, match="lines"):
        colorizer.colorize(Image.new("L", (50, 50), 255), picture())


def test_transparent_parts_stay_and_a_layer_of_lines_gets_colours(colorizer):
    line = line_art()
    expected = colorizer.colorize(line, picture())
    black_glass = Image.merge("RGBA", (*[Image.new("L", line.size, 0)] * 3, Image.eval(line, lambda v: 255 - v)))
    assert colorizer.colorize(black_glass, picture()).tobytes() == expected.tobytes()
    indexed = line.convert("P")
    transparent = indexed.getpixel((line.width - 1, line.height - 1))
    indexed.putpalette([0, 0, 0] * 256)  # the paper is black, but transparent
    indexed.info["transparency"] = transparent
    assert colorizer.colorize(indexed, picture()).tobytes() == expected.tobytes()
    half = line.convert("RGBA")
    for finish, most in (("smooth", 255), ("flat", 255), ("flat", 127)):  # a cut-out may be half transparent itself
        half.putalpha(Image.fromarray(np.tri(line.height, line.width, dtype=np.uint8) * most))
        result = colorizer.colorize(half, picture(), finish=finish)
        assert result.mode == "RGBA" and result.getchannel("A").tobytes() == half.getchannel("A").tobytes()


def test_the_network_sees_the_drawing_in_a_square_of_paper():
    network = stand_in()
    network.colorize(Image.new("L", (64, 32), 0), picture(), as_is=True)  # all ink, twice as wide as high
    shown = network.generator.shown[0]
    assert shown.shape == (1, 3, SIZE, SIZE)
    assert (shown[0, :, :8] == 1).all() and (shown[0, :, 24:] == 1).all()
    assert (shown[0, :, 8:24] == -1).all()


@pytest.mark.parametrize("size", [(SIZE, SIZE), (24, SIZE), (SIZE, 20)])
def test_what_the_network_answers_comes_back_in_its_place(size):
    line = np.random.default_rng(0).integers(0, 256, size[::-1], dtype=np.uint8)
    result = np.asarray(stand_in(the_line).colorize(Image.fromarray(line), picture(), as_is=True))
    assert (result == line[..., None]).all()


def test_a_strip_is_shown_square_by_square_and_comes_back_in_its_place():
    line = np.full((20, 200), 255, np.uint8)
    line[:, ::25] = 0
    network = stand_in(the_line)
    result = np.asarray(network.colorize(Image.fromarray(line), picture()))
    assert len(network.generator.shown[0]) > 8 and result.shape == (20, 200, 3)
    assert (result[:, ::25] == 0).all() and (result[:, 12::25] == 255).all()


def test_a_reference_of_any_size_and_mode_is_shown_upright_on_paper():
    network = stand_in()
    for mode, size in (("RGB", (5, 5)), ("L", (40, 40)), ("P", (17, 3)), ("RGBA", (1, 1))):
        network.colorize(line_art(), picture(size=size).convert(mode))
        _, palette, shown = network.generator.shown
        assert shown.shape == (1, 3, SIZE, SIZE) and palette.shape == (1, 9, 3)
    network.colorize(line_art(), Image.new("RGBA", (10, 10), (255, 0, 0, 0)))
    assert all((shown == 1).all() for shown in network.generator.shown[1:])
    reference = picture(size=(70, 130))
    network.colorize(line_art(), reference.transpose(Image.Transpose.ROTATE_270))
    _, _, upright = network.generator.shown
    reference.getexif()[0x0112] = 6  # a quarter to the right
    network.colorize(line_art(), reference)
    assert torch.equal(network.generator.shown[2], upright)


def test_only_a_larger_drawing_lays_its_own_lines_over_the_result():
    line = line_art(100, 80)
    result = np.asarray(stand_in().colorize(line, picture()))  # the network answers with white
    assert np.array_equal(result[..., 0], np.asarray(line))
    grey = stand_in(lambda line, palette, reference: torch.zeros_like(line)).colorize(line, picture())
    assert np.asarray(grey)[10, 50].tolist() == [0, 0, 0] and np.asarray(grey)[40, 50].tolist() == [128] * 3
    for size in ((SIZE, SIZE), (20, 16)):
        assert np.asarray(stand_in().colorize(line_art(*size), picture())).min() == 255


@pytest.mark.parametrize("finish", ["soft", "flat", "exact"])
def test_a_finish_takes_the_networks_colours_and_the_drawings_lines(finish):
    line = line_art(100, 80)
    red = stand_in(lambda line, palette, reference: torch.tensor([0.9, -0.8, -0.8]).view(1, 3, 1, 1).expand_as(line))
    result = np.asarray(red.colorize(line, palette=[(250, 20, 20), (0, 0, 250)], finish=finish))
    assert (result[10] == 0).all() and (result[:, 12] == 0).all()
    expected = (250, 20, 20) if finish == "exact" else (242, 26, 26)
    assert np.abs(result[40, 50].astype(int) - expected).max() <= 1
    small = np.asarray(red.colorize(line_art(SIZE, SIZE), palette=[(250, 20, 20)], finish=finish))
    assert (small[SIZE // 8] == 0).all()  # of a drawing of the network's size, too


# --- what decides the colours


def test_the_same_call_gives_the_same_bytes(checkpoint, colorizer):
    line, reference = line_art(), picture()
    before = line.tobytes(), reference.tobytes()
    first = colorizer.colorize(line, reference).tobytes()
    torch.manual_seed(1)
    assert colorizer.colorize(line, reference).tobytes() == first
    assert Colorizer.from_pretrained(checkpoint).colorize(line, reference).tobytes() == first
    assert (line.tobytes(), reference.tobytes()) == before


def test_noise_has_a_seed_and_leaves_the_global_one_alone(colorizer):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    results = [colorizer.colorize(line_art(), picture(), seed=seed).tobytes() for seed in (0, 1, 0, None)]
    assert results[0] == results[2]
    assert len({results[0], results[1], results[3]}) == 3
    assert torch.equal(torch.get_rng_state(), state)


def test_the_palette_is_the_references_unless_one_is_given():
    network, noisy = stand_in(), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    network.colorize(line_art(), Image.fromarray(noisy))
    _, palette, before = network.generator.shown
    np.testing.assert_allclose((palette[0].numpy() + 1) * 127.5, extract_palette(noisy, seed=0), atol=1e-3)
    network.colorize(line_art(), Image.fromarray(noisy), palette=np.full((9, 3), 255))
    _, palette, after = network.generator.shown
    assert (palette == 1).all() and torch.equal(before, after)


def test_a_palette_alone_is_also_the_reference():
    network = stand_in()
    colors = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)] * 2 + [(0, 0, 0)])
    network.colorize(line_art(), palette=colors)
    _, palette, reference = network.generator.shown
    np.testing.assert_allclose((palette[0] + 1) * 127.5, colors, atol=1e-4)
    shown = ((reference[0] + 1) * 127.5).flatten(1).T  # a character in the first five: most of it is background
    near = [float((abs(shown - torch.tensor(color)) < 8).all(1).double().mean()) for color in colors[:4]]
    assert near[0] > 0.4 and min(near) > 0.01  # skin, hair, clothes


def test_a_palette_alone_goes_to_its_parts():
    network, given = Colorizer.from_pretrained("toon"), np.array([[136, 204, 255], [255, 204, 153], [51, 34, 17]])
    drawings = [draw(f"val-0-{i:06d}", 128) for i in (0, 3, 8, 12)]
    results = [np.asarray(network.colorize(Image.fromarray(d.line), palette=given, finish="exact")) for d in drawings]
    wanted = np.broadcast_to(np.resize(given, (6, 3)), (4, 6, 3))
    errors = region_error(np.stack(results), np.stack([d.mask for d in drawings]), wanted)
    assert errors[:, :2].max() < 5  # background and skin, in each


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_short_palette_is_repeated(colorizer, n):
    colors = np.random.default_rng(n).integers(0, 256, (n, 3))
    results = {
        colorizer.colorize(line_art(), palette=palette).tobytes()
        for palette in (colors.tolist(), np.resize(colors, (9, 3)))
    }
    assert len(results) == 1


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({}, "a reference picture or a palette"),
        *[
            ({"palette": np.zeros(shape)}, r"palette must (be \(1 to 9, 3\)|have 1 to 9 colours)")
            for shape in ((10, 3), (0, 3), (3,), (9, 4))
        ],
        *[({"palette": [(0, 10, 255), (0, value, 9)]}, "between 0 and 255") for value in (-1, 256, float("nan"))],
        *[({"palette": np.zeros((1, 3)), "seed": seed}, "between 0 and") for seed in (-1, 2**64)],
        ({"palette": np.zeros((1, 3)), "finish": "matte"}, "finish must be one of"),
        *[({"palette": np.zeros((1, 3)), "gap": gap}, "gap must be") for gap in (-1, float("inf"), float("nan"))],
    ],
)
def test_a_wrong_setting_is_a_sentence(colorizer, wrong, rule):
    with pytest.raises(InputError, match=rule):
        colorizer.colorize(line_art(), **wrong)


# --- weights


def test_from_a_file_a_folder_and_a_text(checkpoint):
    results = {
        Colorizer.from_pretrained(source).colorize(line_art(), picture()).tobytes()
        for source in (checkpoint, checkpoint.parent, str(checkpoint), str(checkpoint.parent))
    }
    assert len(results) == 1
    assert checkpoint_path(checkpoint.parent) == checkpoint
    network = Colorizer.from_pretrained(checkpoint)
    assert not network.generator.training and network.config == CONFIG and network.device.type == "cpu"


def test_a_folder_of_the_same_name_does_not_hide_shipped_weights(checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("toon", "toon-none", "mine"):
        (tmp_path / name).mkdir()
    assert checkpoint_path("toon") == pretrained_path("toon") and checkpoint_path("toon-none").parent == PRETRAINED
    assert checkpoint_path("mine").parent.name == "mine"  # whose checkpoint is then missed by its name
    assert checkpoint_path(tmp_path / "toon").parent == tmp_path / "toon"  # a path is no name
    (tmp_path / "toon" / "config.json").write_text("{}")
    (tmp_path / "toon-none" / "last.safetensors").write_bytes(checkpoint.read_bytes())
    assert [str(checkpoint_path(name).parent) for name in ("toon", "toon-none")] == ["toon", "toon-none"]


def test_names_of_shipped_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(colorize, "PRETRAINED", tmp_path)
    with pytest.raises(InputError, match=r"shipped names \(none\), got 'toon'"):
        Colorizer.from_pretrained("toon")
    for name, card in (("toon", {"best": "toon-b"}), ("toon-a", {"steps": 3}), ("toon-b", {"steps": 3})):
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
        if name != "toon":
            (tmp_path / f"{name}.safetensors").write_bytes(b"")
    assert pretrained_path("toon").name == "toon-b.safetensors"  # as its card says
    assert pretrained_path("toon-a").name == "toon-a.safetensors"
    with pytest.raises(InputError, match=r"one of the shipped names \(toon, toon-a, toon-b\), got 'third'"):
        Colorizer.from_pretrained("third")


@pytest.mark.parametrize("name", [path.stem for path in sorted(PRETRAINED.glob("*.safetensors"))] + ["toon"])
def test_shipped_weights_follow_the_reference(name):
    network = Colorizer.from_pretrained(name)
    drawing, other = (draw(f"shipped-{i}", network.config.size) for i in (0, 1))
    line, references = Image.fromarray(drawing.line), (drawing.color, other.color)
    results = [np.asarray(network.colorize(line, Image.fromarray(r))).astype(int) for r in references]
    assert np.abs(results[0] - results[1]).mean() > 2
    own, foreign = (np.abs(result - drawing.color).mean() for result in results)
    assert own < foreign  # its own colours bring it nearer to its own picture
