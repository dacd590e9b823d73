"""What each trick of the training loop is worth: the loop as the public code has it, then one trick after the other.

    python benchmarks/throughput.py                          256 px, width 64: batch 4 on a GPU, 2 on a CPU
    python benchmarks/throughput.py --size 64 --width 16     something for a lesson

Each row has one trick more than the row above. Floating-point operations are counted by PyTorch on the last row without
torch.compile; the peak is that of a large matrix product in the same run. On a GPU, the last row but one is timed again
at twice the batch until that no longer pays. Writes `figures/throughput_cpu` or `throughput_cuda`, `.csv`, `.png` and
`.json`, with the device's name.
"""

import argparse
import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd
import torch
from loader import NaiveData, write_toon
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from lineart import losses
from lineart.checkpoint import make_generator
from lineart.config import Config, figures_dir
from lineart.course.plotting import write_figure
from lineart.data.augment import training_batch
from lineart.data.prepare import prepare
from lineart.data.sets import Pairs, load
from lineart.evaluation.rows import write_csv
from lineart.features import FeatureExtractor
from lineart.files import provenance, write_sidecar
from lineart.layers import ResidualBlock, palette_planes
from lineart.networks import PatchDiscriminator

TRICKS = {
    "data": "pictures prepared once, palettes included",
    "forward": "generator once a step, not twice",
    "together": "discriminator once on real and fake together",
    "no_grad": "features of the truth without gradient",
    "colours": "nine colours, not 27 planes",
    "layout": "channels last",
    "fused": "fused Adam",
    "bf16": "bfloat16 autocast",
    "compile": "torch.compile",
}


