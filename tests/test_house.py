"""Architecture rules, checked on the code: direction of imports, placement of heavy imports, length of files,
and access to files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import import_module
from typing import TYPE_CHECKING

from imports import LAYERS, PRODUCT, ROOT, all_imports, files, imports, walk

from dlc.compiler.diagnostics.codes import codes
from dlc.compiler.operators.base import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imports import Import

MAX_LINES = 400
# The folders of the compiler. Each may import itself and the folders before it.
FOLDERS = (
    "diagnostics", "dims", "definitions", "operators", "parse", "ir", "format", "training", "passes",
    "differences", "elaborate", "lower",
)  # fmt: skip
HEAVY = {
    "torch",
    "numpy",
    "onnx",
    "onnx_ir",
    "onnxruntime",
    "ml_dtypes",
    "sklearn",
    "pyarrow",
    "safetensors",
    "rich",
    "sacrebleu",
}
LOWERING = ("compiler/lower/", "compiler/passes/folding.py")  # may import torch, ONNX and NumPy
UNSAFE_MODULES = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "__import__", "torch.load"}
# Functions that open a file by its path.
OPENERS = {
    "io.FileIO",
    "np.load",
    "onnx.load",
    "json.load",
    "onnx_ir.load",
    "torch.load",
    "urlopen",
    "mmap.mmap",
    "mmap",
}
METHODS = {
    "open", "fdopen", "open_code", "read_text", "read_bytes", "open_text", "open_binary",
    "ZipFile", "GzipFile", "BZ2File", "LZMAFile", "TarFile", "fromfile", "memmap", "loadtxt", "genfromtxt",
    "load_file", "safe_open", "InferenceSession", "ParquetFile", "read_table", "read_csv", "input_stream",
    "memory_map", "OSFile", "load_model",
}  # fmt: skip
# Files that open an object other than a given path, or a path that was checked before.
OTHER_OPENERS = {
    "compiler/tensor_files.py": {"archive.open", "zipfile.ZipFile"},  # an open file
    "grammar/__init__.py": {"open"},  # its own tables; it cannot import the compiler
    "runtime/artifact/model_scan.py": {"mmap.mmap"},  # an open file
    "runtime/artifact/digest.py": {"mmap", "open"},  # an open file, and the artifact that is written
    "runtime/artifact/session.py": {"onnxruntime.InferenceSession"},  # checked by `model_scan.scan`
    "runtime/data/files/pictures.py": {"Image.open"},  # an open file
    "runtime/data/locations/location.py": {"pa.OSFile"},
    "runtime/data/locations/remote.py": {"self.open"},  # a file at a URL
    "runtime/data/source.py": {"location.open"},  # checked by `locations.location`
    "runtime/data/sources/csv.py": {"arrow_csv.read_csv"},  # bytes
    "runtime/data/sources/idx.py": {"gzip.open"},  # an open file
    "runtime/data/sources/npz.py": {"archive.open", "zipfile.ZipFile"},  # an open file
    "runtime/data/sources/parquet.py": {"parquet.ParquetFile"},  # an open file
    "runtime/data/sources/parquet_pages.py": {"location.open"},
    "runtime/data/sources/tables.py": {"ParquetFile"},  # the class of dlc
    "runtime/files.py": {"os.open"},  # files that dlc wrote, and folders, to have them on the disk
    "runtime/report/shown_rows.py": {"Image.open"},  # bytes
    "runtime/loaded_tensors.py": {"archive.open", "zipfile.ZipFile"},  # an open file
    "runtime/weight_files.py": {"safe_open"},
}
NO_READING_IMPORT = {
    "grammar/__init__.py",
    "runtime/report/shown_rows.py",
    "runtime/artifact/session.py",
    *(f"runtime/data/sources/{name}.py" for name in ("csv", "parquet", "parquet_pages", "tables")),
}
# Files whose functions may have unused parameters, because they share a signature.
SHARED_SIGNATURES = {
    "forms of definitions": (
        "compiler/operators/",
        "compiler/training/",
        "compiler/definitions/initializers.py",
    ),
    "kinds of answers": ("compiler/output_kinds.py",),
    "lints, listeners and kinds of findings": (
        "runtime/lints/",
        "runtime/logs/",
        "runtime/diagnosis/",
        "runtime/training/progress.py",
        "runtime/run_writer.py",
    ),
    "kinds of findings": ("runtime/diagnosis/",),
    "callbacks": ("runtime/training/interrupt.py", "src/dlc/cli/__init__.py"),
}
# Packages of definitions, and functions that check a class.
DEFINITIONS = ("dlc.compiler.operators.", "dlc.compiler.training.")
KIND_CHECKS = {"isinstance", "issubclass"}
# Files that import modules by names from their own tables.
BY_NAME = ("src/dlc/__init__.py", "src/dlc/cli/__init__.py")


def calls(file: str) -> list[ast.Call]:
    return [node for node in walk(file) if isinstance(node, ast.Call)]


def test_every_layer_is_scanned() -> None:
    assert {file.split("/")[0] for file in PRODUCT} == set(LAYERS)
    assert not [file for file in PRODUCT if file.startswith("src/dlc/compiler")]
    assert [i for i in all_imports(PRODUCT) if i.package == "torch" and i.top]
    assert [i for i in all_imports(PRODUCT) if i.layer == "compiler" and not i.runs]


def test_imports_are_absolute() -> None:
    assert not [i for i in all_imports(PRODUCT) if i.module.startswith(".")]


def test_imports_go_one_way() -> None:
    for place, folder in enumerate(LAYERS):
        known = LAYERS[: place + 1]
        assert not [i for i in all_imports(files(folder)) if i.layer and i.layer not in known]


def test_folders_of_the_compiler_import_in_one_order() -> None:
    for place, folder in enumerate(FOLDERS):
        above = {f"dlc.compiler.{later}" for later in FOLDERS[place + 1 :]}
        found = all_imports(files(f"compiler/{folder}"))
        assert not [i for i in found if ".".join(i.module.split(".")[:3]) in above]


def test_every_folder_of_the_compiler_has_its_place_in_the_order() -> None:
    assert {path.parent.name for path in (ROOT / "compiler").glob("*/__init__.py")} == set(FOLDERS)


def test_no_folder_of_the_compiler_or_the_runtime_is_in_a_circle() -> None:
    """A file outside of the folders counts as a folder."""
    order = TopologicalSorter()
    for module, found in all_imported().items():
        order.add(entry_of(module), *({entry_of(name) for name in found} - {entry_of(module)}))
    order.prepare()


def entry_of(module: str) -> str:
    """The folder or file of the compiler or the runtime that contains a module, or the layer of others."""
    parts = [*module.split("."), ""]
    if parts[1] in ("compiler", "runtime"):
        return ".".join(parts[:3])
    return parts[1] if parts[1] in LAYERS else "src"


def test_files_do_not_import_each_other_in_a_circle() -> None:
    """Imports within functions and type-checking imports are included."""
    TopologicalSorter(all_imported()).prepare()


def test_packages_do_not_need_each_other_to_start() -> None:
    """The `__init__` of a package runs before its modules."""
    order = TopologicalSorter()
    for module, found in all_imported(lambda i: i.runs and i.top).items():
        order.add(module, *found, *packages_above(found) - packages_above({module}) - {module})
    order.prepare()


def all_imported(counts: Callable[[Import], bool] = lambda _: True) -> dict[str, set[str]]:
    """The modules that each module of the product imports, by the imports for which `counts` is true."""
    modules = {module_of(file): file for file in PRODUCT}
    named = {
        module: [i.module for i in imports(file) if i.layer and counts(i)] for module, file in modules.items()
    }
    return {
        module: {name if name in modules else name.rpartition(".")[0] for name in found} - {module}
        for module, found in named.items()
    }


def packages_above(modules: Iterable[str]) -> set[str]:
    """The packages whose `__init__` runs before one of the modules."""
    parts = [name.split(".") for name in modules]
    return {".".join(of[:end]) for of in parts for end in range(2, len(of))}


def module_of(file: str) -> str:
    parts = file.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(parts if parts[0] == "dlc" else ["dlc", *parts])


def test_heavy_packages_are_imported_where_they_are_used() -> None:
    light = [f for f in files("grammar", "compiler", "src") if not f.startswith(LOWERING)]
    assert not [i for i in all_imports(light) if i.runs and i.top and i.package in HEAVY]


def test_importing_the_compiler_and_the_commands_is_light() -> None:
    program = "import sys, dlc, dlc.compiler, dlc.cli; print(*{m.split('.')[0] for m in sys.modules})"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "dlc" in run.stdout.split()
    assert not HEAVY & set(run.stdout.split())


def test_no_file_is_long() -> None:
    lines = {file: (ROOT / file).read_text(encoding="utf-8").count("\n") for file in PRODUCT}
    assert not {file: count for file, count in lines.items() if count > MAX_LINES}


def test_untrusted_files_cannot_run_code() -> None:
    """Specs, data files and artifacts are untrusted: no pickle, no `eval`, no imports that they choose."""
    assert not [i for i in all_imports(PRODUCT) if i.package in UNSAFE_MODULES]
    for file in PRODUCT:
        named = {ast.unparse(call.func): call.lineno for call in calls(file)}
        assert not UNSAFE_CALLS & set(named), file
        assert file in BY_NAME or not {"import_module", "importlib.import_module"} & set(named), file
        keywords = [k for call in calls(file) for k in call.keywords if k.arg == "allow_pickle"]
        assert all(ast.unparse(k.value) == "False" for k in keywords), file


def test_files_are_opened_for_reading_in_one_place() -> None:
    """A path may be a pipe, a device or an endless file, which only `compiler/reading.py` checks. A library
    that opens a path itself is listed with the file that checks the path first."""
    found: dict[str, set[str]] = {}
    for file in PRODUCT:
        opening = {ast.unparse(call.func) for call in calls(file) if opens(call)}
        if opening and file != "compiler/reading.py":
            found[file] = opening
    assert found == OTHER_OPENERS
    for file in OTHER_OPENERS.keys() - NO_READING_IMPORT:
        assert any(i.module == "dlc.compiler.reading" for i in imports(file)), file


def opens(call: ast.Call) -> bool:
    """Whether a call may open a file for reading."""
    name = ast.unparse(call.func)
    modes = [a.value for a in (*call.args, *(k.value for k in call.keywords if k.arg == "mode"))
             if isinstance(a, ast.Constant) and isinstance(a.value, str)]  # fmt: skip
    writes = any(re.fullmatch(r"[waxbt]+", mode) for mode in modes)
    known = name in OPENERS or name.rpartition(".")[2] in METHODS
    return known and not writes and not name.startswith("reading.")


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    texts = [(ROOT / file).read_text(encoding="utf-8") for file in PRODUCT]
    assert {code for text in texts for code in re.findall(r"\"([EW]\d{4})\"", text)} == set(codes())


def test_only_diagrams_read_the_group_of_an_operator() -> None:
    def asks(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and ast.unparse(node).endswith("operator.group")

    asking = {file for file in PRODUCT if any(map(asks, walk(file)))}
    assert asking == {"src/dlc/show/diagram.py"}


def test_only_definitions_check_the_class_of_an_operator() -> None:
    """Passes read properties of `Operator` instead."""
    defining = ("compiler/operators/", "compiler/training/")
    asking = [file for file in PRODUCT if not file.startswith(defining)]
    assert not {file: found for file in asking if (found := asked_classes(file))}


def asked_classes(file: str) -> set[str]:
    """The operator classes that a file checks with `isinstance`, `match` or `type`."""
    imported = (i.module.rpartition(".") for i in imports(file) if i.module.startswith(DEFINITIONS))
    classes = {name for module, _, name in imported if is_operator(module, name)}
    checked: list[ast.expr] = [c.args[1] for c in calls(file) if ast.unparse(c.func) in KIND_CHECKS]
    checked += [node.cls for node in walk(file) if isinstance(node, ast.MatchClass)]
    checked += [node for node in walk(file) if isinstance(node, ast.Compare) and "type(" in ast.unparse(node)]
    return {part for expr in checked for n in ast.walk(expr) if (part := ast.unparse(n)) in classes}


def is_operator(module: str, name: str) -> bool:
    found = getattr(import_module(module), name, None)
    return isinstance(found, type) and issubclass(found, Operator) and found is not Operator


def documented_folders() -> dict[str, set[str]]:
    """The names in the folder list of `docs/architecture.md`, by folder."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```text\n(grammar/.*?)```", page, re.DOTALL)
    found: dict[str, set[str]] = {}
    within: list[str] = []
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.findall(r"[\w./]*\w", line[: line.find("  ", 2 * depth)])
        folder = "/".join(within[:depth])
        found.setdefault(folder, set()).update(name.removesuffix(".dl") for name in names)
        within = [*within[:depth], names[-1]]
    return found


