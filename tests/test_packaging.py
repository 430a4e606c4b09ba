"""Packaging: requirements by platform, content of the built packages, and use without torch."""

from __future__ import annotations

import ast
import csv
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from imports import LAYERS, PRODUCT, ROOT, all_imports
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDS_GPU_RUNTIME = {("linux", "x86_64"), ("win32", "AMD64")}
PLATFORMS = [
    *NEEDS_GPU_RUNTIME, ("linux", "aarch64"), ("linux", "riscv64"),
    ("darwin", "arm64"), ("darwin", "x86_64"), ("win32", "ARM64"),
    ("win32", "x86"),
]  # fmt: skip
FRAMES = ("pandas", "polars")
DATABASE = {"sqlalchemy", "alembic"}  # MLflow imports them for the database that it writes to by default
SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}


def required(extra: str = "", **environment: str) -> list[Requirement]:
    """The requirements of dlc and of one extra, for an environment."""
    lines = [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else ())]
    found = map(Requirement, lines)
    return [r for r in found if r.marker is None or r.marker.evaluate({"extra": extra, **environment})]


def runtimes(extra: str, system: str, machine: str) -> list[tuple[str, set[str]]]:
    """The required packages of ONNX Runtime on a platform, with their extras."""
    there = required(extra, sys_platform=system, platform_machine=machine, platform_system=SYSTEMS[system])
    return [(r.name, r.extras) for r in there if r.name.startswith("onnxruntime")]


@pytest.mark.parametrize(("system", "machine"), sorted(PLATFORMS))
def test_every_platform_requires_one_onnx_runtime(system: str, machine: str) -> None:
    gpu = (system, machine) in NEEDS_GPU_RUNTIME
    base = [("onnxruntime-gpu" if gpu else "onnxruntime", set())]
    assert runtimes("", system, machine) == runtimes("train", system, machine) == base
    assert runtimes("gpu", system, machine) == [
        *base,
        *([("onnxruntime-gpu", {"cuda", "cudnn"})] if gpu else []),
    ]


def test_all_allowed_releases_use_cuda_13() -> None:
    """Older releases use CUDA 12. With a new release they would install two sets of CUDA libraries."""
    first = {"torch": "2.11", "onnxruntime-gpu": "1.28"}  # with CUDA 13
    there = [*required("train"), *required("gpu", sys_platform="linux", platform_machine="x86_64")]
    floors = {r.name: str(r.specifier) for r in there if r.name == "torch" or r.extras}
    assert floors == {name: f">={version}" for name, version in first.items()}


def test_imported_packages_are_the_required_packages() -> None:
    owners = {p: set(map(without_gpu, of)) for p, of in packages_distributions().items()}
    packages = {
        i.package for i in all_imports(PRODUCT) if i.runs and i.layer is None
    } - sys.stdlib_module_names
    extras = ("train", "text", "vision", "audio", "report", "tensorboard", "mlflow")
    declared = {without_gpu(r.name) for extra in extras for r in required(extra)} - DATABASE
    assert {p for p in packages if not owners[p] & declared} == {*FRAMES}
    assert not declared - {owner for p in packages for owner in owners[p]}


def test_packages_of_frames_are_imported_only_to_answer_frames() -> None:
    """A frame that is given comes from its package, which is installed then. dlc does not require it."""
    found = {(i.package, i.file, i.top) for i in all_imports(PRODUCT) if i.runs and i.package in FRAMES}
    assert found == {(package, "runtime/artifact/answer_frames.py", False) for package in FRAMES}


def without_gpu(distribution: str) -> str:
    """The name of a distribution. The two names of ONNX Runtime become one."""
    return canonicalize_name(distribution).removesuffix("-gpu")


def test_torch_is_required_only_for_training() -> None:
    assert "torch" not in {r.name for r in required()}
    assert "torch" in {r.name for r in required("train")}


def test_tokenizers_are_required_only_for_subwords() -> None:
    assert "tokenizers" not in {r.name for extra in ("", "train") for r in required(extra)}
    assert "tokenizers" in {r.name for r in required("text")}


