"""Many drawings from files to files: nothing lost, nothing replaced, and a bad file is no end."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from lineart.checkpoint import make_generator, save_checkpoint
from lineart.coloring.batch import colorize_files, parse_palette, parse_swaps
from lineart.coloring.colorizer import Colorizer
from lineart.config import Config, InputError, MissingFile
from lineart.data.lines import extract_lines
from lineart.data.toon import draw

CONFIG = Config.from_profile("smoke")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_checkpoint(
        tmp_path_factory.mktemp("run") / "x.safetensors", CONFIG, 1, {"generator": make_generator(CONFIG)}
    )


@pytest.fixture
def folder(tmp_path):
    """Drawings a.png and b.jpg, a text, and a reference beside the folder."""
    drawings = tmp_path / "drawings"
    drawings.mkdir()
    for name, seed in (("a.png", "one"), ("b.jpg", "two")):
        Image.fromarray(draw(seed, 96).line).save(drawings / name)
    (drawings / "notes.txt").write_text("no picture")
    Image.fromarray(draw("three", 96).color).save(tmp_path / "reference.png")
    return drawings


def run(folder, drawings=None, **options):
    """The exit code, and what is in the folder of results, by name."""
    out = folder.parent / "out"
    code = colorize_files(drawings or [folder], folder.parent / "reference.png", out, **options)
    return code, {path.name: path for path in sorted(out.iterdir())}


@pytest.mark.parametrize("what", ["a folder", "files", "a glob", "all, and twice"])
def test_files_folders_and_globs(folder, weights, capsys, what):
    drawings = {
        "a folder": [folder],
        "files": [folder / "a.png", str(folder / "b.jpg")],
        "a glob": [f"{folder}/[ab].*"],
        "all, and twice": [folder, os.path.relpath(folder / "a.png"), f"{folder}/*.jpg"],
    }[what]
    code, results = run(folder, drawings, weights=weights)
    assert code == 0 and [*results] == ["a.png", "b.png"]
    assert len(capsys.readouterr().out.splitlines()) == 2
    pictures = [Image.open(path) for path in (folder / "a.png", folder.parent / "reference.png")]
    expected = Colorizer.from_pretrained(weights).colorize(*pictures, finish="flat")
    assert Image.open(results["a.png"]).tobytes() == expected.tobytes()


def test_a_bad_file_is_reported_and_the_others_go_on(folder, weights, capsys):
    (folder / "0.png").write_bytes(b"no picture")
    (folder / "1.png").write_bytes((folder / "a.png").read_bytes()[:300])
    Image.new("L", (50, 50), 255).save(folder / "2.png")
    code, results = run(folder, weights=weights)
    assert code == 1 and [*results] == ["a.png", "b.png"]
    errors = capsys.readouterr().err.splitlines()
    assert [name in line for name, line in zip(("0.png", "1.png", "2.png"), errors, strict=True)] == [True] * 3


def test_what_an_editor_and_a_disk_leave_in_a_folder_is_no_end(folder, weights, capsys, monkeypatch):
    """A name that looks like somebody's home, one as long as names can be, what macOS hides, and a cut-off page."""
    page = Image.open(folder / "a.png")
    (folder / "._a.png").write_bytes(b"\0\5\x16\7")
    for name in ("~draft", "名" * 83):
        shutil.copy(folder / "a.png", folder / f"{name}.png")
    page.save(folder / "c.tif", save_all=True, append_images=[page, page])
    pages = (folder / "c.tif").read_bytes()
    (folder / "c.tif").write_bytes(pages[: len(pages) // 2])
    monkeypatch.chdir(folder)
    code, results = run(folder, ["."], weights=weights)
    assert code == 0 and {*results} == {"a.png", "b.png", "c.png", "~draft.png", "名" * 83 + ".png"}
    assert {path.read_bytes() for name, path in results.items() if name != "b.png"} == {results["a.png"].read_bytes()}
    assert "the first page; another can't be read" in capsys.readouterr().out
    assert run(folder, ["~draft.png"], weights=weights, overwrite=True)[0] == 0


def test_a_drawing_that_memory_cannot_hold_is_no_end(folder, weights, capsys, monkeypatch):
    def colorize(self, drawing, **settings):
        if drawing.full.shape == (96, 96):
            raise MemoryError
        return Image.new("RGB", drawing.full.shape)

    Image.new("L", (50, 60), 255).save(folder / "c.png")
    monkeypatch.setattr(Colorizer, "colorize", colorize)
    assert run(folder, weights=weights, as_is=True)[1].keys() == {"c.png"}
    assert capsys.readouterr().err.count("too little memory") == 2


def test_no_drawing_is_replaced_under_another_name(folder, weights):
    """As line.png is line.PNG on a disk to which case makes no difference."""
    os.link(folder / "b.jpg", folder / "b.png")
    before = (folder / "b.jpg").read_bytes()
    code = colorize_files([folder / "b.jpg"], None, folder, palette="#888 #fff", weights=weights, overwrite=True)
    assert code == 1 and (folder / "b.png").read_bytes() == before


def test_nothing_is_lost_or_replaced_unasked_and_a_drawing_never(folder, weights, capsys, monkeypatch):
    def half(image, path, *args, **options):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    _, results = run(folder, weights=weights)
    results["a.png"].write_bytes(b"mine")
    assert run(folder, weights=weights)[0] == 1 and results["a.png"].read_bytes() == b"mine"
    assert run(folder, weights=weights, overwrite=True)[0] == 0 and Image.open(results["a.png"]).size == (96, 96)
    before = (folder / "a.png").read_bytes()
    code = colorize_files([folder], folder.parent / "reference.png", folder, weights=weights, overwrite=True)
    assert code == 1 and (folder / "a.png").read_bytes() == before
    (folder / "more").mkdir()
    shutil.copy(folder / "a.png", folder / "more" / "a.png")  # another drawing of the same name
    with pytest.raises(InputError, match="differ in name, got .*a.png and .*more.a.png"):
        run(folder, [folder / "a.png", folder / "more"], weights=weights, overwrite=True)
    (folder / "b.png").unlink()  # which the run before had made
    monkeypatch.setattr(Image.Image, "save", half)
    before = results["a.png"].read_bytes()
    assert run(folder, weights=weights, overwrite=True)[0] == 1 and results["a.png"].read_bytes() == before
    assert "No space left on device" in capsys.readouterr().err
    assert not [*folder.parent.rglob("*.tmp")]


def test_what_a_format_cannot_hold_is_told_before_it_is_coloured(folder, weights, capsys):
    Image.new("L", (300, 17000), 255).save(folder / "0.png")
    Image.fromarray(draw("one", 96).line).save(folder / "c.tif", save_all=True, append_images=[Image.new("L", (9, 9))])
    (folder / "folder.png").mkdir()
    code, results = run(folder, weights=weights, format="webp")
    assert code == 1 and [*results] == ["a.webp", "b.webp", "c.webp"]
    said = capsys.readouterr()
    assert "0.png: a webp has at most 16383 pixels a side, got 300x17000" in said.err and "of 2 pages" in said.out


def test_a_pipe_is_no_picture_to_wait_for(folder, weights):
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(MissingFile, match="no picture file at .*pipe.png"):
        colorize_files([folder / "a.png"], folder / "pipe.png", folder.parent / "out", weights=weights)
    assert run(folder, weights=weights)[0] == 1  # told of it, and the others coloured


def test_what_has_come_while_a_drawing_was_coloured_stays(folder, weights, capsys, monkeypatch):
    save = Image.Image.save

    def slow(image, path, *args, **options):
        save(image, path, *args, **options)
        (folder.parent / "out" / "a.png").write_bytes(b"mine")

    monkeypatch.setattr(Image.Image, "save", slow)
    code, results = run(folder, [folder / "a.png"], weights=weights)
    assert code == 1 and results["a.png"].read_bytes() == b"mine" and [*results] == ["a.png"]
    assert "there is a file by now" in capsys.readouterr().err


@pytest.mark.parametrize(("format", "kind"), [(None, "PNG"), ("png", "PNG"), ("webp", "WEBP"), (".JPEG", "JPEG")])
def test_the_format_is_as_asked_and_transparency_goes_where_it_can(folder, weights, format, kind):
    image = Image.open(folder / "a.png").convert("RGBA")
    image.putalpha(Image.fromarray(np.tri(96, dtype=np.uint8) * 255))
    image.save(folder / "a.png")
    _, results = run(folder, [folder / "a.png"], weights=weights, format=format)
    result = Image.open(next(iter(results.values())))
    assert result.format == kind and result.mode == ("RGB" if kind == "JPEG" else "RGBA")
    corner = np.asarray(result.convert("RGBA"))[3, 92]
    assert corner.tolist() == [255] * 4 if kind == "JPEG" else corner[3] == 0


@pytest.mark.parametrize("format", [None, "png"])
def test_layers_open_again_and_lie_over_each_other_as_the_picture_does(folder, weights, format):
    _, results = run(folder, [folder / "a.png"], weights=weights, layered=True, format=format)
    if format == "png":
        assert [*results] == ["a-colors.png", "a-lines.png"]
        colors, lines = (Image.open(path) for path in results.values())
    else:
        from psd_tools import PSDImage

        psd = PSDImage.open(results["a.psd"])
        assert psd.size == (96, 96) and [layer.name for layer in psd] == ["colors", "lines"]
        colors, lines = (layer.topil() for layer in psd)
    assert colors.mode == lines.mode == "RGBA"
    drawing = np.asarray(Image.open(folder / "a.png").convert("L"))
    assert np.array_equal(np.asarray(lines)[..., 3], 255 - drawing) and not np.asarray(lines)[..., :3].any()
    _, results = run(folder, [folder / "a.png"], weights=weights)
    together = np.asarray(Image.alpha_composite(colors, lines).convert("RGB")).astype(int)
    assert np.abs(together - np.asarray(Image.open(results["a.png"]))).max() <= 1


@pytest.mark.parametrize(("format", "layered"), [("png", False), ("jpg", False), ("png", True), ("psd", True)])
def test_printed_the_result_is_as_large_as_the_drawing(folder, weights, format, layered):
    """Dots per inch are kept; b.jpg has none, and gets none."""
    Image.open(folder / "a.png").save(folder / "a.png", dpi=(300, 600))
    _, results = run(folder, weights=weights, format=format, layered=layered)
    found = {}
    for name, path in results.items():
        if format == "psd":
            from psd_tools import PSDImage

            held = PSDImage.open(path).image_resources.get_data(1005)  # ResolutionInfo
            found[name] = held and (held.horizontal / 65536, held.vertical / 65536)
        else:
            found[name] = Image.open(path).info.get("dpi")
    for name, dpi in found.items():
        assert dpi == (pytest.approx((300, 600), rel=1e-4) if name.startswith("a") else None)


def test_colours_can_be_given_and_exchanged(folder, weights):
    colors = "#ff0000 #00ff00, #0000ff #ffffff"
    assert parse_palette(colors).tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    assert [swap.tolist() for swap in parse_swaps("#ff0000=#00ff00 #fff=#000")] == [
        [[255, 0, 0], [0, 255, 0]],
        [[255, 255, 255], [0, 0, 0]],
    ]
    code = colorize_files(
        [folder / "a.png"], None, folder.parent / "out", palette=colors, swap="#f00=#102030", weights=weights
    )
    assert code == 0
    assert [swap.tolist() for swap in parse_swaps("rgb(1, 2, 3) = white")] == [[[1, 2, 3], [255] * 3]]
    for parse, wrong in ((parse_palette, ("", "#12", "reddish")), (parse_swaps, ("#ff0000", "#f00=#0f0=#00f"))):
        for text in wrong:
            with pytest.raises(InputError, match="must be written like"):
                parse(text)


def test_lines_of_a_coloured_picture_are_drawn_first(folder, weights):
    picture = draw("four", 96).color
    Image.fromarray(picture).save(folder / "a.png")
    assert run(folder, [folder / "a.png"], weights=weights)[0] == 1
    code, results = run(folder, [folder / "a.png"], weights=weights, extract_lines=True)
    lines = np.asarray(extract_lines(picture))
    assert code == 0 and (np.asarray(Image.open(results["a.png"])) <= lines[..., None]).all()


def test_a_coloured_cutout_stays_cut_out_when_its_lines_are_drawn_first(folder, weights):
    figure = Image.new("RGB", (96, 96), "red")  # whose darkest channel is black, as a line's would be
    figure.paste("navy", (40, 30, 70, 60))
    figure.putalpha(Image.fromarray(np.uint8(255 * (np.hypot(*np.mgrid[-48:48, -48:48]) < 40))))
    figure.save(folder / "a.png")
    _, results = run(folder, [folder / "a.png"], weights=weights, extract_lines=True)
    result = Image.open(results["a.png"])
    assert result.getchannel("A").tobytes() == figure.getchannel("A").tobytes()
    figure.putalpha(255)  # nothing is transparent
    figure.save(folder / "a.png")
    run(folder, [folder / "a.png"], weights=weights, extract_lines=True, overwrite=True)
    assert Image.open(results["a.png"]).mode == "RGB"


def test_a_reference_that_is_not_there_is_named(folder, weights):
    (folder.parent / "reference.png").unlink()
    with pytest.raises(MissingFile, match="there is no picture file at .*reference.png"):
        run(folder, weights=weights)
    with pytest.raises(MissingFile, match="there is no picture file at r"):
        colorize_files([folder], "r" * 300, folder.parent / "out", weights=weights)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"drawings": ["nowhere.png"]}, "found none at nowhere.png"),
        ({"drawings": ["nowhere/*.png"]}, "found none at"),
        ({"format": "psd"}, "format must be"),
        ({"format": "webp", "layered": True}, "format must be"),
        ({"weights": "nobody"}, "weights must be"),
        ({"seed": -1}, "seed must be"),
        ({"finish": "matte"}, "finish must be"),
        ({"gap": float("inf")}, "gap must be"),
        ({"palette": "#ff0000"}, "got both"),
        ({"palette": ""}, "got both"),
        ({"swap": "#ff0000=rgb(999,0,0)"}, "between 0 and 255"),
        ({"weights": "w" * 300}, "weights must be"),
    ],
)
def test_what_concerns_all_is_a_sentence_before_anything_is_written(folder, weights, wrong, rule):
    with pytest.raises(InputError, match=rule):
        run(folder, **{"weights": weights} | wrong)
    assert not [*folder.parent.glob("out/*")]


def test_a_single_result_has_the_name_that_it_is_given_or_none(folder, weights):
    def colour(drawings, out, **options):
        return colorize_files(drawings, folder.parent / "reference.png", out, weights=weights, **options)

    one, two = [folder / "a.png"], [folder]
    assert colour(one, folder / "x.psd", layered=True) == 0 and (folder / "x.psd").read_bytes()[:4] == b"8BPS"
    for drawings, name, options in (
        (two, "y.png", {}),
        (one, "y.png", {"layered": True}),
        (one, "y.psd", {}),
        (one, "y.jpg", {"format": "png"}),
        (one, "a.png/y", {}),  # a file is no folder
        (one, "y" * 300, {}),
        (one, "y.pdf", {}),
        ([], "y", {}),
    ):
        with pytest.raises(InputError, match=r"(out|format) must be|can't be made|got none"):
            colour(drawings, folder / name, **options)
    assert not [*folder.rglob("y*")]
