"""Checkpoints: safetensors with the config as JSON in the header. Nothing is pickled."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from lineart.config import Config, InputError, MissingFile
from lineart.files import whole
from lineart.networks import Generator

GENERATOR = ("width", "attention", "reference", "noise", "k", "keys", "fine_levels")  # settings that it takes as named


def save_checkpoint(
    path: Path,
    config: Config,
    step: int,
    modules: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer] | None = None,
    half: bool = False,
) -> Path:
    """Write the state of `modules` and `optimizers`, whole or not at all.

    `half` stores floats as float16 (for weights that are published; training goes on from float32).
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in (optimizers or {}).items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    if half:
        tensors = {key: t.half() if t.is_floating_point() else t for key, t in tensors.items()}
    tensors = {key: t.detach().cpu().contiguous().clone() for key, t in tensors.items()}
    header = {"lineart": json.dumps({"config": config.to_dict(), "step": step})}  # several entries have no fixed order
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        save_file(tensors, temporary, metadata=header)
        temporary.chmod(0o644)  # safetensors writes for the owner alone
    return path


def read_checkpoint(path: str | Path) -> tuple[Config, int, dict[str, torch.Tensor]]:
    """Config, step and tensors. Raises MissingFile, or InputError for a file that is damaged or not one of ours."""
    path = Path(path)
    if not path.is_file():
        raise MissingFile(f"a checkpoint must be a .safetensors file, found none at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["lineart"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        return Config.from_dict(header["config"]), header["step"], tensors
    except SafetensorError as error:
        raise InputError(f"a checkpoint must be a whole safetensors file, {path.name} is not: {error}") from error
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"a checkpoint must hold config and step in its header, {path.name} does not") from error


def load_module(module: nn.Module, tensors: dict[str, torch.Tensor], name: str) -> None:
    """The part of a checkpoint that is called `name`, in float32."""
    state = {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")}
    if not state:
        raise InputError(f"the checkpoint must hold {name!r}, it holds {sorted({k.split('.')[0] for k in tensors})}")
    try:
        module.load_state_dict(state)  # which copies into the module's own type
    except RuntimeError as error:
        first = " ".join(str(error).splitlines()[1:2]).strip()
        raise InputError(
            f"the tensors of a checkpoint must fit its settings, those of {name!r} do not: {first}"
        ) from error


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], name: str) -> None:
    """Moments and step counts of an optimizer whose parameters are those it was saved with."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(f"{name}."):
            index, field = key.removeprefix(f"{name}.").split(".")
            parameter = parameters[int(index)]
            if tensor.shape == parameter.shape:
                # Laid out as the parameter is (channels last): fused Adam pairs them by their order in memory.
                tensor = torch.empty_like(parameter).copy_(tensor)
            state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def make_generator(config: Config) -> Generator:
    """The generator that a config describes, untrained."""
    return Generator(levels=config.depth, **{name: getattr(config, name) for name in GENERATOR})


def load_generator(path: str | Path) -> tuple[Generator, Config]:
    """A trained generator in `eval()`, and the config that it was trained with."""
    config, _, tensors = read_checkpoint(path)
    generator = make_generator(config)
    load_module(generator, tensors, "generator")
    return generator.eval(), config
