"""The backbones: the right weights from the right source, frozen, and equal to the networks that they rebuild."""

import contextlib
import io
import pickle
import urllib.error
from types import SimpleNamespace

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import VGG16_Weights

from lineart.config import InputError, MissingFile
from lineart.evaluation.features import frechet_features, metric_names, perceptual_distance
from lineart.features import LAYERS, FeatureExtractor


def pictures(n=2, size=64, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def vgg():
    return FeatureExtractor(LAYERS, weights="bundled")


@pytest.fixture(scope="module")
def distance():
    return perceptual_distance("bundled")


@pytest.fixture
def imagenet_vgg(monkeypatch):
    """torchvision's download, replaced: records the URL and hands out random filters under torchvision's names."""
    generator = torch.Generator().manual_seed(7)
    with torch.device("meta"):
        names = torchvision.models.vgg16().state_dict()
    # The classifier, 480 MB of it, stays on "meta": reading it would be a mistake
    state = {
        name: tensor if name.startswith("classifier") else torch.randn(tensor.shape, generator=generator) * 0.05
        for name, tensor in names.items()
    }
    urls = []

    def download(url, *args, **kwargs):
        urls.append(url)
        assert kwargs["check_hash"]
        return state

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    return state, urls


def no_network(*args, **kwargs):
    raise urllib.error.URLError("Temporary failure in name resolution")


# --- the bundled VGG ---


def test_bundled_vgg_is_the_package_s(vgg):
    with contextlib.redirect_stdout(io.StringIO()):
        from stlpips_pytorch import stlpips

        package = stlpips.LPIPS(net="vgg", variant="shift_tolerant", verbose=False)
    image = pictures()
    with torch.no_grad():
        theirs, ours = package.net(package.scaling_layer(image)), vgg(image)
    # BlurPool: 64 -> maximum of 2 px: 63 -> 2 px more at either rim: 67 -> windows of 3 px, every second: 33
    assert {layer: found.shape[-1] for layer, found in ours.items()} == dict(zip(LAYERS, (64, 33, 17, 9, 5)))
    for ours_at, theirs_at in zip(ours.values(), theirs):
        torch.testing.assert_close(ours_at, theirs_at, rtol=1e-4, atol=1e-4 * theirs_at.max().item())


def test_it_stops_at_the_deepest_layer_asked_for(vgg, monkeypatch):
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)  # which bundled never asks
    shallow = FeatureExtractor(("relu2_2", "relu1_2"), weights="bundled")
    found = shallow(pictures())
    assert list(found) == ["relu1_2", "relu2_2"]  # from shallow to deep, whatever the order asked for
    torch.testing.assert_close(found["relu2_2"], vgg(pictures())["relu2_2"])
    assert sum(isinstance(m, nn.Conv2d) for m in shallow.modules()) == 4 and isinstance(shallow.stack[-1], nn.ReLU)


def test_gradient_reaches_the_image_and_no_weight():
    extractor = FeatureExtractor(("relu1_2", "relu2_2"), weights="bundled")
    before = {name: tensor.clone() for name, tensor in extractor.state_dict().items()}
    image = pictures(size=32).requires_grad_()
    sum(f.square().mean() for f in extractor(image).values()).backward()
    assert image.grad.abs().sum() > 0 and torch.isfinite(image.grad).all()
    assert len(list(extractor.parameters())) == 8  # four convolutions, weight and bias
    assert all(not p.requires_grad and p.grad is None for p in extractor.parameters())
    assert not extractor.training
    assert all(torch.equal(before[name], tensor) for name, tensor in extractor.state_dict().items())


def test_building_leaves_the_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    FeatureExtractor(("relu1_2",), weights="bundled")
    perceptual_distance("bundled")
    assert torch.equal(torch.rand(3), expected)


def test_a_file_that_runs_code_is_not_run(tmp_path, monkeypatch):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    folder = tmp_path / "weights" / "vST0.0"
    folder.mkdir(parents=True)
    torch.save({"net.slice1.0.weight": Harmful()}, folder / "vgg_shift_tolerant.pth")
    package = SimpleNamespace(submodule_search_locations=[tmp_path])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: package)
    with pytest.raises(pickle.UnpicklingError):
        FeatureExtractor(("relu1_2",), weights="bundled")
    assert not (tmp_path / "ran").exists()


def test_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingFile, match="vgg_shift_tolerant.pth.*stlpips-pytorch"):
        FeatureExtractor(("relu1_2",), weights="bundled")


# --- ImageNet ---


