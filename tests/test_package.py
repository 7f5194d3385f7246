import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fer

ROOT = Path(__file__).parents[1]
#: The only places that may import these.
HOMES = {
    "cv2": ("fer/vision/", "fer/training/augmentation.py"),
    "matplotlib": (
        "fer/plotting.py",
        "fer/evaluation/plots.py",
        "fer/training/curves.py",
        "fer/reports/timeline_plot.py",
    ),
    "gradio": ("gradio_app.py",),
}


def list_modules():
    return sorted([*(ROOT / "fer").rglob("*.py"), ROOT / "tasks.py", ROOT / "gradio_app.py"])


def read_imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", list_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_are_imported_only_in_their_modules(path):
    place = path.relative_to(ROOT).as_posix()
    for name in read_imports(path):
        for library, homes in HOMES.items():
            if name.partition(".")[0] == library:
                assert place.startswith(homes), f"{place} imports {name}"


def test_public_names():
    assert fer.__all__ == ["EXPRESSIONS", "Analyzer", "Classifier", "Face", "FerError"]
    assert all(hasattr(fer, name) for name in fer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fer.nothing
    assert fer.EXPRESSIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def run_python(script, **environment):
    import os

    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=kept | environment, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


def test_import_touches_no_library_and_chooses_jax_only_where_nothing_else_did():
    script = (
        "import sys, os, fer; heavy = {'keras', 'jax', 'numpy', 'cv2', 'gradio', 'matplotlib', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)), os.environ['KERAS_BACKEND'])"
    )
    assert run_python(script) == "[] jax"
    assert run_python(script, KERAS_BACKEND="torch") == "[] torch"


def test_every_task_imports_without_the_package_doing_anything():
    script = "import sys, tasks; print(sorted({'keras', 'jax', 'numpy'} & set(sys.modules)))"
    assert run_python(script) == "[]"
