"""Dependencies, declared and locked, agree; a wheel works alone; the Makefile guards; nothing is of one machine."""

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}


def declared(*extras: str) -> list[Requirement]:
    """The direct dependencies: the core's, then those of the extras."""
    return [Requirement(line) for group in (PROJECT["dependencies"], *(EXTRAS[e] for e in extras)) for line in group]


LOCKED = declared("notebooks", "test", "studio", "site", "hub")


@functools.cache
def lock_entries() -> list[tuple[Requirement, list[str]]]:
    """Every (requirement, hashes) of requirements.txt."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and line.lstrip()[:1] != "#"]
    return [(Requirement(line.split(" --hash=")[0].strip()), re.findall(r"--hash=(\S+)", line)) for line in lines]


@functools.cache
def pins(python: str, platform: str = "linux") -> dict[str, list[str]]:
    """{canonical name: versions} that the lock installs for a Python and a platform; more than one contradict."""
    environment = PLATFORMS[platform] | {"python_version": python, "python_full_version": f"{python}.9"}
    found: dict[str, list[str]] = {}
    for requirement, _ in lock_entries():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), f"not one exact version: {requirement}"
            found.setdefault(canonicalize_name(requirement.name), []).append(str(requirement.specifier)[2:])
    return found


def test_every_locked_package_has_hashes_and_its_pythons_are_those_that_the_project_allows():
    assert len(lock_entries()) > 100
    for requirement, hashes in lock_entries():
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement.name
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [v for v in ("3.10", "3.11", "3.12", "3.13", "3.14") if v in allowed] == list(PYTHONS)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_lock_has_one_version_of_each_dependency_within_its_range(python, platform):
    locked = pins(python, platform)
    for name, versions in locked.items():
        assert len(versions) == 1, f"{name}: {versions}"
    for requirement in LOCKED:
        version = locked.get(canonicalize_name(requirement.name), ["none"])[0]
        assert version != "none", f"{requirement.name} is not locked for Python {python} on {platform}"
        assert requirement.specifier.contains(version), f"{requirement} excludes the locked {version}"


@pytest.mark.parametrize("python", PYTHONS)
def test_torch_and_torchvision_are_one_release_pair_and_the_lock_can_build_the_package(python):
    torch, vision = (Version(pins(python)[name][0]) for name in ("torch", "torchvision"))
    assert (vision.major, vision.minor, vision.micro) == (0, torch.minor + 15, torch.micro)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    for requirement in map(Requirement, build["requires"]):  # `--no-build-isolation` takes setuptools from the lock
        assert requirement.specifier.contains(pins(python)[requirement.name][0])


def test_environment_yml_has_the_pins_of_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"][0] == "conda-forge"
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    python = next(entry.partition("=")[2] for entry in conda if entry.startswith("python="))
    assert python in PYTHONS and "pip" in conda
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert "-e ." in pip
    repeated = {canonicalize_name(r.name): str(r.specifier) for r in map(Requirement, set(pip) - {"-e ."})}
    assert repeated == {n: f"=={pins(python)[n][0]}" for n in (canonicalize_name(r.name) for r in LOCKED)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing of an earlier build is in it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("lineart", "data"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    options = "--quiet --no-index --no-build-isolation --no-deps --wheel-dir".split()
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, folder, folder / "source"], check=True)
    return next(folder.glob("*.whl"))


def test_a_wheel_holds_the_package_and_what_it_needs_of_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [*(ROOT / "lineart").rglob("*.py"), *(ROOT / "lineart" / "studio" / "page").iterdir()]
    assert names >= {path.relative_to(ROOT).as_posix() for path in files}
    assert wheel.stat().st_size < 25 * 10**6
    cards = [json.loads((ROOT / "data" / "pretrained" / f"{data}.json").read_text()) for data in ("toon", "faces")]
    assert {Path(name).stem for name in names if name.endswith(".safetensors")} == {card["best"] for card in cards}


ALONE = """
import lineart, numpy, sys
from PIL import Image
from lineart.config import Config
from lineart.data.references import list_path, read_list
from lineart.evaluation.paper import paper_table

