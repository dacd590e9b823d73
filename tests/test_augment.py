"""Batches: the same crop and flip for line and colour, other lines, other colours, 8-bit to [-1, 1] and back."""

import numpy as np
import pytest
import torch

from lineart import losses
from lineart.config import Config
from lineart.data import augment, toon
from lineart.data.augment import (
    CROP_MARGIN,
    random_crop_flip,
    random_erasing,
    random_jitter,
    random_lines,
    random_warp,
    take,
)
from lineart.data.lines import VARIANTS, batch_lines
from lineart.data.sets import load
from lineart.images import to_batch, to_uint8
from lineart.training import Trainer


def test_line_and_colour_move_together():
    torch.manual_seed(0)
    line = torch.randint(0, 256, (32, 32, 32), dtype=torch.uint8)
    color = line[..., None].expand(-1, -1, -1, 3)
    moved_line, moved_color = random_crop_flip(line, color)
    assert torch.equal(moved_line[..., None].expand(-1, -1, -1, 3), moved_color)
    assert not torch.equal(moved_line, line)


def test_shift_stays_within_the_margin_and_half_are_flipped():
    torch.manual_seed(0)
    size, n = 64, 400
    line = torch.arange(size, dtype=torch.uint8).expand(n, size, size)  # a ramp along the columns
    moved, _ = random_crop_flip(line, line[..., None].expand(-1, -1, -1, 3))
    centre = moved[:, 32, 31:33].int()
    flipped = centre[:, 0] > centre[:, 1]
    shift = torch.where(flipped, centre[:, 1] - 31, centre[:, 0] - 31)
    margin = int(size * CROP_MARGIN)
    assert shift.min() == -margin and shift.max() == margin
    assert 0.4 < flipped.float().mean() < 0.6


def test_batch_has_three_equal_line_planes_and_the_palette_in_range():
    pairs = load(Config.from_profile("smoke"), "test")
    batch = take(pairs, slice(4))
    assert batch["line"].shape == batch["color"].shape == (4, 3, 64, 64) and batch["palette"].shape == (4, 9, 3)
    assert torch.equal(batch["line"][:, 0], batch["line"][:, 2])
    assert all(-1 <= t.min() and t.max() <= 1 for t in batch.values())
    assert torch.equal(to_uint8(batch["color"]).permute(0, 2, 3, 1), torch.from_numpy(pairs.color[:4]))


def test_take_gives_drawing_i_the_picture_and_palette_of_its_reference():
    pairs = load(Config.from_profile("smoke"), "test")
    batch = take(pairs, [0, 1], [5, 2])
    expected = to_batch(*(torch.from_numpy(a) for a in (pairs.line[:2], pairs.color[[5, 2]], pairs.palette[[5, 2]])))
    assert all(torch.equal(batch[name], expected[name]) for name in expected)
    assert not np.array_equal(pairs.palette[5], pairs.palette[0])


# Other lines


@pytest.fixture(scope="module")
def colors() -> np.ndarray:
    """Six drawings (6, 64, 64, 3)."""
    return np.stack([toon.draw(toon.seed_of("val", i), 64).color for i in range(6)])


def test_half_of_the_drawings_are_redrawn_and_the_others_are_left_byte_for_byte(colors):
    torch.manual_seed(0)
    n = 400
    color = torch.from_numpy(colors[:1, :16, 16:32]).expand(n, -1, -1, -1)
    line = torch.randint(0, 256, (n, 16, 16), dtype=torch.uint8)
    before = line.clone()
    result = random_lines(line, color)
    assert torch.equal(line, before)  # the argument stays as it is
    variants = torch.stack([batch_lines(color[:1], **settings)[0] for settings in VARIANTS.values()])
    same = (result == line).flatten(1).all(1)
    is_variant = (result[:, None] == variants).flatten(2).all(2)  # (n, 4)
    assert (same.int() + is_variant.sum(1) == 1).all()  # either as it was, or one of the four
    assert 160 < same.sum() < 240 and (is_variant.sum(0) > 25).all()  # 200, and 50 each


# Other colours


def jittered(colors, strength: float = 1.0, seed: int = 0):
    """colors (n, 3), one constant picture and one palette of three times that colour each; the same (n, 3) twice."""
    colors = torch.as_tensor(colors, dtype=torch.float32)
    torch.manual_seed(seed)
    reference, palette = random_jitter(
        colors[:, :, None, None].expand(-1, -1, 4, 5).contiguous(),
        colors[:, None].expand(-1, 3, -1).contiguous(),
        strength,
    )
    assert reference.shape[1:] == (3, 4, 5) and palette.shape[1:] == (3, 3)
    assert torch.equal(reference, reference[:, :, :1, :1].expand_as(reference))
    return reference[:, :, 0, 0], palette[:, 0]


