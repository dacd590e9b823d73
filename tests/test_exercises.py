"""The course's answers, got another way than in `lineart.course.exercises` and `checks`."""

import inspect
import re
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from lineart.coloring.colorizer import Colorizer
from lineart.config import ROOT
from lineart.course import checks, exercises
from lineart.data import toon
from lineart.evaluation.paper import paper_table
from lineart.evaluation.rows import read_rows
from lineart.layers import palette_planes
from lineart.losses import total_variation
from lineart.networks import Generator, level_channels


def test_every_answer_is_compared_with_by_a_check_or_shown_by_its_page():
    names = [name for name, value in vars(exercises).items() if inspect.isfunction(value) and re.match(r"e\d\d_", name)]
    checks = "".join(path.read_text() for path in (ROOT / "lineart" / "course" / "checks").glob("*.py"))
    used = {*re.findall(r"exercises\.(e\d\d_\w+)", checks)}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        found = {*re.findall(r"exercises\.(e\d\d_\w+)", path.read_text())}
        assert all(name[1:3] == path.name[:2] for name in found), (path.name, found)
        used |= found
    assert used == {*names}


def test_copying_wins_every_column_of_the_paper(right):
    rows = read_rows(ROOT / "figures" / "extended_toon.csv")

    def best(protocol, metric, sign):
        values = {
            row.method: sign * row.value
            for row in rows.itertuples()
            if (row.protocol, row.metric) == (protocol, metric)
        }
        return max(values, key=values.get) == "copy the reference"

    columns = (("P3", "Fréchet distance (ST-VGG)", -1), ("P1", "PSNR", 1), ("P1", "MS-SSIM", 1), ("P1", "ST-LPIPS", -1))
    assert right("wins_of_copying", [int(best(*column)) for column in columns])


@pytest.fixture
def right(capsys):
    def verdict(name, answer, *page):
        getattr(checks, name)(answer, *page)
        return f"{name}: right." in capsys.readouterr().out

    return verdict


def test_the_paper_s_generator_is_as_many_times_larger_as_notebook_00_prints(right):
    text = (ROOT / "notebooks" / "00_overview.ipynb").read_text()
    large, small = (int(n.replace(",", "")) for n in re.findall(r"generator ([\d,]+), discriminator", text)[:2])
    assert right("times_larger", large / small) and not right("times_larger", 1.05 * large / small)


def test_the_encoder_alone_tells_how_many_times_larger_the_network_is(right):
    """As the page has it: a block has C_in C_out and C_out C_out filters; the picture's few channels are left out."""

    def filters(channels):
        return sum(before * own + own * own for before, own in zip([0, *channels], channels))

    assert right("times_larger", filters(level_channels(64, 7)) / filters(level_channels(16, 6)))


def test_the_fewest_rows_of_ink_that_pass_are_right(right):
    def share(rows):
        mask, line = np.zeros((12, 12), np.uint8), np.full((12, 12), 255, np.uint8)
        mask[:, 6:] = toon.SLOTS.index("skin")
        mask[:rows, 6], line[:rows, 6] = toon.INK, 0
        return toon.outline_share(mask, line)

    passing = [rows for rows in range(1, 13) if share(rows) >= toon.MIN_OUTLINE]
    assert right("rows_of_ink", passing[0])


def test_the_threshold_is_where_xdog_is_middle_grey(right):
    differences = np.linspace(-0.03, 0, 30_001)
    soft = 1 + np.tanh(12 * (1 + 20 * differences - 0.75))
    assert right("ink_threshold", differences[np.abs(soft - 0.5).argmin()])


def test_two_steps_of_lloyd(right):
    pixels, centres, steps = np.array([0.0, 10, 200, 210]), np.array([0.0, 10]), []
    for _ in range(2):
        nearest = np.abs(pixels[:, None] - centres).argmin(1)
        centres = np.array([pixels[nearest == i].mean() for i in range(2)])
        steps.append(centres.tolist())
    assert right("two_steps_of_kmeans", steps)