assert lineart.__file__.startswith(sys.prefix), lineart.__file__
reference = Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=numpy.uint8))
assert lineart.extract_palette(reference).shape == (9, 3)
line = lineart.extract_lines(reference)
line.save("line.png"), reference.save("reference.png")
colorizer = lineart.Colorizer.from_pretrained("toon")
assert colorizer.colorize(line, reference).size == colorizer.colorize(line, palette=[(255, 0, 0)]).size == (64, 64)
assert read_list(list_path("toon", 256, 0)) is not None and len(paper_table()) == 8
print(lineart.train(Config.from_profile("smoke", steps=2)))
"""


def test_an_installed_wheel_works_where_there_is_no_clone(wheel, tmp_path):
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    venv.create(environment, symlinks=True)
    python, paths = environment / "bin" / "python", {"base": str(environment), "platbase": str(environment)}
    # The libraries of this environment, without its own lineart: of a folder named here no .pth file is read
    Path(sysconfig.get_path("purelib", vars=paths), "libraries.pth").write_text(sysconfig.get_path("purelib"))
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run([sys.executable, *install], check=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LINEART"))}
    run = functools.partial(subprocess.run, cwd=empty, env=clean, check=True, capture_output=True, text=True)
    folder = Path(run([python, "-c", ALONE]).stdout.splitlines()[-1])
    assert folder.is_relative_to(empty / "runs") and (folder / "last.safetensors").is_file()
    words = ["colorize", "line.png", "--reference", "reference.png", "--out", "out", "--as-is"]
    run([environment / "bin" / "lineart", *words])
    assert (empty / "out" / "line.png").is_file()


distributions = functools.cache(metadata.packages_distributions)  # a second and more


def imports(path: Path, *, top_level: bool) -> set[str]:
    """Distributions outside the standard library and this repository that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules: set[str] = set()
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module.partition(".")[0])
    own = {"lineart", "benchmarks", "tests"} | {p.stem for p in path.parent.glob("*.py")}
    modules -= set(sys.stdlib_module_names) | own
    return {canonicalize_name(distributions().get(module, [module])[0]) for module in modules}


def test_every_import_is_declared():
    """And the package trains and evaluates with the core alone: only the course imports an extra as it is loaded."""
    core = {canonicalize_name(r.name) for r in declared()}
    everything = {canonicalize_name(r.name) for r in declared(*EXTRAS)} | {"setuptools"}
    scripts = [path for folder in ("benchmarks", "site") for path in (ROOT / folder).glob("*.py")]
    everything |= {canonicalize_name(path.stem) for path in scripts}  # each other
    files = [path for folder in ("lineart", "tests") for path in sorted((ROOT / folder).rglob("*.py"))] + scripts
    assert len(files) > 1
    undeclared = {str(path.relative_to(ROOT)): imports(path, top_level=False) - everything for path in files}
    assert not {file: names for file, names in undeclared.items() if names}
    trains = [path for path in files if path.is_relative_to(ROOT / "lineart") and path.parent.name != "course"]
    beyond_core = {str(path.relative_to(ROOT)): imports(path, top_level=True) - core for path in trains}
    assert not {file: names for file, names in beyond_core.items() if names}


def test_licence_and_citation():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "https://creativecommons.org/licenses/by/4.0/" in text
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert str(citation["version"]) == PROJECT["version"]
    paper = citation["references"][0]
    assert paper["title"] == "Colorization for Line Art Anime with Cross-Attention and GAN ResUnet"
    names = [f"{author['family-names']} {author['given-names']}" for author in paper["authors"]]
    assert names == ["Trang Hoang Khang", "Duong Nguyen Gia Huy", "Dinh Viet Vinh Khanh", "Phan Khanh Bang"]


# Written in pieces, so that this file holds none of them
HOSTS = [
    first + rest
    for first, rest in (("py", "pi.org"), ("python", "hosted.org"), ("ana", "conda.org"), ("ana", "conda.com"))
]
HOSTS += ["download.py" + "torch.org/whl", "registry.npm" + "js.org"]
PATTERNS = [
    *map(re.escape, HOSTS),
    # An absolute path: no letter, dot, tilde or slash stands before its first slash
    r"(?<![\w./~$})*-])/(?:home|Users|root|work|opt)/\w",
    r"[A-Z]:\\+" + "Users",
    "/tmp/ipy" + "kernel",
]
FORBIDDEN = re.compile("|".join(PATTERNS))