def test_the_architecture_page_lists_every_part_of_the_compiler_and_of_the_runtime() -> None:
    for folder in ("compiler", "runtime"):
        parts = {path.stem for path in (ROOT / folder).iterdir()} - {"__init__", "__pycache__"}
        assert sorted(parts - documented_folders()[folder]) == [], folder


def test_the_entries_of_the_architecture_page_exist() -> None:
    for folder, names in documented_folders().items():
        there = {path.stem for path in (ROOT / folder).iterdir()} | {"src/dlc"}
        assert sorted(names - there) == [], folder


def test_every_parameter_is_read() -> None:
    alike = tuple(start for starts in SHARED_SIGNATURES.values() for start in starts)
    read = [file for file in PRODUCT if not file.startswith(alike)]
    functions = [(file, node) for file in read for node in walk(file) if isinstance(node, ast.FunctionDef)]
    assert [found for file, node in functions if (found := (file, node.name, *unread(node)))[2:]] == []


def unread(function: ast.FunctionDef) -> list[str]:
    """The unused parameters of a function with a body of its own."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    *before, last = function.body
    if all(isinstance(n, ast.Expr) for n in before) and isinstance(last, (ast.Expr, ast.Raise, ast.Return)):
        return []
    inside = {node.id for part in function.body for node in ast.walk(part) if isinstance(node, ast.Name)}
    return [name for name in names if name not in inside | {"self", "cls"}]


def test_annotations_are_not_evaluated() -> None:
    defining = (ast.FunctionDef, ast.ClassDef, ast.AnnAssign)
    define = [file for file in PRODUCT if any(isinstance(node, defining) for node in walk(file))]
    assert not [f for f in define if not any(i.module == "__future__.annotations" for i in imports(f))]


def test_names_of_classes_are_unique() -> None:
    """The nodes of the syntax tree are not counted: they are always written as `syntax.Input`."""
    homes: dict[str, list[str]] = {}
    for file in PRODUCT:
        for node in walk(file) if file != "compiler/syntax.py" else ():
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(file)
    assert not {name: found for name, found in homes.items() if len(found) > 1}


def test_few_files_of_the_compiler_stand_outside_of_its_folders() -> None:
    assert len([*(ROOT / "compiler").glob("*.py")]) <= 12


def test_the_emitter_stays_small() -> None:
    emitter = files("compiler/lower/pytorch_source")
    assert sum(len((ROOT / file).read_text("utf-8").splitlines()) for file in emitter) <= 2200
