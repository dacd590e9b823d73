"""The shipped networks as ONNX files, for the page in the browser and for whatever else runs ONNX."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lineart.checkpoint import load_generator
from lineart.coloring.colorizer import PRETRAINED, checkpoint_path
from lineart.config import Config, InputError
from lineart.files import sha256, whole, write_text
from lineart.layers import WSConv2d
from lineart.methods import METHODS, method_title
from lineart.networks import Generator

MANIFEST = "networks.json"
OPSET = 18  # read by onnxruntime of 2022 and later
HALF_FROM = 256  # numbers; smaller tensors stay float32


class FoldedConv2d(WSConv2d):
    """A weight-standardised convolution whose filters are standardised already."""

    @classmethod
    def of(cls, conv: WSConv2d) -> FoldedConv2d:
        bias = conv.bias is not None
        folded = cls(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, bias=bias)
        folded.weight = nn.Parameter(conv.standardized_weight().detach(), requires_grad=False)
        folded.bias = conv.bias
        return folded

    def standardized_weight(self) -> torch.Tensor:
        return self.weight


class Exported(nn.Module):
    """A generator as the file holds it: no noise, filters folded, and the attention beside the picture.

    line (1, 1, H, W), palette (1, k, 3), reference (1, 3, H, W), all in [-1, 1] -> color (1, 3, H, W); where the
    generator attends, also the attention of the decoder's finest layer that does, (1, h, w, T), each row of T summing
    to 1. T counts the reference's positions row by row, or the palette's colours.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = copy.deepcopy(generator).eval()
        for name, module in list(self.generator.named_modules()):
            if isinstance(module, WSConv2d):
                self.generator.set_submodule(name, FoldedConv2d.of(module))
        self.attending = list(self.generator.record_attention().values())  # the decoder's finest is the last

    def forward(self, line: torch.Tensor, palette: torch.Tensor, reference: torch.Tensor):
        color = self.generator(line.expand(-1, 3, -1, -1), palette, reference)
        if not self.attending:
            return color
        attention = self.attending[-1].attention
        for layer in self.attending:  # nothing of one picture may stay in a module that is traced
            layer.attention = None
        return color, attention


def to_onnx(generator: Generator, config: Config):
    """The `onnx.ModelProto` of a trained generator at its training size, filters stored as float16."""
    onnx = need_onnx()
    exported = Exported(generator)
    size, names = config.size, ["color", "attention"] if exported.attending else ["color"]
    example = (torch.zeros(1, 1, size, size), torch.zeros(1, config.k, 3), torch.zeros(1, 3, size, size))
    inputs = ["line", "palette", "reference"]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about its own libraries
        program = torch.onnx.export(
            exported,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=inputs,
            output_names=names,
            optimize=True,
            verbose=False,
        )
    model = program.model_proto
    strip(model)
    halve(model)
    onnx.checker.check_model(model)
    return model


def need_onnx():
    """The package `onnx`, or the sentence that says where it comes from."""
    try:
        import onnx
        import onnxscript  # noqa: F401  torch.onnx needs it, and says so in a page of text
    except ImportError as error:
        raise InputError(
            f'the export needs the extra "studio" (pip install "lineart[studio]"), got no {error.name}'
        ) from error
    return onnx


def strip(model) -> None:
    """Leave out which line of which file on this machine made a node."""
    for entry in (model, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del entry.metadata_props[:]
        entry.doc_string = ""
    del model.graph.value_info[:]
    model.producer_name, model.producer_version = "lineart", ""


def halve(model) -> None:
    """Store the large tensors as float16, cast back to float32 where the graph begins; all arithmetic is float32."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= HALF_FROM:
            half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}.half")
            casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
            tensor.CopyFrom(half)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def shipped() -> list[Path]:
    """The shipped weights, `toon` before `faces`, the methods in the order of `METHODS`."""
    order = {key: i for i, key in enumerate(METHODS)}

    def place(path: Path) -> tuple:
        data, _, method = path.stem.partition("-")
        return data != "toon", data, order.get(method, len(order)), path.stem

    return sorted(PRETRAINED.glob("*.safetensors"), key=place)


def export_network(weights: str | Path, out: Path) -> dict:
    """Write `out`/NAME.onnx for weights as `Colorizer.from_pretrained` takes them; returns its line of the manifest."""
    path = checkpoint_path(weights)
    generator, config = load_generator(path)
    model = to_onnx(generator, config)
    file = out / f"{path.stem}.onnx"
    with whole(file) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
    card = path.with_suffix(".json")
    sizes = {output.name: [d.dim_value for d in output.type.tensor_type.shape.dim] for output in model.graph.output}
    return {
        "name": path.stem,
        "file": file.name,
        "bytes": file.stat().st_size,
        "weights": sha256(path),
        "data": config.data,
        "method": config.method,
        "title": method_title(config.method),
        "size": config.size,
        "attends": config.reference if generator.attention == "cross" else None,
        "attention": sizes.get("attention"),
        "licence": json.loads(card.read_text()).get("licence") if card.is_file() else None,
    }


def export_all(out: Path) -> list[dict]:
    """Every shipped network as an ONNX file in `out`, and `networks.json`, which says what they are."""
    need_onnx()
    out.mkdir(parents=True, exist_ok=True)
    entries = []
    for path in shipped():
        entries.append(export_network(path, out))
        print(f"{entries[-1]['file']}: {entries[-1]['bytes'] / 1e6:.1f} MB, {entries[-1]['title']}", flush=True)
    write_text(out / MANIFEST, json.dumps(entries, indent=2) + "\n")
    return entries