def test_forbidden_pattern():
    caught = [
        "https://" + HOSTS[0],
        "files." + HOSTS[1],
        '"/' + 'home/ann/x"',
        "C:\\" + "Users\\ann",
        "/" + "work/main",
    ]
    passed = ["#!/usr/bin/env bash", "~/work/lineart and ../work/x", "https://example.org/home/x"]
    assert all(map(FORBIDDEN.search, caught)) and not any(map(FORBIDDEN.search, passed))


def test_no_registry_host_and_no_path_of_one_machine():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    assert "requirements.txt" in names
    for path in [ROOT / name for name in names if (ROOT / name).is_file()]:
        content = path.read_bytes()
        if b"\0" in content:
            continue  # binary
        text = content.decode("utf-8", errors="replace")
        assert not (found := FORBIDDEN.search(text)), f"{path.relative_to(ROOT)}: {found.group()!r}"
        if len(ROOT.parts) > 2:  # "/app" and the like are words too common to look for
            assert str(ROOT) not in text, f"{path.relative_to(ROOT)} holds the path of this checkout"


@pytest.fixture
def make_env(tmp_path, monkeypatch):
    """`make env` in a folder of its own, with a script for a Python."""
    if shutil.which("make") is None:
        pytest.skip("no make")
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"):  # of the make that runs the tests
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()

    def run(script: str, *words: str) -> subprocess.CompletedProcess:
        (tmp_path / "python").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "python").chmod(0o755)
        command = ["make", *(words or ["env"]), f"PYTHON={tmp_path / 'python'}"]
        return subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return run


@pytest.mark.parametrize("answer, found", [("echo 3.10.4", "3.10.4"), ("echo 3.14.0", "3.14.0"), ("exit 1", "none")])
def test_makefile_refuses_a_wrong_python_in_one_sentence(make_env, tmp_path, answer, found):
    result = make_env(answer)
    assert result.returncode != 0 and not (tmp_path / ".venv").exists()
    assert result.stdout.count("\n") == 1 and f"got {found}" in result.stdout


FAKE_PYTHON = """
echo "$@" >> "$LOG"
case "$*" in
    *platform*) echo 3.12.1 ;;
    "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *require-hashes*) test ! -e broken ;;
esac
"""


def test_makefile_redoes_an_interrupted_install_and_no_other(make_env, tmp_path):
    def installs() -> tuple[int, int, int]:
        """The exit status of `make env`, and how often it made an environment and installed the package."""
        log = tmp_path / "log"
        log.write_text("")
        code = make_env(FAKE_PYTHON).returncode
        return code, log.read_text().count("-m venv"), log.read_text().count("-e .")

    (tmp_path / "broken").touch()
    assert installs() == (2, 1, 0)  # pip fails: no stamp
    (tmp_path / "broken").unlink()
    assert installs() == (0, 1, 1)  # so everything is made again
    assert installs() == (0, 0, 0)  # and then nothing
    os.utime(tmp_path / "requirements.txt", (2**31 - 1, 2**31 - 1))
    (tmp_path / "broken").touch()
    assert installs() == (2, 0, 0)  # a new lock: the environment is brought up to date, and that fails
    (tmp_path / "broken").unlink()
    assert installs() == (0, 1, 1)  # so it is not believed


def test_thirty_machines_need_one_download(make_env, tmp_path):
    """The same lock goes into the folder and comes out of it; without a network pip is not even told of an index."""
    wheels = tmp_path / "on a stick"
    assert make_env(FAKE_PYTHON, "wheelhouse", f"WHEELS={wheels}").returncode == 0
    (line,) = [line for line in (tmp_path / "log").read_text().splitlines() if "pip download" in line]
    assert "--require-hashes -r requirements.txt" in line and f"--dest {wheels}" in line
    result = make_env(FAKE_PYTHON, "env", f"WHEELS={wheels}")
    assert result.returncode != 0 and f"got {wheels}" in result.stdout
    wheels.mkdir()
    assert make_env(FAKE_PYTHON, "env", f"WHEELS={wheels}").returncode == 0
    (line,) = [
        line for line in (tmp_path / "log").read_text().splitlines() if "pip install" in line and "hashes" in line
    ]
    assert f"--no-index --find-links {wheels} --require-hashes" in line
