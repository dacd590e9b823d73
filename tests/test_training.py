"""The training loop: one step, the state between steps, and what is left when a run is cut short."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from standin import StandIn

from lineart import checkpoint, losses, runs, training
from lineart.checkpoint import load_module, make_generator, read_checkpoint, save_checkpoint
from lineart.config import ROOT, Config, InputError
from lineart.data import sets as data
from lineart.data.sets import Pairs
from lineart.log import Log
from lineart.runs import LAST, PREVIOUS
from lineart.training import Trainer, train

METHODS = {
    "none": dict(attention="none"),
    "gate": dict(attention="gate"),
    "palette": dict(reference="palette"),
    "image": dict(train_reference="self"),
    "colors": dict(keys="colors"),
    "lines": dict(keys="lines", fine_levels=1),
    "warped": dict(reference_jitter=0.5),
    "other": dict(train_reference="other"),
}


@pytest.fixture(scope="module", autouse=True)
def drawings(tmp_path_factory):
    """The few drawings of these tests are drawn once, outside the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CACHE", tmp_path_factory.mktemp("data"))
        yield data.CACHE


def tiny(**changes) -> Config:
    """Eight drawings of 32 px, two steps an epoch, bent references; without the feature loss unless it is asked for."""
    small = dict(size=32, n_train=8, n_test=2, lambda_fm=0.0, steps=6, sample_every=3, checkpoint_every=3)
    small["train_reference"] = "warped"
    return Config.from_profile("smoke", **(small | changes))


def trainer(folder, **changes) -> Trainer:
    torch.manual_seed(0)
    return Trainer(tiny(**changes), folder)


def tensors_of(folder) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / LAST)[2]


def assert_same_run(one, other):
    """Networks, moments and counts to the last bit, every logged number, every sample."""
    a, b = tensors_of(one), tensors_of(other)
    assert {key.split(".")[0] for key in a} == {"generator", "discriminator", "optimizer_g", "optimizer_d"}
    assert a.keys() == b.keys()
    assert [key for key in a if not torch.equal(a[key], b[key])] == []
    assert rows_of(one) == rows_of(other)
    samples = sorted(path.name for path in (one / "samples").iterdir())
    assert samples and samples == sorted(path.name for path in (other / "samples").iterdir())
    assert all((one / "samples" / n).read_bytes() == (other / "samples" / n).read_bytes() for n in samples)


def rows_of(folder) -> list[dict[str, str]]:
    """The rows of metrics.csv; time is the only column that two equal runs differ in."""
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["seconds"]
    return rows


def steps_of(folder) -> list[int]:
    return [int(row["step"]) for row in rows_of(folder)]


def at_call(monkeypatch, name: str, number: int, action):
    """Let the function `losses.<name>` run `action` in place of its own at its call `number`, counted from 1."""
    function, calls = getattr(losses, name), []

    def replacement(*args):
        calls.append(1)
        return action(function, args) if len(calls) == number else function(*args)

    monkeypatch.setattr(losses, name, replacement)


# --- one step ---


def test_repeating_one_batch_lowers_l1(tmp_path):
    run = trainer(tmp_path, learning_rate=2e-3, train_reference="self")
    batch = run.batch(0)
    history = [run.train_step(batch)["l1"].item() for _ in range(30)]
    assert history[-1] < 0.6 * history[0]
    assert np.mean(history[-5:]) < np.mean(history[10:15]) < np.mean(history[:5])


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_every_parameter(tmp_path, method):
    run = trainer(tmp_path, **METHODS[method], lambda_fm=0.05)
    before = {k: {n: p.detach().clone() for n, p in m.named_parameters()} for k, m in run.raw.items()}
    run.train_step(run.batch(0))
    for kind, module in run.raw.items():
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), (kind, name)
            assert parameter.grad.abs().max() > 0, (kind, name)
            assert not torch.equal(parameter, before[kind][name]), (kind, name)
            assert parameter.requires_grad