def test_the_channel_holds_the_fourth_green(right):
    palette = torch.zeros(1, 9, 3)
    palette[0, 3, 1] = 0.5
    planes = torch.cat([torch.zeros(1, 3, 8, 8), palette_planes(palette, 8, 8)], 1)
    (channel,) = planes.abs().sum((0, 2, 3)).nonzero().flatten().tolist()
    assert right("fourth_green", channel)


def test_a_plain_filter_pulls_along_itself_and_a_standardised_one_does_not():
    """The loss is quadratic in each filter: by Euler's theorem filter times gradient is twice the loss."""
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3)
    torch.testing.assert_close(exercises.e03_gradient_along_filters(x, weight), torch.full((5,), 2.0))
    along = exercises.e03_gradient_along_filters(x, weight, standardized=True)
    torch.testing.assert_close(along, torch.zeros(5), atol=1e-4, rtol=0)


def test_scores_of_level_1_fill_four_gibibytes(right):
    positions = 128 * 128
    scores = torch.empty(4, positions, positions, device="meta").nbytes / 2**20
    assert scores == 4096 and right("mebibytes_of_scores", scores)


def test_an_address_is_its_own_place_and_the_undecided_are_everywhere_alike():
    address = torch.eye(6).view(1, 2, 3, 6)
    assert exercises.e04_own_and_mirrored(address) == pytest.approx((1, 1 / 3))  # the middle column is its own mirror
    turned = address.view(2, 3, 2, 3).flip(-1).reshape(1, 2, 3, 6)
    assert exercises.e04_own_and_mirrored(turned) == pytest.approx((1 / 3, 1))
    assert exercises.e04_own_and_mirrored(torch.full((4, 2, 3, 6), 1 / 6)) == pytest.approx((1 / 6, 1 / 6))


def test_the_mirror_finds_who_reads_addresses_and_who_reads_content():
    """The two shipped networks of notebook 04: trained on the truth as it lies, and on the truth warped."""
    pair = toon.draw(toon.seed_of("test", 0), 128)
    line, color = (2 * torch.tensor(x / 255.0).float() - 1 for x in (pair.line, pair.color))
    line, color = line.expand(1, 3, -1, -1), color.permute(2, 0, 1)[None].flip(-1)
    found = {
        name: exercises.e04_mirror_test(Colorizer.from_pretrained(name).generator, line, torch.zeros(1, 9, 3), color)[0]
        for name in ("toon-image", "toon-image-warped")
    }
    (own, mirrored), (own_of_warped, mirrored_of_warped) = found.values()
    assert own > 3 * mirrored and own_of_warped < 1.5 * mirrored_of_warped


def test_decoder_3_takes_the_skip_of_level_4_and_the_decoder_behind_it(right):
    assert right("channels_into_decoder_3", 2 * level_channels(64, 7)[3])  # 512 on level 4, counted from 1


def test_the_decoder_has_the_numbers_that_its_blocks_have(right):
    generator = Generator(4, 4)
    numbers = {name: value.numel() for name, value in generator.named_parameters()}
    own = sum(count for name, count in numbers.items() if name.startswith("decoder."))
    share = own / sum(numbers.values())
    assert right("share_of_the_decoder", share, generator) and not right(
        "share_of_the_decoder", share + 0.01, generator
    )


def test_the_set_at_distance_0_is_the_one_that_the_page_s_table_shows(right):
    cells = nbformat.read(ROOT / "notebooks" / "09a_measures.ipynb", as_version=4).cells
    texts = [out.get("text", "") for cell in cells for out in cell.get("outputs", [])]
    (table,) = (text for text in texts if "MS-SSIM  ST-LPIPS" in text)
    distances = [float(row.split()[-1]) for row in table.strip().splitlines()[1:]]
    assert len(distances) == 6 and right("no_distance", distances.index(0) + 1)
    assert not any(right("no_distance", place + 1) for place, distance in enumerate(distances) if distance)


