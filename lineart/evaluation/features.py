"""The networks of the metrics, each from the one source that the setting names, under names of their own."""

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lineart.features import BlurPool, FeatureExtractor, InputScale, bundled_network, downloaded, load_stack
from lineart.images import to_unit

# FID, KID and LPIPS are reserved for the ImageNet networks
NAMES = {
    "imagenet": {"frechet": "FID", "kernel": "KID", "perceptual": "LPIPS"},
    "bundled": {"frechet": "Fréchet distance (ST-VGG)", "kernel": "KID (ST-VGG)", "perceptual": "ST-LPIPS"},
}


def metric_names(weights: str) -> dict[str, str]:
    """The names under which results with these backbones are printed."""
    return NAMES[weights]


class ShiftTolerantLPIPS(nn.Module):
    """ST-LPIPS (Ghildyal & Liu 2022) on its AlexNet: Eq. 11 on features of unit length, with learned weights."""

    ends = (2, 6, 10, 12, 14)  # the five ReLUs

    def __init__(self) -> None:
        super().__init__()
        self.scale = InputScale()
        state = bundled_network("alex")
        with torch.device("meta"):
            self.stack = shift_tolerant_alexnet()
        load_stack(self.stack, state)
        # w_l of Eq. 11, one number a channel
        self.weights = nn.ParameterList(state[f"lin{i}.model.1.weight"] for i in range(len(self.ends)))
        self.requires_grad_(False)
        self.eval()

    def features(self, image: Tensor) -> list[Tensor]:
        features, x = [], self.scale(image).contiguous(memory_format=torch.channels_last)
        for index, module in enumerate(self.stack):
            x = module(x)
            if index in self.ends:
                features.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))  # unit length at each place
        return features

    def forward(self, image: Tensor, other: Tensor) -> Tensor:
        """Two batches (N, 3, H, W) in [-1, 1] -> (N, 1, 1, 1), 0 for equal pictures, larger for less similar ones."""
        pairs = zip(self.features(image), self.features(other), self.weights)
        return sum(F.conv2d((a - b).square(), w).mean((2, 3), keepdim=True) for a, b, w in pairs)


def shift_tolerant_alexnet() -> nn.Sequential:
    """AlexNet's five convolutions; every step of two pixels is a `BlurPool`, the first one before its ReLU."""
    relu, pool = nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=1)  # without weights, so one serves everywhere
    first = [nn.Conv2d(3, 64, 11, padding=2), BlurPool(64), relu, pool, BlurPool(64)]
    second = [nn.Conv2d(64, 192, 5, padding=2), relu, pool, BlurPool(192), nn.Conv2d(192, 384, 3, padding=1), relu]
    return nn.Sequential(
        *first, *second, nn.Conv2d(384, 256, 3, padding=1), relu, nn.Conv2d(256, 256, 3, padding=1), relu
    )


def perceptual_distance(weights: str) -> nn.Module:
    """LPIPS (Zhang et al. 2018, AlexNet, Eq. 11) for "imagenet", ST-LPIPS for "bundled"; both are frozen.

    Called with two batches (N, 3, H, W) in [-1, 1], gives (N, 1, 1, 1): one distance a pair.
    """
    if weights == "bundled":
        return ShiftTolerantLPIPS()
    import lpips  # seconds, and only here

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision by an argument that torchvision calls deprecated
        network = downloaded("AlexNet", lambda: lpips.LPIPS(net="alex", verbose=False))
    return network.requires_grad_(False)


def frechet_features(weights: str) -> Callable[[Tensor], Tensor]:
    """The features that the Fréchet and the kernel distance compare: uint8 (N, 3, H, W) -> (N, d) float.

    "imagenet": d = 2048, torchmetrics' Inception (torch-fidelity's weights), so that FID is torchmetrics' FID.
    "bundled": d = 512, the spatial mean of the bundled VGG's fourth stage. Unlike an ImageNet classifier's last layer,
    whose means hardly change with the hue, it sees colour.
    """
    if weights == "bundled":
        extractor = FeatureExtractor(("relu4_3",), weights="bundled")
        return lambda image: extractor(to_unit(image))["relu4_3"].mean((2, 3))
    from torchmetrics.image import fid

    return downloaded("Inception", lambda: fid.NoTrainInceptionV3("inception-v3-compat", ["2048"]))
