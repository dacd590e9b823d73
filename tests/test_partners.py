import numpy as np
import pytest
import torch
from torch import nn

from lineart.coloring.partners import CHOICE, make_partners
from lineart.config import Config, InputError, MissingFile
from lineart.data.references import derangement
from lineart.data.sets import Pairs, load
from lineart.training import Trainer

SIZE, N = 64, 8


class Traces(nn.Module):
    """Colours a drawing with what the reference has at the same place."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, line, palette, reference, noise):
        return torch.minimum(line, reference)


def circles(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Outlines of one or two circles, and which region a pixel is in: 0 outside, 1, 2."""
    y, x = np.mgrid[:SIZE, :SIZE]
    line, region = np.full((SIZE, SIZE), 255, np.uint8), np.zeros((SIZE, SIZE), int)
    for i, center in enumerate((18, 46)[:count], start=1):
        radius = np.hypot(y - 32, x - center)
        line[abs(radius - 11) < 1.5] = 0
        region[radius < 11] = i
    return line, region


def some_pairs() -> Pairs:
    rng = np.random.default_rng(0)
    line, region = map(np.stack, zip(*(circles(1 + i % 2) for i in range(N))))
    palette = rng.integers(0, 4, (N, 3, 3)) * 60 + 60
    palette[:, 1] = palette[:, 0] // 2 + 100 * (palette[:, 0] < 128)
    palette[:, 2] = 255 - palette[:, 0]
    color = (np.stack([p[r] for p, r in zip(palette, region)]) * (line[..., None] / 255)).astype(np.uint8)
    return Pairs(line, color, palette.astype(np.float32), tuple(map(str, range(N))))


def test_a_partner_is_another_drawing_in_the_pictures_colours_and_the_one_that_shows_most_of_them():
    pairs = some_pairs()
    partners = make_partners(Traces(), pairs)
    drawn = np.stack([derangement(N, i) for i in range(CHOICE)])
    assert partners.shape == pairs.color.shape and partners.dtype == np.uint8
    both = 0
    for i, (partner, palette) in enumerate(zip(partners, pairs.palette)):
        shown = [(partner == color).all(-1).sum() > 50 for color in palette.astype(np.uint8)]
        assert shown[:2] == [True, True]
        if i % 2 and any(j % 2 for j in drawn[:, i]):  # a picture of two circles, and one such drawing among the three
            both += 1
            assert shown[2] and np.array_equal(partner.max(-1) == 0, pairs.line[1] == 0)
    assert both >= 2
    assert np.array_equal(make_partners(Traces(), pairs, slice(3, 6)), partners[3:6])


def test_half_of_the_references_are_partners_and_the_truth_stays(tmp_path):
    config = Config.from_profile("smoke", size=32, n_train=8, n_test=2, lambda_fm=0.0, augment=False)
    pairs = load(config)
    np.save(tmp_path / "partners.npy", 255 - pairs.color)
    trainer = Trainer(config.replace(partners=str(tmp_path / "partners.npy")), tmp_path / "run")
    chosen = []
    for step in range(100):
        batch = trainer.batch(step)
        reference, palette = trainer.reference(batch)
        torch.testing.assert_close(batch["other"], -batch["color"])
        assert torch.equal(palette, batch["palette"])
        for r, other, truth in zip(reference, batch["other"], batch["color"]):
            chosen.append(torch.equal(r, other))
            assert chosen[-1] or torch.equal(r, truth)
    assert abs(np.mean(chosen) - 0.5) < 0.15
    assert load(trainer.config, "val").other is None


@pytest.mark.parametrize(
    "save, error, said",
    [
        (None, MissingFile, "there is none at"),
        (lambda path: path.write_text("no array"), InputError, "NumPy"),
        (lambda path: np.savez(open(path, "wb"), other=np.zeros(3)), InputError, "NumPy"),
        (
            lambda path: np.save(path, np.zeros((7, 32, 32, 3), np.uint8)),
            InputError,
            r"\(8, 32, 32, 3\), got uint8 \(7,",
        ),
        (lambda path: np.save(path, np.zeros((8, 32, 32, 3))), InputError, "got float64"),
    ],
)
def test_a_file_that_holds_no_partners_is_refused(tmp_path, save, error, said):
    path = tmp_path / "partners.npy"
    if save:
        save(path)
    with pytest.raises(error, match=said):
        load(Config.from_profile("smoke", size=32, n_train=8, n_test=2, partners=str(path)))