def test_decoders_of_pictures_and_recordings_are_extras() -> None:
    decoders = {"pillow", "soundfile", "soxr"}
    assert not decoders & {r.name for r in required()}
    assert decoders & {r.name for r in required("vision")} == {"pillow"}
    assert decoders & {r.name for r in required("audio")} == {"soundfile", "soxr"}


def test_versions_agree_everywhere() -> None:
    assert PROJECT["requires-python"] == ">=3.11"
    assert sys.version_info >= (3, 11)
    face = ast.parse((ROOT / "src/dlc/__init__.py").read_text(encoding="utf-8"))
    versions = [
        n.value for n in face.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__version__"
    ]
    assert [ast.literal_eval(v) for v in versions] == [PROJECT["version"]]


# --- the built packages -----------------------------------------------------------------------------------


def run(
    *command: str | Path, cwd: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command without the Python variables of this environment. A failure shows its output."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)), check=False, cwd=cwd, env=clean, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the project as in a fresh clone, including links."""
    copy = tmp_path_factory.mktemp("sources") / "dlc"
    unwanted = shutil.ignore_patterns(
        ".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "runs", "dist", "build"
    )
    return Path(shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted))


@pytest.fixture(scope="session")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive built from the sources, and in `again` the wheel built
    from that archive."""
    folder = tmp_path_factory.mktemp("built")
    builder = folder / "builder"
    run(sys.executable, "-m", "venv", builder)
    run(python(builder), "-m", "pip", "install", "-q", "hatchling>=1.27")
    run(python(builder), "-m", "hatchling", "build", "-d", folder, cwd=sources)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    run(python(builder), "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "again", cwd=unpacked)
    return folder


def python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.slow
def test_the_wheel_holds_the_whole_package_and_no_generic_names(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    found = contents(wheel)
    assert {name.split("/")[0] for name in found} == {"dlc", f"dlc-{PROJECT['version']}.dist-info"}
    code = {
        f"dlc/{file}" if file.split("/")[0] in LAYERS[:3] else file.removeprefix("src/") for file in PRODUCT
    }
    assert code == {name for name in found if name.endswith(".py")}
    read = (
        "compiler/std.dl",
        "compiler/diagnostics/codes/E0203.md",
        "reference/language.md",
        "grammar/dl.lark",
    )
    assert {f"dlc/{file}" for file in (*read, "grammar/tables.json")} <= set(found)
    assert any(name.endswith("/licenses/LICENSE") for name in found)
    assert not [name for name in found if "__pycache__" in name or name.startswith(("tests", "specs"))]


@pytest.mark.slow
def test_the_source_package_builds_the_same_wheel(built: Path) -> None:
    (wheel,), (again,) = built.glob("*.whl"), (built / "again").glob("*.whl")
    assert contents(wheel) == contents(again)
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "specs/iris.dl",
        "tests/test_packaging.py",
        "pyproject.toml",
    } <= names


@pytest.mark.slow
def test_an_editable_install_follows_the_sources(sources: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment)
    run(python(environment), "-m", "pip", "install", "-q", "--no-deps", "-e", sources)
    link_requirements(environment)
    edited = sources / "compiler" / "diagnostics" / "suggest.py"
    edited.write_text(edited.read_text(encoding="utf-8") + "\nEDITED = True\n", encoding="utf-8")
    show = (
        "import dlc.compiler.diagnostics.suggest as s, dlc.runtime, dlc.grammar, importlib.util as u; "
        "print(s.EDITED, s.__file__); "
    )
    generic = "print([n for n in ('compiler', 'runtime', 'grammar', 'src') if u.find_spec(n)])"
    printed = run(python(environment), "-c", show + generic, cwd=tmp_path).stdout.splitlines()
    assert printed[0].startswith("True ")
    assert Path(printed[0].removeprefix("True ")).resolve() == edited.resolve()
    assert printed[1] == "[]"


# --- without torch ----------------------------------------------------------------------------------------


def link_requirements(environment: Path) -> None:
    """Link the installed requirements of dlc without extras into an environment."""
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python(environment), "-c", where).stdout.strip())
    for distribution in requirements():
        for entry in {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            there = packages / entry
            if not there.exists():
                there.symlink_to(Path(str(distribution.locate_file(entry))))


def requirements() -> Iterator[Distribution]:
    """The distributions that dlc requires, including transitive requirements."""
    pending, seen = required(), set()
    while pending:
        requirement = pending.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        distribution = Distribution.from_name(requirement.name)
        yield distribution
        for inner in map(Requirement, distribution.requires or ()):
            extras = requirement.extras or {""}
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                pending.append(inner)


@pytest.fixture(scope="session")
def bare(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with dlc installed from its wheel without extras."""
    environment = tmp_path_factory.mktemp("bare") / "environment"
    run(sys.executable, "-m", "venv", environment)
    link_requirements(environment)
    (wheel,) = built.glob("*.whl")
    run(python(environment), "-m", "pip", "install", "-q", "--no-index", wheel)
    assert run(python(environment), "-c", "import torch", check=False).returncode == 1
    return environment


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, the model trained from it, and a file of rows."""
    from sklearn.datasets import load_iris

    import dlc

    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(ROOT / "specs/iris.dl", folder)
    result = dlc.train(folder / "iris.dl", out=folder / "runs", device="cpu")
    shutil.copy(result.model, folder / "iris.onnx")
    flowers = load_iris()
    with open(folder / "rows.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sepal_length", "sepal_width", "petal_length", "petal_width", "species"])
        writer.writerows(
            [*row, flowers.target_names[kind]] for row, kind in zip(flowers.data, flowers.target, strict=True)
        )
    return folder


def dlc_without_torch(bare: Path, desk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(python(bare).with_name("dlc"), *arguments, cwd=desk, check=False)


WITHOUT_TORCH = [
    ("doctor", "torch is not installed"),
    ("check iris.dl", "no errors in iris.dl: 131 parameters"),
    ("show iris.dl", "dense"),
    ("show iris.dl --weights", "dense.weight"),
    ("show iris.dl --stage syntax", "sepal_length"),
    ("show iris.dl --stage graph", "standardize"),
    ("show iris.dl --stage training", "cross_entropy"),
    ("show iris.dl --stage inference", "softmax"),
    ("show iris.dl --stage onnx", "Gemm"),
    ("show iris.onnx", "builtin(\"iris\")"),
    ("fmt --check iris.dl", ""),
    ("explain E0203", "shapes that do not match"),
    ("doc conv", "Convolution over one to three space axes"),
    ("doc input", "The inputs of the model."),
    ("verify iris.onnx", "iris.onnx answers as torch did"),
    ("predict iris.onnx rows.csv", "species_probabilities.setosa"),
    ("eval iris.onnx rows.csv", "accuracy"),
    ("eval iris.onnx iris", "accuracy"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("command", "says"), WITHOUT_TORCH)
def test_without_torch(bare: Path, desk: Path, command: str, says: str) -> None:
    done = dlc_without_torch(bare, desk, *command.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["train iris.dl", "export iris.dl", "test iris.dl", "show iris.dl --stage torch"]
)
def test_commands_that_need_torch_name_the_extra_to_install(bare: Path, desk: Path, command: str) -> None:
    done = dlc_without_torch(bare, desk, *command.split())
    assert done.returncode == 1
    assert 'pip install "dlc[train]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_python_without_torch(bare: Path, desk: Path) -> None:
    program = (
        "import dlc\n"
        "print(dlc.compile('iris.dl').compiled.name)\n"
        "rows = dict(sepal_length=[5.1], sepal_width=[3.5], petal_length=[1.4], petal_width=[0.2])\n"
        "print(dlc.load('iris.onnx').predict(rows)['species'])\n"
    )
    assert run(python(bare), "-c", program, cwd=desk).stdout.splitlines() == ["iris", "['setosa']"]