def test_a_step_returns_the_terms_of_eq_1(tmp_path):
    run = trainer(tmp_path, lambda_fm=0.05, lambda_tv=0.3, lambda_adv=2.0)
    terms = run.train_step(run.batch(0))
    assert terms.keys() == {"loss_d", "loss_g", "l1", "feature", "tv", "adversarial"}
    assert not any(value.requires_grad for value in terms.values())
    value = {name: term.item() for name, term in terms.items()}
    total = 50 * value["l1"] + 0.05 * value["feature"] + 0.3 * value["tv"] + 2 * value["adversarial"]
    assert value["loss_g"] == pytest.approx(total) and value["feature"] > 0


def test_real_and_fake_share_one_call(tmp_path):
    run = trainer(tmp_path)
    seen = []
    run.raw["discriminator"].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].detach()))
    batch = run.batch(0)
    run.train_step(batch)
    both, fake = seen  # the discriminator's update, the generator's
    n = run.config.batch_size
    assert len(both) == 2 * n and len(fake) == n
    assert torch.equal(both[:n, -3:], batch["color"]) and torch.equal(both[n:], fake)
    assert torch.equal(both[:n, :3], batch["line"]) and torch.equal(both[:n, :-3], both[n:, :-3])


# --- what is random ---


def test_a_batch_depends_on_seed_and_step_alone(tmp_path):
    run = trainer(tmp_path)
    batch, state = run.batch(3), torch.get_rng_state()
    torch.manual_seed(99)
    run.train_step(run.batch(0))
    again = run.batch(3)
    assert all(torch.equal(batch[key], again[key]) for key in batch)
    assert torch.equal(state, torch.get_rng_state())  # so the noise of the step is the same, too
    assert not torch.equal(batch["color"], run.batch(2)["color"])
    run.batch(2)
    assert not torch.equal(state, torch.get_rng_state())
    other = trainer(tmp_path, seed=1).batch(3)
    assert not torch.equal(batch["color"], other["color"])


def numbered(n: int, size: int = 8) -> Pairs:
    """Pairs whose every pixel is the pair's number."""
    line = np.arange(n, dtype=np.uint8)[:, None, None].repeat(size, 1).repeat(size, 2)
    return Pairs(line, line[..., None].repeat(3, 3), np.zeros((n, 9, 3), np.float32), tuple(map(str, range(n))))