def test_patches_inside_the_picture(right):
    def inside(i):
        return 0 <= 8 * i - 23 and 8 * i + 46 < 256

    assert right("patches_inside", sum(inside(i) and inside(j) for i in range(30) for j in range(30)))


def test_l1_takes_the_colour_with_the_least_absolute_error(right):
    paintings = np.repeat([[1, 1, 1], [1, 1, 0], [0, 0, 0]], [40, 35, 25], axis=0)
    tries = np.stack(np.meshgrid(*3 * [np.linspace(0, 1, 11)], indexing="ij"), -1).reshape(-1, 3)
    errors = np.abs(tries[:, None] - paintings).sum((1, 2))
    assert tries[errors.argmin()].tolist() == [1, 1, 0] and right("color_of_l1", tries[errors.argmin()], paintings)


def test_the_smallest_pupil_that_pays_for_its_border(right):
    def pays(side):
        truth = torch.ones(1, 3, 256, 256)
        truth[..., 100 : 100 + side, 100 : 100 + side] = 0
        l1 = 50 * (1 - truth)[:, 0].sum() / (3 * 256**2)  # in one channel, over all values
        border = 5e-4 * total_variation(truth) * truth.numel() / 3
        return bool(l1 > border)

    assert right("side_of_the_pupil", [side for side in range(1, 30) if pays(side)][0])


def test_the_best_logit_has_the_least_loss(right):
    z = torch.linspace(-3, 3, 6001)
    assert right("best_logit", z[(0.75 * softplus(-z) + 0.25 * softplus(z)).argmin()])


def test_adam_walks_the_wrong_way(right):
    m, seen = 1.0, 0
    while m >= 0:
        m, seen = 0.9 * m + 0.1 * -1, seen + 1
    assert seen == 7 and right("steps_of_the_wrong_way", seen)


def test_step_six_is_the_third_of_the_second_epoch():
    batches = [np.random.default_rng([3, epoch]).permutation(16).reshape(4, 4) for epoch in range(2)]
    assert sorted(np.concatenate(batches)[6]) == exercises.e08_drawings_of_step_six(3).tolist()


def test_the_papers_improvement_is_that_of_its_text(right):
    assert right("improvement", 41.77, paper_table())


def test_a_difference_in_standard_errors(right):
    a, b = (SimpleNamespace(value=value, spread=spread, n=25) for value, spread in ((10, 3), (12, 4)))
    assert right("standard_errors", 2.0, a, b)  # the spread of a difference is 5, of 25 means 1


def test_colour_that_comes_through_attention_alone():
    pair = toon.draw(toon.seed_of("test", 0), 128)
    value = [
        exercises.e10_colorfulness_under_grey(Colorizer.from_pretrained(f"toon-{method}"), pair.line, pair.color)
        for method in ("none", "image")
    ]
    assert value[0] < 30 < 60 < value[1]  # one knows no colour but the grey, the other sees the picture
    assert (
        exercises.e10_colorfulness_under_grey(
            Colorizer.from_pretrained("toon-none"), pair.line, np.full_like(pair.color, 9)
        )
        == value[0]
    )


def test_a_step_of_grey_is_a_difference_in_lightness_alone(right):
    lightness = [116 * (((v / 255 + 0.055) / 1.055) ** 2.4) ** (1 / 3) - 16 for v in (128, 129)]
    middle = (np.mean(lightness) - 50) ** 2
    weight = 1 + 0.015 * middle / np.sqrt(20 + middle)  # S_L of CIEDE2000
    assert right("step_of_grey", (lightness[1] - lightness[0]) / weight)


def test_three_coins(right):
    assert right("three_coins", sum(all(n >> i & 1 for i in range(3)) for n in range(8)) / 8)