def fixed(monkeypatch, hue=0.0, saturation=0.0, contrast=0.0, brightness=0.0):
    """The numbers in [-1, 1] that the jitter draws."""
    values = torch.tensor([hue, saturation, contrast, brightness])
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: ((values + 1) / 2)[:, None, None, None].expand(*shape))


SOME = [[0.3, -0.2, 0.1], [-0.4, 0.2, 0.35], [0.0, 0.0, 0.0]]


def test_a_turn_of_60_degrees_by_hand(monkeypatch):
    # Rodrigues about (1, 1, 1): the part across the axis is turned, (2, -1, -1)/3 of red becomes (1, 1, -2)/3
    for hue, red in ((1.0, [2, 2, -1]), (-1.0, [2, -1, 2])):
        with monkeypatch.context() as patch:
            fixed(patch, hue=hue)
            result, _ = jittered([[0.3, 0, 0], [0, 0.3, 0]])
        expected = torch.tensor(red) * 0.1
        torch.testing.assert_close(result, torch.stack([expected, expected.roll(1)]), atol=1e-6, rtol=0)


def test_saturation_contrast_and_brightness_by_hand(monkeypatch):
    colors = torch.tensor(SOME)
    mean = colors.mean(1, keepdim=True)
    expected = {"saturation": mean + 1.5 * (colors - mean), "contrast": 1.5 * colors, "brightness": colors + 0.5}
    for name, values in expected.items():  # the range is 2 wide: a quarter of it is 0.5
        with monkeypatch.context() as patch:
            fixed(patch, **{name: 1.0})
            torch.testing.assert_close(jittered(SOME)[0], values, atol=1e-6, rtol=0)
    with monkeypatch.context() as patch:
        fixed(patch, saturation=-1.0)
        torch.testing.assert_close(jittered(SOME)[0], mean + 0.5 * (colors - mean), atol=1e-6, rtol=0)
        torch.testing.assert_close(jittered(SOME, 0.5)[0], mean + 0.75 * (colors - mean), atol=1e-6, rtol=0)


