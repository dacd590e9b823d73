"""Settings: the paper's defaults, profiles that hold only differences, and a sentence for every bad value."""

import json

import pytest
import torch
from pydantic import ValidationError

from lineart.checkpoint import make_generator, read_checkpoint
from lineart.coloring.colorizer import PRETRAINED
from lineart.config import MIN_SIZE, PROFILES, ROOT, Config, InputError, figures_dir
from lineart.networks import PatchDiscriminator


def test_defaults_are_the_papers_and_a_profile_holds_only_what_differs():
    config = Config()
    assert (config.size, config.depth, config.batch_size, config.epochs, config.k) == (256, 7, 4, 40, 9)
    assert (config.learning_rate, config.betas, config.lr_step_epochs, config.lr_gamma) == (2e-4, (0.5, 0.99), 20, 0.5)
    assert (config.lambda_l1, config.lambda_fm, config.lambda_tv, config.lambda_adv) == (50, 0.05, 5e-4, 1)
    assert (config.n_train, config.n_test, config.total_steps) == (14_224, 3_545, 40 * 3556)
    for changes in PROFILES.values():
        assert not [name for name, value in changes.items() if config.to_dict()[name] == value]


@pytest.mark.parametrize(("size", "depth"), [(256, 7), (128, 6), (64, 5), (32, 4)])
def test_depth_leaves_a_bottleneck_of_2x2(size, depth):
    assert Config(size=size).depth == depth and size // 2**depth == 2


def test_settings_are_values():
    config = Config.from_profile("smoke", seed=3, betas=(0, 0.999), lambda_l1=10)  # an int is a float
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config == config.replace()
    assert {config: 1}[config.replace(seed=4).replace(seed=3)] == 1 and config.replace(seed=4) != config
    with pytest.raises(ValidationError):
        config.seed = 5
    with pytest.raises(InputError):
        config.replace(size=50)


def test_profile_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("LINEART_PROFILE", "smoke")
    assert Config.from_profile() == Config.from_profile("smoke") != Config.from_profile("classroom")
    monkeypatch.delenv("LINEART_PROFILE")
    assert Config.from_profile() == Config.from_profile("classroom")
    with pytest.raises(InputError, match="profile .*smoke, classroom, paper, got 'fast'"):
        Config.from_profile("fast")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 16),
        ("size", 100),
        ("attention", "self"),
        ("reference", "text"),
        ("weights", "random"),
        ("train_reference", "cycle"),
        ("precision", "16-mixed"),
        ("precision", "64-true"),
        ("batch_size", 0),
        ("steps", 0),
        ("levels", 1),
        ("betas", (0.5,)),
        ("betas", (0.5, 1.0)),
        ("betas", (-0.1, 0.9)),
        ("betas", (0.5, "0.9")),
        ("seed", -1),
        ("seed", 2**64),
        ("steps", "200"),
        ("batch_size", 8.0),
        ("epochs", True),
        ("augment", 1),
        ("learning_rate", "2e-4"),
        ("learning_rate", True),
        ("source", ROOT),
        ("feature_layers", "relu1_2"),
        ("feature_layers", ("relu9_9",)),
        ("feature_layers", ()),
        ("learning_rate", 0.0),
        ("lr_gamma", -0.5),
        ("lambda_l1", -1),
        ("checkpoint_minutes", float("nan")),
        ("reference_jitter", 2),
        ("reference_erasing", -0.5),
        ("lr", 1),
        ("keys", "words"),
        ("fine_levels", 4),
    ],
)
def test_a_bad_value_is_refused_by_its_name(name, value):
    with pytest.raises(InputError) as caught:
        Config(**{name: value})
    sentence = str(caught.value)
    assert "\n" not in sentence and name in sentence and (repr(value) in sentence or name == "lr")


@pytest.mark.parametrize(
    "settings",
    [
        dict(keys="lines", attention="gate"),
        dict(keys="colors", reference="palette"),
        dict(data="toon", source="x"),
        dict(data="kaggle", train_reference="other"),
        dict(data="toon", train_reference="other", partners="partners.npy"),
        dict(data="toon", train_reference="other", reference_erasing=0.5),
    ],
)
def test_settings_that_do_not_fit_each_other(settings):
    with pytest.raises(InputError):
        Config(**settings)


def test_weights_of_before_a_setting_was_there_have_the_papers_value():
    config = read_checkpoint(PRETRAINED / "toon-image.safetensors")[0]
    assert (config.keys, config.fine_levels, config.method, config.data) == ("none", 0, "image", "toon")


def test_the_smallest_size_is_the_smallest_that_the_networks_take():
    picture, palette = torch.zeros(2, 3, MIN_SIZE, MIN_SIZE), torch.zeros(2, 9, 3)
    assert make_generator(Config(size=MIN_SIZE, width=4))(picture, palette, picture).shape == picture.shape
    judge = PatchDiscriminator(3 + 27 + 3, 4)
    assert judge(torch.cat([picture, picture], 1), palette).shape == (2, 1, 1, 1)
    smaller = picture[..., 1:, 1:]
    with pytest.raises(RuntimeError, match="[Kk]ernel size"):
        judge(torch.cat([smaller, smaller], 1), palette)


def test_no_run_writes_to_the_committed_figures(monkeypatch, tmp_path):
    monkeypatch.delenv("LINEART_FIGURES", raising=False)
    for profile in PROFILES:
        assert figures_dir(profile) == ROOT / "runs" / profile / "figures"
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path / "here"))
    assert figures_dir("classroom") == tmp_path / "here" and (tmp_path / "here").is_dir()
