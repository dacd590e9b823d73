"""Settings: the paper's defaults, profiles that hold only differences, and sentences for bad values."""

import json

import pytest
import torch

from lineart.config import MIN_SIZE, PROFILES, ROOT, Config, figures_dir


def test_defaults_are_the_papers():
    config = Config()
    assert (config.size, config.depth, config.batch_size, config.epochs, config.k) == (256, 7, 4, 40, 9)
    assert (config.learning_rate, config.betas, config.lr_step_epochs, config.lr_gamma) == (2e-4, (0.5, 0.99), 20, 0.5)
    assert (config.lambda_l1, config.lambda_fm, config.lambda_tv, config.lambda_adv) == (50, 0.05, 5e-4, 1)
    assert (config.n_train, config.n_test) == (14_224, 3_545)
    assert config.total_steps == 40 * 3556


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_holds_only_what_differs(profile):
    paper = Config().to_dict()
    assert not [name for name, value in PROFILES[profile].items() if paper[name] == value]


@pytest.mark.parametrize(("size", "depth"), [(256, 7), (128, 6), (64, 5), (32, 4)])
def test_depth_leaves_a_bottleneck_of_2x2(size, depth):
    assert Config(size=size).depth == depth and size // 2**depth == 2


def test_round_trip_through_json():
    config = Config.from_profile("smoke", seed=3, betas=(0.9, 0.999))
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_profile_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("LINEART_PROFILE", "smoke")
    assert Config.from_profile() == Config.from_profile("smoke") != Config.from_profile("classroom")
    monkeypatch.delenv("LINEART_PROFILE")
    assert Config.from_profile() == Config.from_profile("classroom")


@pytest.mark.parametrize(("changes", "sentence"), [
    (dict(size=100), "size must be a multiple of 32 for 5 levels, got 100"),
    (dict(attention="self"), "attention must be one of none, gate, cross, got 'self'"),
    (dict(reference="text"), "reference must be one of image, palette, got 'text'"),
    (dict(weights="random"), "weights must be 'imagenet' or 'bundled', got 'random'"),
    (dict(precision="16-mixed"), "precision must have float32's range, .* a loss scale, got '16-mixed'"),
    (dict(batch_size=0), "batch_size must be at least 1, got 0"),
    (dict(steps=0), "steps must be at least 1, got 0"),
    (dict(n_train=0), "n_train must be at least 1, got 0"),
    (dict(lr_step_epochs=0), "lr_step_epochs must be at least 1, got 0"),
    (dict(betas=(0.5,)), r"betas must be two numbers from 0 to below 1, got \(0.5,\)"),
    (dict(betas=(0.5, 1.0)), r"betas must be two numbers from 0 to below 1, got \(0.5, 1.0\)"),
    (dict(betas=(-0.1, 0.9)), "betas must be two numbers"),
    (dict(seed=-1), r"seed must be between 0 and 2\*\*64 - 1, got -1"),
    (dict(seed=2**64), "seed must be between 0"),
    (dict(levels=1), "levels must be at least 2, got 1"),
    (dict(levels=-1), "levels must be at least 2, got -1"),
    (dict(size=16), "size must be at least 24, got 16"),
    (dict(steps="200"), "steps must be int or None, got '200'"),
    (dict(batch_size=8.0), "batch_size must be int, got 8.0"),
    (dict(epochs=True), "epochs must be int, got True"),
    (dict(augment=1), "augment must be bool, got 1"),
    (dict(learning_rate="2e-4"), "learning_rate must be float, got '2e-4'"),
    (dict(source=ROOT), "source must be str or None, got PosixPath"),
    (dict(feature_layers="relu1_2"), "feature_layers must be a tuple of str, got 'relu1_2'"),
    (dict(betas=(0.5, "0.9")), "betas must be a tuple of float, got"),
    (dict(learning_rate=0.0), "learning_rate must be positive, got 0.0"),
    (dict(lr_gamma=-0.5), "lr_gamma must be positive, got -0.5"),
    (dict(lambda_l1=-1), "lambda_l1 must not be negative, got -1"),
    (dict(checkpoint_minutes=float("nan")), "checkpoint_minutes must be positive, got nan"),
])
def test_bad_values_get_a_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Config(**changes)


def test_an_int_is_a_float():
    assert Config(lambda_l1=10, checkpoint_minutes=1, betas=(0, 0.9)).lambda_l1 == 10


def test_the_smallest_size_is_the_smallest_that_the_networks_take():
    from lineart.checkpoint import make_generator
    from lineart.networks import PatchDiscriminator

    picture, palette = torch.zeros(2, 3, MIN_SIZE, MIN_SIZE), torch.zeros(2, 9, 3)
    assert make_generator(Config(size=MIN_SIZE, width=4))(picture, palette, picture).shape == picture.shape
    judge = PatchDiscriminator(3 + 27 + 3, 4)
    assert judge(torch.cat([picture, picture], 1), palette).shape == (2, 1, 1, 1)
    smaller = picture[..., 1:, 1:]
    with pytest.raises(RuntimeError, match="[Kk]ernel size"):
        judge(torch.cat([smaller, smaller], 1), palette)


def test_unknown_profile_and_setting():
    with pytest.raises(ValueError, match="profile must be one of smoke, classroom, paper, got 'fast'"):
        Config.from_profile("fast")
    with pytest.raises(ValueError, match="unknown setting 'lr'"):
        Config.from_dict({"lr": 1})


def test_no_run_writes_to_the_committed_figures(monkeypatch, tmp_path):
    monkeypatch.delenv("LINEART_FIGURES", raising=False)
    for profile in PROFILES:
        assert figures_dir(profile) == ROOT / "runs" / profile / "figures"
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path / "here"))
    assert figures_dir("classroom") == tmp_path / "here" and (tmp_path / "here").is_dir()


@pytest.mark.parametrize(("method", "settings"), [
    ("none", dict(attention="none")), ("gate", dict(attention="gate")), ("image", {}),
    ("palette", dict(reference="palette")),
])
def test_method_names(method, settings):
    assert Config(**settings).method == method