class PlanesBlock(nn.Module):
    """The encoder's first block on 30 full planes, as if the palette were a picture."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, line: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
        planes = palette.expand(-1, -1, *line.shape[2:])
        return ResidualBlock.forward(self.block, torch.cat([line, planes], 1))


class Loop:
    """One training loop with some of the `TRICKS`; the losses of a step do not depend on which."""

    def __init__(self, config: Config, tricks: set[str], device: torch.device) -> None:
        self.config, self.tricks, self.device = config, tricks, device
        torch.manual_seed(config.seed)
        self.generator = make_generator(config).to(device)
        self.discriminator = PatchDiscriminator(3 + 3 * config.k + 3, config.discriminator_width).to(device)
        self.features = None
        if config.lambda_fm > 0:
            self.features = FeatureExtractor(config.feature_layers, config.weights).to(device)
        if "colours" not in tricks:
            self.generator.encoder[0] = PlanesBlock(self.generator.encoder[0])
        if "layout" in tricks:
            for module in (self.generator, self.discriminator):
                module.to(memory_format=torch.channels_last)
        adam = dict(
            lr=config.learning_rate,
            betas=config.betas,
            fused="fused" in tricks,
            foreach=None if "fused" in tricks else False,
        )
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), **adam)
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), **adam)
        if "compile" in tricks:
            self.generator.compile()
            self.discriminator.compile()

    def batches(self, pairs: Pairs, files: list[Path]) -> Iterator[dict[str, torch.Tensor]]:
        """line, color, palette on the device, without end."""
        config = self.config
        if "data" in self.tricks:
            for step in itertools.count():
                yield training_batch(pairs, config, step, self.device)
        workers = (os.cpu_count() or 1) if self.device.type == "cuda" else 0
        loader = DataLoader(
            NaiveData(files, True, config.size, config.k),
            config.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
        )
        while True:
            for batch in loader:
                line, planes = batch["input"].to(self.device).split([3, 3 * config.k], 1)
                palette = planes[:, :, 0, 0].reshape(-1, config.k, 3)
                yield {"line": line, "color": batch["color"].to(self.device), "palette": palette}

    def judge(self, line: torch.Tensor, palette: torch.Tensor, *pictures: torch.Tensor) -> torch.Tensor:
        """Logits of one or two pictures of the same drawings."""
        if "colours" in self.tricks:
            x = torch.cat([torch.cat([line, picture], 1) for picture in pictures])
            return self.discriminator(x, torch.cat([palette] * len(pictures)))
        planes = palette_planes(palette, *line.shape[2:])
        return self.discriminator(torch.cat([torch.cat([line, planes, picture], 1) for picture in pictures]))

    def step(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One update of both networks: the losses by name."""
        config, tricks = self.config, self.tricks
        line, color, palette = batch["line"], batch["color"], batch["palette"]
        if "layout" not in tricks:
            line, color = line.contiguous(), color.contiguous()
        half = torch.autocast(self.device.type, torch.bfloat16) if "bf16" in tricks else nullcontext()
        with half:
            fake = self.generator(line, palette, color)
            if "together" in tricks:
                real_logits, fake_logits = self.judge(line, palette, color, fake.detach()).float().chunk(2)
            else:
                real_logits, fake_logits = (self.judge(line, palette, p).float() for p in (color, fake.detach()))
        loss_d = losses.discriminator_loss(real_logits, fake_logits)
        self.optimizer_d.zero_grad()
        loss_d.backward()
        self.optimizer_d.step()

        self.discriminator.requires_grad_("forward" not in tricks)  # the plain loop lets its gradients run full, too
        with half:
            if "forward" not in tricks:
                fake = self.generator(line, palette, color)
            adversarial = losses.adversarial_loss(self.judge(line, palette, fake).float())
            feature = self.feature_loss(fake, color)
        fake = fake.float()
        terms = {
            "l1": losses.l1_loss(fake, color),
            "feature": feature,
            "tv": losses.total_variation(fake),
            "adversarial": adversarial,
        }
        loss_g = (
            config.lambda_l1 * terms["l1"]
            + config.lambda_fm * feature
            + config.lambda_tv * terms["tv"]
            + config.lambda_adv * adversarial
        )
        self.optimizer_g.zero_grad()
        loss_g.backward()
        self.optimizer_g.step()
        self.discriminator.requires_grad_(True)
        return {"loss_d": loss_d.detach(), **{name: term.detach() for name, term in terms.items()}}

    def feature_loss(self, fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
        if self.features is None:
            return fake.new_zeros(())
        with torch.no_grad() if "no_grad" in self.tricks else nullcontext():
            truth = self.features(color if "no_grad" in self.tricks else color.clone().requires_grad_())
        features = self.features(fake)
        return losses.feature_matching(*({k: v.float() for k, v in f.items()} for f in (features, truth)))


@dataclass(frozen=True)
class Timing:
    trick: str
    batch_size: int
    images_a_second: float
    ms_a_step: float
    memory_gb: float
    l1: float  # after as many steps in every row


def measure(loop: Loop, name: str, pairs: Pairs, files: list[Path], steps: int, warm_up: int) -> Timing:
    batches = loop.batches(pairs, files)
    with _peak_memory(loop.device) as memory:
        for _ in range(warm_up):
            terms = loop.step(next(batches))
        _wait(loop.device)
        started = time.perf_counter()
        for _ in range(steps):
            terms = loop.step(next(batches))
        _wait(loop.device)
        seconds = (time.perf_counter() - started) / steps
    n = loop.config.batch_size
    return Timing(name, n, n / seconds, 1000 * seconds, memory(), float(terms["l1"]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def _peak_memory(device: torch.device) -> Iterator[Callable[[], float]]:
    """Most memory in use meanwhile, GB: allocated on a GPU, resident in this process on a CPU (Linux)."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        yield lambda: torch.cuda.max_memory_allocated() / 1e9
        return
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if clear.exists():
        clear.write_text("5")  # the peak starts again at what is in use now

    def peak() -> float:
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e6 if status.exists() else float("nan")

    yield peak


def operations(loop: Loop, batch: dict[str, torch.Tensor]) -> int:
    """Floating-point operations of one step."""
    with FlopCounterMode(display=False) as counter:
        loop.step(batch)
    return counter.get_total_flops()


def measured_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product: the best of three."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    times = []
    for _ in range(4):  # the first is a warm-up
        _wait(device)
        started = time.perf_counter()
        for _ in range(5):
            a @ b
        _wait(device)
        times.append((time.perf_counter() - started) / 5)
    return 2 * n**3 / min(times[1:])


def saturate(config: Config, tricks: set[str], device: torch.device, pairs: Pairs, steps: int) -> list[Timing]:
    """Twice the batch as long as it gives at least 3 % more images a second and fits."""
    rows: list[Timing] = []
    while config.batch_size <= len(pairs):
        try:
            rows.append(measure(Loop(config, tricks, device), f"batch {config.batch_size}", pairs, [], steps, 3))
        except torch.OutOfMemoryError:
            break
        if len(rows) > 1 and rows[-1].images_a_second < 1.03 * rows[-2].images_a_second:
            break
        config = config.replace(batch_size=2 * config.batch_size)
    return rows


def draw(rows: list[Timing], title: str, path: Path) -> None:
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 0.42 * len(rows) + 1.1), layout="constrained")
    names = [row.trick if i == 0 or row.trick.startswith("batch") else "+ " + row.trick for i, row in enumerate(rows)]
    bars = axis.barh(names, [row.images_a_second for row in rows], color="#3b62b8")
    axis.bar_label(
        bars,
        [f" {row.images_a_second:.2f}  ({row.images_a_second / rows[0].images_a_second:.2f}x)" for row in rows],
        fontsize=8,
    )
    axis.invert_yaxis()
    axis.margins(x=0.25)  # room for the labels
    axis.set_xlabel("images a second")
    figure.suptitle(title, fontsize=9)
    write_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch-size", type=int, help="by default 4 on a GPU, as the paper, and 2 on a CPU")
    parser.add_argument("--steps", type=int, help="timed for each row; by default 30 on a GPU, 4 on a CPU")
    parser.add_argument("--no-compile", action="store_true", help="leave out the row that takes a minute to start")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = gpu
    steps = args.steps or (30 if gpu else 4)
    config = Config(
        data="pairs",
        size=args.size,
        width=args.width,
        discriminator_width=args.width,
        weights="bundled",
        batch_size=args.batch_size or (4 if gpu else 2),
    )
    with tempfile.TemporaryDirectory() as folder:
        files = write_toon(Path(folder), 1024 if gpu else 64)
        config = config.replace(source=str(prepare("pairs", folder, config.size, Path(folder) / "prepared").path))
        pairs = load(config)
        rows, tricks = [], set()
        names = [None, *(name for name in TRICKS if name != "compile" or not args.no_compile)]
        for name in names:
            tricks |= {name} if name else set()
            label = TRICKS[name] if name else "the public code's loop"
            warm_up = 3 if gpu else 1
            rows.append(measure(Loop(config, tricks, device), label, pairs, files, steps, warm_up))
            print(
                f"{rows[-1].images_a_second:8.2f} images/s  {rows[-1].ms_a_step:8.1f} ms  "
                f"{rows[-1].memory_gb:5.2f} GB  L1 {rows[-1].l1:.4f}  {label}",
                flush=True,
            )
        plain = set(TRICKS) - {"compile"}
        loop = Loop(config, plain, device)
        count = operations(loop, training_batch(pairs, config, 0, device))
        larger = saturate(config, plain, device, pairs, steps) if gpu else []
        best_batch = max(larger, key=lambda row: row.images_a_second, default=None)
        if best_batch and not args.no_compile:
            best = config.replace(batch_size=best_batch.batch_size)
            larger.append(
                measure(Loop(best, set(TRICKS), device), f"batch {best.batch_size}, torch.compile", pairs, [], steps, 3)
            )
    peak = measured_peak(device, torch.bfloat16)
    name = torch.cuda.get_device_name() if gpu else f"{_cpu_name()}, {torch.get_num_threads()} threads"
    path = figures_dir("classroom") / f"throughput_{device.type}.csv"
    lines = [
        (
            row.trick,
            row.batch_size,
            f"{row.images_a_second:.3f}",
            f"{row.images_a_second / rows[0].images_a_second:.2f}",
            f"{row.ms_a_step:.1f}",
            f"{row.memory_gb:.2f}",
            f"{count / config.batch_size * row.images_a_second / peak:.4f}",
            f"{row.l1:.4f}",
        )
        for row in [*rows, *larger]
    ]
    columns = ["loop", "batch_size", "images_a_second", "times", "ms_a_step", "memory_gb", "share_of_peak", "l1"]
    write_csv(path, pd.DataFrame(lines, columns=columns))
    draw(
        [*rows, *larger],
        f"Training at {config.size} px, width {config.width}, batch {config.batch_size}: {name}",
        path.with_suffix(".png"),
    )
    write_sidecar(
        path,
        provenance(
            config.replace(source=None), device_name=name, steps=steps, flops_a_step=count, peak_bf16_flops=round(peak)
        ),
    )
    print(f"{name}: {count / 1e12:.3f} TFLOP a step, peak of a bfloat16 product {peak / 1e12:.2f} TFLOP/s")
    print(path.read_text())


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


if __name__ == "__main__":
    main()
