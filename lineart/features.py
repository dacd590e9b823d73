"""Pretrained backbones of the feature loss and the metrics, each from the one source that the setting names.

`weights="imagenet"` is the paper's: VGG16, AlexNet (LPIPS) and Inception (FID), downloaded on first use.
`weights="bundled"` needs no network: the shift-tolerant VGG and AlexNet of Ghildyal & Liu (2022, ST-LPIPS), whose
trained weights lie inside the package `stlpips-pytorch`. Neither ever stands in for the other. Only the weights of
that package are read, because importing it needs IPython and torchsummary, and its VGG allocates 500 MB for nothing.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lineart.config import InputError, Layer, MissingFile

LAYERS = get_args(Layer)
VGG16_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # widths of the convolutions


class FeatureExtractor(nn.Module):
    """VGG16 up to the deepest of the named ReLU layers; frozen, but open for the gradient to the picture.

    layers: any of `LAYERS`, in any order; nothing behind the deepest one is built or computed.
    weights: "imagenet" (Simonyan & Zisserman 2015, torchvision) or "bundled" (ST-LPIPS, with blurred pooling).
    Raises InputError for another source, MissingFile where the weights are not there.
    """

    def __init__(self, layers: Sequence[str] = LAYERS[:4], weights: str = "imagenet") -> None:
        super().__init__()
        if weights not in ("imagenet", "bundled"):
            raise InputError(f"weights must be 'imagenet' or 'bundled', got {weights!r}")
        state = imagenet_vgg16() if weights == "imagenet" else bundled_network("vgg")
        stages = 1 + max(LAYERS.index(layer) for layer in layers)
        self.scale = InputScale()
        # On "meta" nothing is drawn at random, so building a frozen network leaves the run's random numbers alone.
        with torch.device("meta"):
            self.stack, ends = vgg16_stack(stages, blur=weights == "bundled")
        self.ends = {end: layer for end, layer in ends.items() if layer in layers}
        load_stack(self.stack, state)
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """image (N, 3, H, W) in [-1, 1] -> {layer: (N, C, h, w)}, shallow to deep, values >= 0."""
        features, x = {}, self.scale(image).contiguous(memory_format=torch.channels_last)
        for index, module in enumerate(self.stack):
            x = module(x)
            if index in self.ends:
                features[self.ends[index]] = x
        return features


class InputScale(nn.Module):
    """ImageNet's normalisation for pictures in [-1, 1]; LPIPS and ST-LPIPS use the same numbers."""

    def __init__(self) -> None:
        super().__init__()
        mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))  # of pictures in [0, 1]
        self.register_buffer("shift", (2 * mean - 1).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("factor", (2 * std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.shift) / self.factor


class BlurPool(nn.Module):
    """Every second pixel after a 1-2-1 blur (Zhang 2019); reflects 2 px at the rim, so H -> (H + 1) // 2 + 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor((1.0, 2.0, 1.0)) / 4
        self.register_buffer("filt", torch.outer(row, row).expand(channels, 1, 3, 3).clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


def vgg16_stack(stages: int, blur: bool) -> tuple[nn.Sequential, dict[int, str]]:
    """The first stages of VGG16 and the index at which each of them ends, numbered as in torchvision's `features`.

    With `blur`, max pooling keeps its resolution and a `BlurPool` reduces it, which makes VGG tolerant to shifts.
    """
    modules, ends, channels = [], {}, 3
    for layer, widths in zip(LAYERS[:stages], VGG16_STAGES):
        if modules:
            modules += [nn.MaxPool2d(2, stride=1), BlurPool(channels)] if blur else [nn.MaxPool2d(2)]
        for width in widths:
            modules += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        ends[len(modules) - 1] = layer
    return nn.Sequential(*modules), ends


def imagenet_vgg16() -> dict[str, Tensor]:
    """torchvision's VGG16 weights, "features.0.weight" as "0.weight". Downloads 528 MB the first time."""
    from torchvision.models import VGG16_Weights  # over a second that the bundled networks need not wait

    load = VGG16_Weights.IMAGENET1K_V1.get_state_dict
    state = downloaded("VGG16", lambda: load(progress=False, check_hash=True, map_location="cpu"))
    return {name.removeprefix("features."): tensor for name, tensor in state.items()}


def bundled_network(name: str) -> dict[str, Tensor]:
    """The stored ST-LPIPS network "vgg" or "alex": {"0.weight": ..., "lin0.model.1.weight": ...}."""
    spec = importlib.util.find_spec("stlpips_pytorch")  # found, not imported
    folder = Path(spec.submodule_search_locations[0]) if spec else Path("stlpips_pytorch")
    path = folder / "weights" / "vST0.0" / f"{name}_shift_tolerant.pth"
    if not path.is_file():
        raise MissingFile(f"weights='bundled' needs {path}, which comes with the package stlpips-pytorch")
    state = torch.load(path, map_location="cpu", weights_only=True)  # a pickle, which may otherwise run code
    # "net.slice2.6.weight" is layer 6 of the whole network
    return {key.split(".", 2)[-1] if key.startswith("net.slice") else key: tensor for key, tensor in state.items()}


def load_stack(stack: nn.Sequential, state: dict[str, Tensor]) -> None:
    """Put the stored weights into a stack made on "meta"; whatever the stack does not have is left out."""
    stack.load_state_dict({name: state[name] for name in stack.state_dict()}, assign=True)
    stack.to(memory_format=torch.channels_last)  # on a CPU half as fast again: pooling takes a third of the time


def downloaded(name: str, load: Callable):
    """Run `load`, which may download, and say in one sentence why it could not."""
    try:
        return load()
    except (OSError, RuntimeError) as error:  # no network; or a wrong checksum, as a login page in a school gives
        reason = f"the download of {name}'s weights, which failed ({error})"
        raise MissingFile(f"weights='imagenet' needs {reason}; weights='bundled' works offline") from error
