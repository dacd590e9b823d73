"""The tricks of the training loop change its speed and nothing else."""

import pytest
import torch
from throughput import TRICKS, Loop, operations

from lineart.config import Config
from lineart.data.augment import training_batch
from lineart.data.sets import load
from lineart.training import Trainer

CPU = torch.device("cpu")


def tiny(**changes) -> Config:
    return Config.from_profile("smoke", **(dict(size=32, n_train=8, n_test=2, noise=False, batch_size=2) | changes))


def three_steps(tricks: set[str]) -> list[dict[str, float]]:
    loop, pairs = Loop(tiny(), tricks, CPU), load(tiny())
    return [{k: float(v) for k, v in loop.step(training_batch(pairs, tiny(), i)).items()} for i in range(3)]


@pytest.fixture(scope="module")
def plain() -> list[dict[str, float]]:
    return three_steps(set())


@pytest.mark.parametrize("trick", [name for name in TRICKS if name not in ("data", "bf16", "compile")])
def test_a_trick_leaves_the_losses_of_three_steps_as_they_are(plain, trick):
    # Spectral norm takes a power iteration at every call, so one call fewer is another approximation
    tolerance = 1e-3 if trick == "together" else 1e-4
    for expected, got in zip(plain, three_steps({trick})):
        assert got == pytest.approx(expected, rel=tolerance)


def test_half_precision_stays_close(plain):
    for expected, got in zip(plain, three_steps({"bf16"})):
        assert got == pytest.approx(expected, rel=0.03)


def test_all_tricks_together_are_the_packages_step(tmp_path):
    tricks = set(TRICKS) - {"bf16", "compile"}
    torch.manual_seed(0)
    trainer = Trainer(tiny(), tmp_path)
    loop = Loop(tiny(), tricks, CPU)
    loop.generator.load_state_dict(trainer.raw["generator"].state_dict())
    loop.discriminator.load_state_dict(trainer.raw["discriminator"].state_dict())
    for step in range(2):
        batch = trainer.batch(step)
        expected, got = trainer.train_step(batch), loop.step(batch)
        assert {k: float(v) for k, v in got.items()} == pytest.approx({k: float(expected[k]) for k in got}, rel=1e-4)


def test_nine_colours_and_one_forward_save_operations():
    batch = training_batch(load(tiny()), tiny(), 0)
    all_of_them = operations(Loop(tiny(), set(), CPU), batch)
    for tricks in ({"forward"}, {"colours"}, {"no_grad"}):
        assert operations(Loop(tiny(), tricks, CPU), batch) < all_of_them