def test_imagenet_vgg_is_torchvision_s(imagenet_vgg):
    state, urls = imagenet_vgg
    ours = FeatureExtractor(LAYERS, weights="imagenet")
    assert urls == [VGG16_Weights.IMAGENET1K_V1.url] == ["https://download.pytorch.org/models/vgg16-397923af.pth"]
    with torch.device("meta"):
        reference = torchvision.models.vgg16().features
    reference.load_state_dict({k[9:]: v for k, v in state.items() if k.startswith("features.")}, assign=True)
    image = pictures(size=32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    x, expected = ((image + 1) / 2 - mean) / std, {}
    for index, module in enumerate(reference):
        x = module(x)
        if index in (3, 8, 15, 22, 29):  # conv1_2, conv2_2, conv3_3, conv4_3, conv5_3 and their ReLU
            expected[LAYERS[len(expected)]] = x.clone()
    result = ours(image)
    assert {k: v.shape[-1] for k, v in result.items()} == dict(zip(LAYERS, (32, 16, 8, 4, 2)))
    for layer in LAYERS:
        scale = expected[layer].max().item()
        torch.testing.assert_close(result[layer], expected[layer], rtol=1e-4, atol=1e-5 * scale)


def wrong_file(*args, **kwargs):
    raise RuntimeError("invalid hash")


@pytest.mark.parametrize("error", [no_network, wrong_file])
@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: FeatureExtractor(("relu1_2",), weights="imagenet"), "VGG16"),
        (lambda: perceptual_distance("imagenet"), "AlexNet"),
    ],
)
def test_no_download_is_one_sentence_and_no_fallback(monkeypatch, error, build, name):
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", error)
    with pytest.raises(MissingFile, match=f"{name}.*weights='bundled' works offline"):
        build()


def test_lpips_is_the_package_s_on_torchvision_s_alexnet(monkeypatch, capfd, recwarn):
    with torch.device("meta"):
        names = torchvision.models.alexnet().state_dict()
    numbers = torch.Generator().manual_seed(5)
    state = {  # the classifier is large, and never used
        name: torch.zeros(()).expand(tensor.shape)
        if name.startswith("classifier")
        else torch.randn(tensor.shape, generator=numbers) * 0.05
        for name, tensor in names.items()
    }
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: state)
    network = perceptual_distance("imagenet")
    assert type(network).__module__ == "lpips.lpips" and network.pnet_type == "alex" and network.version == "0.1"
    assert torch.equal(network.net.slice1[0].weight, state["features.0.weight"])
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    a, b = pictures(2), pictures(2, seed=1)
    assert network(a, b).shape == (2, 1, 1, 1) and (network(a, b) > 0).all() and (network(a, a) == 0).all()
    assert capfd.readouterr() == ("", "") and not recwarn.list


def test_inception_is_torchmetrics_s(monkeypatch):
    from torchmetrics.image import fid

    asked = []
    monkeypatch.setattr(fid, "NoTrainInceptionV3", lambda *arguments: asked.append(arguments) or nn.Identity())
    frechet_features("imagenet")
    assert asked == [("inception-v3-compat", ["2048"])]  # what FrechetInceptionDistance builds by default


# --- ST-LPIPS and the pooled features ---


def test_st_lpips_is_the_package_s(distance):
    with contextlib.redirect_stdout(io.StringIO()):
        from stlpips_pytorch import stlpips

        package = stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    a, b = pictures(4, 96), pictures(4, 96, seed=1)
    b[1] = a[1].roll(3, -1)  # a shift, a darker picture and a flat one
    b[2] = a[2] * 0.5
    b[3] = 0.3
    with torch.no_grad():
        ours, theirs = distance(a, b), package(a, b)
    assert ours.shape == theirs.shape == (4, 1, 1, 1)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert (ours > 1e-4).all() and (distance(a, a) == 0).all()
    torch.testing.assert_close(distance(b, a), ours)
    assert not any(p.requires_grad for p in distance.parameters())


def test_pooled_features_are_the_mean_of_the_fourth_stage(vgg):
    image = torch.randint(0, 256, (2, 3, 48, 48), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    pooled = frechet_features("bundled")(image)
    assert pooled.shape == (2, 512)
    expected = vgg(image.double().div(255).mul(2).sub(1).float())["relu4_3"].flatten(2).mean(-1)
    torch.testing.assert_close(pooled, expected, rtol=1e-4, atol=1e-4)


def test_only_the_paper_s_networks_get_the_paper_s_names():
    assert metric_names("imagenet") == {"frechet": "FID", "kernel": "KID", "perceptual": "LPIPS"}
    bundled = metric_names("bundled")
    assert bundled.keys() == metric_names("imagenet").keys()
    assert not {"FID", "KID", "LPIPS"} & {*bundled.values()}
    with pytest.raises(KeyError):  # neither source stands in for another
        metric_names("vgg")
    with pytest.raises(InputError, match="weights must be 'imagenet' or 'bundled', got 'vgg'"):
        FeatureExtractor(weights="vgg")
