"""What a training leaves to look at, across interruptions, and the signs of one that fails."""

import csv
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lineart.config import InputError
from lineart.data.sets import Pairs
from lineart.log import COLUMNS, WARM_UP, Log, color_spread, complaints, gradient_norm, relative_spread
from lineart.progress import Progress

ROW = {"loss_d": 1.386, "l1": 0.5}


def rows(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_has_every_column_and_what_is_not_known_stays_empty(tmp_path):
    log = Log(tmp_path, 10, 0)
    log.write(1, ROW | {"tv": 3.0})
    (row,) = rows(tmp_path)
    assert tuple(row) == COLUMNS and row["step"] == "1" and row["l1"] == "0.5" and row["psnr_val"] == ""


def test_time_goes_on_where_it_stood(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,seconds,l1\n1,100.00,0.5\n2,200.00,0.4\n3,300.00,0.3\n")
    log = Log(tmp_path, 10, 2)  # row 3 lies behind the checkpoint
    log.write(3, ROW)
    assert [(r["step"], r["l1"]) for r in rows(tmp_path)] == [("1", "0.5"), ("2", "0.4"), ("3", "0.5")]
    assert 200 <= float(rows(tmp_path)[2]["seconds"]) < 260
    assert all(tuple(row) == ("step", "seconds", "l1") for row in rows(tmp_path))  # of the version that began the run


def test_a_curve_that_a_spreadsheet_has_saved_is_named_and_stays(tmp_path):
    (tmp_path / "metrics.csv").write_text(saved := "step;seconds;l1\n1;100.00;0.5\n")
    with pytest.raises(InputError, match="each line of .*metrics.csv must begin with a step and a comma"):
        Log(tmp_path, 9, 1)
    assert (tmp_path / "metrics.csv").read_text() == saved


def test_a_log_without_a_person_has_lines_with_the_speed_of_this_process_and_the_time_left(capsys, monkeypatch):
    clock = iter([100.0, 105.0, 111.0, 112.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    shown = Progress(1000, "steps", 978)
    for step in (979, 989, 1000):  # the first is less than ten seconds after the beginning
        shown.show(step, f"L1 {step}")
    assert capsys.readouterr().out.splitlines() == [
        "989 of 1,000 steps, L1 989, 1 a second, 11 s left",
        "1,000 of 1,000 steps, L1 1000, 1.83 a second, 0 s left",
    ]


def test_the_grid_has_line_truth_and_result_side_by_side(tmp_path):
    rng = np.random.default_rng(0)
    line, color = rng.integers(0, 256, (2, 8, 8), dtype=np.uint8), rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    pairs = Pairs(line, color, np.zeros((2, 9, 3), np.float32), ("a", "b"))
    Log(tmp_path, 2, 0).save_grid(7, pairs, 255 - color)
    grid = np.asarray(Image.open(tmp_path / "samples" / "step_000007.png"))
    assert grid.shape == (16, 24, 3)
    assert (
        (grid[:8, :8, 0] == line[0]).all()
        and (grid[8:, 8:16] == color[1]).all()
        and (grid[8:, 16:] == 255 - color[1]).all()
    )


WELL = {"spread": 0.9, "loss_d": 1.2, "psnr_val": 20.0, "psnr_swapped": 15.0}


def test_spread_of_two_colours_by_hand():
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0, 0], image[0, 2, 1] = 0.9, 0.9  # upper half red, lower half blue: chroma (.6, -.3, -.3), (-.3, -.3, .6)
    assert color_spread(image).item() == pytest.approx(((0.45**2 + 0 + 0.45**2) / 3) ** 0.5)


def test_relative_spread_is_a_mean_over_pictures_so_that_processes_can_share_a_batch():
    torch.manual_seed(0)
    fake, color = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    halves = [relative_spread(fake[i : i + 2], color[i : i + 2]) for i in (0, 2)]
    assert relative_spread(fake, color).item() == pytest.approx((halves[0] + halves[1]).item() / 2)
    assert relative_spread(color, color).item() == pytest.approx(1) and relative_spread(
        color / 2, color
    ).item() == pytest.approx(0.5)


def test_gradient_norm_is_that_of_one_long_vector():
    module = nn.Linear(1, 1)
    (3 * module.weight.sum() + 4 * module.bias.sum()).backward()
    assert gradient_norm(module).item() == pytest.approx(5)


ILLNESSES = [({"spread": 0.1}, "one tint"), ({"psnr_swapped": 22.0}, "BGR"), ({"loss_d": 0.01}, "discriminator")]


@pytest.mark.parametrize(("change", "kind"), ILLNESSES)
def test_each_illness_has_its_sentence(change, kind):
    assert complaints(WARM_UP, WELL) == {} and [*complaints(WARM_UP, WELL | change)] == [kind]


def test_a_beginning_is_no_illness():
    assert complaints(WARM_UP - 1, WELL | {"spread": 0.0, "loss_d": 0.0}) == {}
    assert complaints(WARM_UP, {"loss_d": 1.2}) == {}  # a row between two samples has no PSNR
