"""Declared and locked dependencies agree; the Makefile guards; nothing of one machine is in the repository."""

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
import tomllib
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


LOCKED = declared("notebooks", "test")


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


def test_every_locked_package_has_hashes():
    assert len(lock_entries()) > 100
    for requirement, hashes in lock_entries():
        assert hashes, f"{requirement.name} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement.name


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


def test_torch_and_torchvision_are_one_release_pair():
    for python in PYTHONS:
        torch, vision = (Version(pins(python)[name][0]) for name in ("torch", "torchvision"))
        assert vision.major == 0 and vision.minor == torch.minor + 15, f"torch {torch} with torchvision {vision}"
        assert vision.micro == torch.micro


def test_lock_can_build_the_package():
    """`pip install --no-build-isolation` takes setuptools from the lock."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    for requirement in map(Requirement, build["requires"]):
        for python in PYTHONS:
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


def test_project_table():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [v for v in ("3.10", "3.11", "3.12", "3.13", "3.14") if v in allowed] == list(PYTHONS)
    assert PROJECT["scripts"] == {"lineart": "lineart.cli:main"} and "dynamic" not in PROJECT
    assert set(EXTRAS) == {"notebooks", "test", "kaggle", "tensorboard"}


def test_every_package_folder_is_declared():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "lineart").rglob("*.py")}
    assert {".".join(folder.parts) for folder in folders} == set(pyproject["tool"]["setuptools"]["packages"])


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
    """And the package trains and evaluates with the core alone: only `reproduce` imports an extra as it is loaded."""
    core = {canonicalize_name(r.name) for r in declared()}
    everything = {canonicalize_name(r.name) for r in declared(*EXTRAS)} | {"setuptools"}
    everything |= {canonicalize_name(path.stem) for path in (ROOT / "benchmarks").glob("*.py")}  # one script imports another
    files = [path for folder in ("lineart", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 1
    undeclared = {str(path.relative_to(ROOT)): imports(path, top_level=False) - everything for path in files}
    assert not {file: names for file, names in undeclared.items() if names}
    trains = [path for path in files if path.is_relative_to(ROOT / "lineart") and path.parent.name != "reproduce"]
    beyond_core = {str(path.relative_to(ROOT)): imports(path, top_level=True) - core for path in trains}
    assert not {file: names for file, names in beyond_core.items() if names}


def test_licence_names_both_licences():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "Copyright (c) 2026 The lineart authors" in text
    assert "WITHOUT WARRANTY OF ANY KIND" in text
    assert "CC BY 4.0" in text and "https://creativecommons.org/licenses/by/4.0/" in text


def test_citation_names_the_software_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert str(citation["version"]) == PROJECT["version"]
    paper = citation["references"][0]
    assert paper["title"] == "Colorization for Line Art Anime with Cross-Attention and GAN ResUnet"
    names = [f"{a['family-names']} {a['given-names']}" for a in paper["authors"]]
    assert names == ["Trang Hoang Khang", "Duong Nguyen Gia Huy", "Dinh Viet Vinh Khanh", "Phan Khanh Bang"]


# Written in pieces, so that this file holds none of them
HOSTS = ["py" + "pi.org", "python" + "hosted.org", "ana" + "conda.org", "ana" + "conda.com",
         "download.py" + "torch.org/whl", "registry.npm" + "js.org"]
FOLDERS = ["home", "Users", "root", "work", "opt"]
FORBIDDEN = re.compile(
    "|".join(re.escape(host) for host in HOSTS)
    # An absolute path: no letter, dot, tilde or slash stands before its first slash
    + r"|(?<![\w./~$})*-])/(?:" + "|".join(FOLDERS) + r")/\w" + r"|[A-Z]:\\+" + "Users" + r"|/tmp/ipy" + "kernel",
)


@pytest.mark.parametrize("text, caught", [
    ("see https://" + HOSTS[0] + "/simple", True), ("from files." + HOSTS[1], True),
    ('"/' + 'home/ann/lineart"', True), ("in C:\\" + "Users\\ann", True), ("/" + "work/main", True),
    ("/tmp/ipy" + "kernel_12/3.py", True),
    ("#!/usr/bin/env bash", False), ("~/work/lineart and ../work/x", False), ("https://example.org/home/x", False),
])
def test_forbidden_pattern(text, caught):
    assert bool(FORBIDDEN.search(text)) == caught


def repository_files() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    return [path for path in (ROOT / os.fsdecode(name) for name in names if name) if path.is_file()]


def test_no_registry_host_and_no_path_of_one_machine():
    files = repository_files()
    assert ROOT / "requirements.txt" in files
    for path in files:
        content = path.read_bytes()
        if b"\0" in content:
            continue  # binary
        text = content.decode("utf-8", errors="replace")
        found = FORBIDDEN.search(text)
        if found:
            line = text.count("\n", 0, found.start()) + 1
            pytest.fail(f"{path.relative_to(ROOT)}, line {line}: {found.group()!r}")
        if len(ROOT.parts) > 2:  # "/app" and the like are words too common to look for
            assert str(ROOT) not in text, f"{path.relative_to(ROOT)} holds the path of this checkout"


@pytest.fixture
def outer_make_forgotten(monkeypatch):
    """Under `make test` the inner make would say that it is one, and which folder it enters."""
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize("answer, found", [("echo 3.10.4", "3.10.4"), ("echo 3.14.0", "3.14.0"), ("exit 1", "none")])
def test_makefile_refuses_a_wrong_python_in_one_sentence(tmp_path, outer_make_forgotten, answer, found):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{answer}\n")
    python.chmod(0o755)
    result = subprocess.run(["make", "env", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True)
    lines = (result.stdout + result.stderr).splitlines()
    assert result.returncode != 0 and not (tmp_path / ".venv").exists()
    assert len(lines) == 1 and f"needs Python 3.11, 3.12 or 3.13, got {found}" in lines[0]


FAKE_PYTHON = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in
    *platform*) echo 3.12.1 ;;
    "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *require-hashes*) test ! -e broken ;;
esac
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_makefile_redoes_an_interrupted_install_and_no_other(tmp_path, outer_make_forgotten, monkeypatch):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml", "broken"):
        (tmp_path / name).touch()
    log, python = tmp_path / "log", tmp_path / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    monkeypatch.setenv("LOG", str(log))

    def installs() -> tuple[int, int, int]:
        """The exit status of `make env`, and how often it made an environment and installed the package."""
        log.write_text("")
        code = subprocess.run(["make", "env", f"PYTHON={python}"], cwd=tmp_path, capture_output=True).returncode
        return code, log.read_text().count("-m venv"), log.read_text().count("-e .")

    assert installs() == (2, 1, 0)  # pip fails: no stamp
    assert not (tmp_path / ".venv/.ready").exists()
    (tmp_path / "broken").unlink()
    assert installs() == (0, 1, 1)  # so everything is made again
    assert installs() == (0, 0, 0)  # and then nothing
    os.utime(tmp_path / "requirements.txt", (2**31 - 1, 2**31 - 1))
    (tmp_path / "broken").touch()
    assert installs() == (2, 0, 0)  # a new lock: the environment is brought up to date, and that fails
    (tmp_path / "broken").unlink()
    assert installs() == (0, 1, 1)  # so it is not believed