def seen_in(run: Trainer, step: int) -> list[int]:
    batch = run.batch(step)
    numbers = ((batch["line"][:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
    assert numbers == ((batch["color"][:, 1, 2, 3] + 1) * 127.5).round().int().tolist()  # line and picture as a pair
    return numbers


def test_an_epoch_visits_every_pair_once(tmp_path):
    run = trainer(tmp_path, n_train=12)
    run.pairs = numbered(12)
    epochs = [[n for step in range(3 * e, 3 * e + 3) for n in seen_in(run, step)] for e in range(4)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    first = [tuple(epoch[:4]) for epoch in epochs]
    assert len(set(first)) > 1  # each in its own order


# --- the learning rate ---


def rate(config: Config, step: int) -> float:
    return Trainer.learning_rate(SimpleNamespace(config=config, step=step))


def test_the_schedule_is_torchs_step_lr():
    config = tiny(lr_step_epochs=3, lr_gamma=0.3)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.3)
    for epoch in range(10):
        for step in range(epoch * config.steps_per_epoch, (epoch + 1) * config.steps_per_epoch):
            assert rate(config, step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        schedule.step()


def test_the_optimisers_get_the_rate_of_their_step(tmp_path):
    run = trainer(tmp_path, lr_step_epochs=1)
    run.step = 2
    run.train_step(run.batch(2))
    for optimizer in run.optimizers.values():
        assert optimizer.param_groups[0]["lr"] == 1e-4
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.99)


# --- stopped and resumed ---


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, drawings):
    """Six steps in one go: three epochs; crop, flip, noise and warps on."""
    return train(tiny(), tmp_path_factory.mktemp("runs") / "whole")


def test_stopped_and_resumed_is_undisturbed(tmp_path, undisturbed):
    train(tiny(steps=3), tmp_path / "run")
    with open(tmp_path / "run" / "metrics.csv", "a") as file:
        file.write("4,1.2")  # a row that was cut short
    torch.manual_seed(123)  # whatever happened in between
    assert train(tiny(), tmp_path / "run", resume=True) == tmp_path / "run"
    assert_same_run(tmp_path / "run", undisturbed)
    assert read_checkpoint(undisturbed / LAST)[:2] == (tiny(), 6)


def test_a_finished_run_stays_as_it_is_and_says_so(undisturbed, capsys):
    held = {name: (undisturbed / name).read_bytes() for name in ("config.json", "metrics.csv", LAST)}
    train(tiny(steps=5), undisturbed, resume=True)
    assert {name: (undisturbed / name).read_bytes() for name in held} == held
    assert "trained to step 6 already" in capsys.readouterr().out


def test_the_comparison_would_notice_another_seed_and_other_references(tmp_path, undisturbed):
    b = tensors_of(undisturbed)
    for change in (dict(seed=1), dict(train_reference="self")):
        a = tensors_of(train(tiny(**change, steps=2), tmp_path / [*change][0]))
        assert not any(torch.equal(a[key], b[key]) for key in a if key.endswith("conv1.weight"))
    scales = [value for key, value in b.items() if key.startswith("generator.noise")]
    assert scales and all(scale.abs().min() > 0 for scale in scales)  # noise did take part


def test_killed_before_its_first_checkpoint_a_run_begins_again(tmp_path, undisturbed, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        at_call(patch, "adversarial_loss", 2, Mock(side_effect=SystemExit))  # between the two updates
        train(tiny(), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [1]
    train(tiny(), tmp_path / "run")
    assert_same_run(tmp_path / "run", undisturbed)


def interrupted(monkeypatch, folder, times):
    def interrupt(function, args):
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        return function(*args)

    before = signal.getsignal(signal.SIGINT)
    try:
        with monkeypatch.context() as patch:
            at_call(patch, "adversarial_loss", 2, interrupt)  # the discriminator is a step ahead here
            train(tiny(), folder)
    finally:
        assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_after_the_step_and_saves_and_a_second_does_not_wait(tmp_path, undisturbed, monkeypatch, capsys):
    interrupted(monkeypatch, tmp_path / "run", 1)
    assert "stopped at step 2" in capsys.readouterr().out
    assert read_checkpoint(tmp_path / "run" / LAST)[1] == 2
    train(tiny(), tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", undisturbed)
    with pytest.raises(KeyboardInterrupt):
        interrupted(monkeypatch, tmp_path / "other", 2)
    assert not (tmp_path / "other" / LAST).exists()


MANY_LIVES = """
import os
import signal
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lineart import losses
from lineart.data import sets as data
data.CACHE = Path(sys.argv[2])
from test_training import LAST, tiny, train
loss, run = losses.adversarial_loss, Path(sys.argv[3])

def live(steps):
    def deadly(*args):
        nonlocal steps
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss(*args)
    losses.adversarial_loss = deadly
    train(tiny(steps=40, checkpoint_every=2), run, resume=(run / LAST).exists())
    os._exit(0)

for steps in map(int, sys.argv[4:]):
    child = os.fork() or live(steps)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_killed_ten_times_it_ends_as_undisturbed(tmp_path, drawings):
    """kill -9 between the two updates of a step, at ten random steps of one training, each in a process of its own."""
    train(tiny(steps=40, checkpoint_every=2), tmp_path / "whole")
    script = tmp_path / "script.py"
    script.write_text(MANY_LIVES)
    lives = [str(n) for n in np.random.default_rng(0).integers(2, 6, 10)] + ["0"]  # steps until death; 0: lives on
    run = [sys.executable, script, ROOT / "tests", drawings, tmp_path / "run", *lives]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=240)
    codes = [line for line in done.stdout.splitlines() if line.lstrip("-").isdigit()]
    assert codes == [str(-signal.SIGKILL)] * 10 + ["0"], done.stdout + done.stderr
    assert steps_of(tmp_path / "run") == list(range(1, 41))
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_the_checkpoint_before_is_kept_and_taken_when_the_last_is_damaged(tmp_path, undisturbed, capsys):
    shutil.copytree(undisturbed, tmp_path / "run")
    last, previous = tmp_path / "run" / LAST, tmp_path / "run" / PREVIOUS
    assert (read_checkpoint(previous)[1], read_checkpoint(last)[1]) == (3, 6)
    last.write_bytes(last.read_bytes()[:-1000])
    train(tiny(), tmp_path / "run", resume=True)
    assert "going on from previous.safetensors" in capsys.readouterr().out
    assert_same_run(tmp_path / "run", undisturbed)
    assert read_checkpoint(previous)[1] == 3  # the damaged one did not take its place


def test_a_full_disk_leaves_the_last_checkpoint_and_says_what_to_do(tmp_path, undisturbed, monkeypatch):
    shutil.copytree(undisturbed, tmp_path / "run")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(InputError, match="step 9 could not be written .*No space left.* checkpoint is .*step 6"):
            train(tiny(steps=9), tmp_path / "run", resume=True)
    monkeypatch.setattr(Log, "write", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(InputError, match="row or a sample could not be written .*No space left.* is .*step 6"):
        train(tiny(steps=9), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / LAST).read_bytes() == (undisturbed / LAST).read_bytes()
    assert not list((tmp_path / "run").glob("*.tmp"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_too_little_memory_names_the_settings_to_lower(tmp_path, monkeypatch, error):
    at_call(monkeypatch, "adversarial_loss", 5, Mock(side_effect=error))
    with pytest.raises(InputError, match="step 5: lower batch_size, now 4, or size, .* checkpoint is .* of step 3"):
        train(tiny(), tmp_path / "run")


def test_minutes_bring_a_checkpoint_between_the_steps(tmp_path, monkeypatch):
    saved, save = [], Trainer.save
    monkeypatch.setattr(Trainer, "save", lambda self: (saved.append(self.step), save(self)))
    train(tiny(steps=3, checkpoint_every=100, checkpoint_minutes=1e-9), tmp_path / "run")
    assert saved == [1, 2, 3]
    run = trainer(tmp_path, checkpoint_every=100)
    run.step, run.saved = 2, time.monotonic() - 61  # the end of the first epoch, more than a minute after the last save
    assert run.save_is_due()
    run.step = 3
    assert not run.save_is_due()


@pytest.mark.parametrize("change", [dict(learning_rate=0.1), dict(n_train=4), dict(seed=1), dict(augment=False)])
def test_a_resumed_run_keeps_what_decides_what_is_learned(undisturbed, change):
    with pytest.raises(InputError, match=f"{[*change][0]} must be the checkpoint's"):
        train(tiny(**change), undisturbed, resume=True)


def test_a_resumed_run_may_change_how_it_runs(undisturbed):
    train(tiny(log_every=2, sample_every=6, checkpoint_minutes=5.0), undisturbed, resume=True)


@pytest.mark.parametrize(
    ("changes", "options", "named"),
    [
        (dict(precision="half"), {}, "'half'"),
        (dict(batch_size=9), {}, "at most the 8 training pairs, got 9"),
        (dict(devices=3), {}, "3 processes, got 4"),
        ({}, dict(resume=True), "found none at .*last.safetensors"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, changes, options, named):
    if "devices" in changes:
        monkeypatch.setattr(training.Fabric, "launch", lambda self: pytest.fail("processes were started"))
    with pytest.raises(InputError, match=named):
        train(tiny(**changes), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_with_a_run_or_with_other_files_is_refused_and_they_stay(tmp_path, undisturbed):
    (tmp_path / "config.json").write_text('{"mine": 1}')
    (tmp_path / "file").write_text("mine")
    for folder, sentence in (
        (undisturbed, "holds last.safetensors; resume it"),
        (tmp_path, "holds other files"),
        (tmp_path / "file", "or is a file"),
    ):
        before = contents(tmp_path), contents(undisturbed)
        with pytest.raises(InputError, match=sentence):
            train(tiny(), folder)
        assert (contents(tmp_path), contents(undisturbed)) == before


def test_a_folder_has_one_training_at_a_time(tmp_path, monkeypatch):
    def second(function, args):
        with pytest.raises(ValueError, match="trained by one process at a time, another one is at .*run"):
            train(tiny(), tmp_path / "run")
        return function(*args)

    at_call(monkeypatch, "l1_loss", 1, second)
    train(tiny(steps=2), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [1, 2]


def test_what_a_killed_process_left_half_written_goes_and_other_files_stay(tmp_path):
    train(tiny(steps=3), tmp_path / "run")
    for name in ("last.safetensors.7.tmp", "previous.safetensors.7.tmp", "config.json.7.tmp", "my.own.notes.tmp"):
        (tmp_path / "run" / name).write_text("half")
    train(tiny(), tmp_path / "run", resume=True)
    assert [path.name for path in (tmp_path / "run").glob("*.tmp")] == ["my.own.notes.tmp"]


@pytest.mark.parametrize(
    "change",
    [
        dict(width=8),
        dict(attention="gate"),
        dict(noise=False),
        dict(reference="palette"),
        dict(discriminator_width=8),
        dict(levels=3),
    ],
)
def test_another_architecture_is_refused(undisturbed, tmp_path, change):
    name = "depth" if "levels" in change else next(iter(change))
    with pytest.raises(ValueError, match=f"{name} must be the checkpoint's"):
        train(tiny(**change, start_from=str(undisturbed / LAST)), tmp_path / "run")


def test_what_a_run_cannot_go_on_from_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="resume must come with the folder of the run"):
        train(tiny(), resume=True)
    for content in (b'{"size": 32,', b"[]", b"3", b"\xff\xfe"):
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(InputError, match="config.json of a run must hold its settings as JSON, .* does not"):
            runs.config_of(tmp_path)


def test_a_set_smaller_than_asked_for_counts_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "load", lambda config, split, n=None: data.load(config, split, min(n or 8, 8)))
    run = trainer(tmp_path, n_train=1000)
    assert (run.config.n_train, run.config.steps_per_epoch) == (8, 2)
    assert len(run.batch(5)["line"]) == 4  # of the third epoch; of 250 steps only two would have had drawings


# --- losses that are not finite ---


def not_a_number(function, args):
    return function(*args) * float("nan")


def test_nan_stops_the_run_at_its_step(tmp_path, monkeypatch):
    at_call(monkeypatch, "l1_loss", 5, not_a_number)
    with pytest.raises(InputError, match="finite, at step 5 they are .*'l1': nan.* checkpoint is .*last.safetensors"):
        train(tiny(), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4]
    _, step, tensors = read_checkpoint(tmp_path / "run" / LAST)
    assert step == 3 and all(tensor.isfinite().all() for tensor in tensors.values())


def test_nan_between_two_rows_never_reaches_the_checkpoint(tmp_path, monkeypatch):
    at_call(monkeypatch, "l1_loss", 2, not_a_number)
    with pytest.raises(InputError, match="weights must be finite, at step 3 they are not; no checkpoint was"):
        train(tiny(log_every=100, sample_every=100), tmp_path / "run")
    assert not (tmp_path / "run" / LAST).exists()


# --- the rest of a run ---


def test_start_from_takes_the_networks_alone(undisturbed, tmp_path):
    torch.manual_seed(5)
    run = Trainer(tiny(), tmp_path)
    run.restore(undisturbed / LAST, only_networks=True)
    stored = tensors_of(undisturbed)
    states = {f"{name}.{key}": value for name, m in run.raw.items() for key, value in m.state_dict().items()}
    assert run.step == 0 and not run.optimizers["optimizer_g"].state
    assert states.keys() < stored.keys() and all(torch.equal(value, stored[key]) for key, value in states.items())


def test_start_from_a_generator_alone_takes_a_new_discriminator(undisturbed, tmp_path):
    config, step, tensors = read_checkpoint(undisturbed / LAST)
    generator = make_generator(config)
    load_module(generator, tensors, "generator")
    shipped = save_checkpoint(tmp_path / "shipped.safetensors", config, step, {"generator": generator}, half=True)
    torch.manual_seed(5)
    fresh = Trainer(tiny(), tmp_path / "fresh").raw["discriminator"].state_dict()
    torch.manual_seed(5)
    run = Trainer(tiny(), tmp_path / "run")
    run.restore(shipped, only_networks=True)
    for name, value in run.raw["generator"].state_dict().items():
        assert torch.equal(value, tensors[f"generator.{name}"].half().float())
    assert all(torch.equal(value, fresh[name]) for name, value in run.raw["discriminator"].state_dict().items())
    with pytest.raises(InputError, match=r"the checkpoint must hold 'discriminator', it holds \['generator'\]"):
        run.restore(shipped)  # going on with a run needs both
    Trainer(tiny(discriminator_width=8), tmp_path / "wider").restore(shipped, only_networks=True)


def test_validation_psnr(tmp_path):
    run = trainer(tmp_path)
    run.generator = StandIn(lambda line, palette, color: torch.where(color < 0, color + 1 / 127.5, color - 1 / 127.5))
    assert run.sample()["psnr_val"] == pytest.approx(10 * np.log10(255**2), abs=1e-6)  # an error of 1: 48.13 dB
    assert run.generator.training


def test_rows_samples_and_checkpoints_come_when_they_are_due(tmp_path, monkeypatch):
    saved, save = [], Trainer.save
    monkeypatch.setattr(Trainer, "save", lambda self: (saved.append(self.step), save(self)))
    train(tiny(log_every=2, sample_every=3, checkpoint_every=4, steps=7), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [2, 3, 4, 6, 7]
    assert [int(row["step"]) for row in rows_of(tmp_path / "run") if row["psnr_val"]] == [3, 6, 7]
    assert sorted(p.name for p in (tmp_path / "run" / "samples").iterdir()) == [f"step_00000{i}.png" for i in (3, 6, 7)]
    assert saved == [4, 7]


def test_two_runs_begun_at_once_choose_two_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    trainers = [Trainer(tiny(steps=1)) for _ in range(2)]  # both are there before the first has written anything
    assert not (tmp_path / "runs").exists()
    for run in trainers:
        run.run()
    assert trainers[0].folder != trainers[1].folder


SCRIPT = """
import json
import sys
from pathlib import Path
from lineart.config import Config
from lineart.data import sets as data
from lineart.training import train
data.CACHE = Path(sys.argv[1])
train(Config.from_dict(json.loads(sys.argv[3])), sys.argv[2])
"""


def test_two_processes_are_one_run(tmp_path, drawings):
    """They share each batch, so the losses are those of one process; and only one of them writes."""
    config = tiny(steps=2, noise=False, augment=False, train_reference="self")
    train(config, tmp_path / "one")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    settings = json.dumps(config.replace(devices=2).to_dict())
    run = [sys.executable, script, drawings, tmp_path / "two", settings]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert steps_of(tmp_path / "two") == [1, 2] and read_checkpoint(tmp_path / "two" / LAST)[1] == 2
    for one, two in zip(rows_of(tmp_path / "one"), rows_of(tmp_path / "two")):
        numbers = [{name: float(value or 0) for name, value in row.items()} for row in (one, two)]
        assert numbers[1] == pytest.approx(numbers[0], rel=1e-4)


def test_ctrl_c_stops_both_processes_at_one_step(tmp_path, monkeypatch):
    """The signal may come to one of them only; what counts is what all know at a log."""
    run = trainer(tmp_path, log_every=2)
    stop, told = threading.Event(), []
    monkeypatch.setattr(training.Fabric, "world_size", property(lambda self: 2))
    monkeypatch.setattr(training.Fabric, "all_reduce", lambda self, value, reduce_op: told.append(value) or value + 1)
    run.step = 1
    assert not run.must_stop(stop) and not told  # no exchange between the logs
    run.step = 2
    assert run.must_stop(stop) and told == [0.0]  # the other one was told
    stop.set()
    run.step = 3
    assert not run.must_stop(stop) and len(told) == 1  # nor stops one alone, which would leave the other waiting