def test_a_palette_changes_exactly_as_its_picture_and_each_picture_in_its_own_way():
    colors = torch.rand(64, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    reference, palette = jittered(colors)
    torch.testing.assert_close(reference, palette, atol=1e-6, rtol=0)
    assert reference.abs().max() <= 1
    alike, _ = jittered(colors[:1].expand(64, -1))
    assert torch.cdist(alike, alike).add(torch.eye(64)).min() > 1e-4


def test_a_warp_turns_scales_shifts_and_mirrors_as_far_as_it_says(monkeypatch):
    monkeypatch.setattr(augment, "WARP_BEND", 0.0)  # what is left is the same map everywhere
    torch.manual_seed(0)
    side = torch.arange(32) * 2 / 32 + 1 / 32 - 1
    x, y = side.expand(32, 32), side[:, None].expand(32, 32)
    places = random_warp(torch.stack([x, y]).expand(500, 2, 32, 32))  # where each pixel was looked up
    by_x, by_y = ((places[:, :, *ahead] - places[:, :, 15, 15]) / (2 / 32) for ahead in ((15, 16), (16, 15)))
    scale, angle = by_y.norm(dim=1), torch.rad2deg(torch.atan2(-by_y[:, 0], by_y[:, 1]).abs())
    middle = (places[:, :, 15, 15] + places[:, :, 16, 16]) / 2
    assert torch.allclose(by_x.norm(dim=1), scale, atol=1e-3)
    assert 0.799 < scale.min() < 0.82 and 1.23 < scale.max() < 1.251
    assert 19 < angle.max() < 20.1
    assert 0.19 < middle.abs().max() < 0.201
    mirrored = (by_x[:, 0] * by_y[:, 1] - by_x[:, 1] * by_y[:, 0]) < 0
    assert 0.4 < mirrored.float().mean() < 0.6


def test_a_share_of_the_references_has_patches_in_the_colour_of_its_corner_and_is_otherwise_untouched():
    torch.manual_seed(0)
    reference = torch.rand(600, 3, 32, 32) + 1
    reference[:, :, 0, 0] = torch.rand(600, 3)
    erased = random_erasing(reference, 0.5)
    patch = (erased == reference[:, :, :1, :1]).all(1)  # (n, H, W)
    patch[:, 0, 0] = False
    assert torch.equal(torch.where(patch[:, None], reference, erased), reference)
    hit = patch.flatten(1).any(1)
    assert 0.44 < hit.float().mean() < 0.56
    rows, columns = (patch.any(dim) for dim in (2, 1))
    for i in hit.nonzero()[:, 0]:  # no patch is smaller than 0.25 of the side each way, and no three fill more
        assert min(rows[i].sum(), columns[i].sum()) >= 7 and patch[i].sum() <= 3 * 20**2
    one_box = [i for i in hit.nonzero()[:, 0] if patch[i].sum() == rows[i].sum() * columns[i].sum()]
    assert len(one_box) > hit.sum() / 4  # a third has one patch, which is a rectangle
    assert torch.equal(random_erasing(reference, 0.0), reference)


def test_in_training_the_bent_reference_is_erased_and_its_palette_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("lineart.training.random_warp", lambda reference: reference)
    trainer = Trainer(tiny(train_reference="warped", reference_erasing=1.0), tmp_path)
    batch, given = trainer.batch(0), []
    before = batch["color"].clone()
    trainer.generator.register_forward_pre_hook(lambda _, args: given.extend(t.detach().clone() for t in args))
    trainer.train_step(batch)
    changed = (given[2] != before).any(1)
    assert changed.flatten(1).any(1).all()
    assert torch.equal(given[2], torch.where(changed[:, None], before[:, :, :1, :1], before))
    assert torch.equal(given[1], batch["palette"]) and torch.equal(batch["color"], before)


def tiny(**changes) -> Config:
    return Config.from_profile("smoke", size=32, n_train=8, n_test=2, lambda_fm=0.0, **changes)


def test_in_training_the_reference_and_its_palette_change_and_the_truth_never_does(tmp_path, monkeypatch):
    trainer = Trainer(tiny(reference_jitter=1.0), tmp_path)
    batch = trainer.batch(0)
    before, given, truths = {name: t.clone() for name, t in batch.items()}, {}, []
    trainer.generator.register_forward_pre_hook(
        lambda _, args: given.update(zip(("line", "palette", "reference"), (t.detach().clone() for t in args)))
    )
    judged = []
    trainer.raw["discriminator"].register_forward_pre_hook(lambda _, args: judged.append(args[0].detach().clone()))
    l1 = losses.l1_loss
    monkeypatch.setattr(losses, "l1_loss", lambda fake, color: truths.append(color.clone()) or l1(fake, color))
    trainer.train_step(batch)
    assert all(torch.equal(batch[name], before[name]) for name in before)
    assert torch.equal(truths[0], before["color"]) and torch.equal(given["line"], before["line"])
    assert (given["reference"] - before["color"]).abs().mean() > 0.02
    assert (given["palette"] - before["palette"]).abs().mean() > 0.02
    real = judged[0][: len(before["line"])]  # the condition, then the truth
    assert torch.equal(real[:, -3:], before["color"])


def test_without_jitter_the_reference_is_the_truth(tmp_path, monkeypatch):
    monkeypatch.setattr("lineart.training.random_jitter", lambda *_: pytest.fail("changed"))
    trainer = Trainer(tiny(), tmp_path)
    batch, given = trainer.batch(0), []
    trainer.generator.register_forward_pre_hook(lambda _, args: given.extend(t.detach().clone() for t in args))
    trainer.train_step(batch)
    assert torch.equal(given[2], batch["color"]) and torch.equal(given[1], batch["palette"])


def test_line_variants_redraw_the_lines_of_a_training_from_its_own_pictures(tmp_path):
    plain, varied = (
        Trainer(tiny(batch_size=8, augment=False, line_variants=variants), tmp_path).batch(0)
        for variants in (False, True)
    )
    assert torch.equal(plain["color"], varied["color"])
    other = [i for i in range(8) if not torch.equal(plain["line"][i], varied["line"][i])]
    assert 0 < len(other) < 8
    color = to_uint8(plain["color"]).permute(0, 2, 3, 1)
    for i in other:
        drawn = to_uint8(varied["line"])[i, 0]
        assert any(torch.equal(drawn, batch_lines(color[i : i + 1], **s)[0]) for s in VARIANTS.values())


def test_at_the_edge_a_crop_and_a_warp_repeat_it_and_bring_no_black():
    white = torch.full((8, 16, 24), 255, dtype=torch.uint8)
    assert (random_crop_flip(white, white[..., None].expand(-1, -1, -1, 3))[0] == 255).all()
    torch.testing.assert_close(random_warp(torch.ones(20, 3, 48, 100)), torch.ones(20, 3, 48, 100))
    torch.manual_seed(0)
    ramp = random_warp(torch.linspace(-1, 1, 100).expand(20, 3, 48, -1))
    assert (ramp.abs() > 1 - 1e-5).float().mean() > 0.05  # so wide is what lies beyond; reflected, it would be less
