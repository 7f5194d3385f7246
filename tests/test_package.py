import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fer

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("script", "libraries"), [("tasks.py", {"cv2", "matplotlib", "gradio"}), ("gradio_app.py", {"cv2", "matplotlib"})]
)
def test_scripts_import_no_library_of_the_package(script, libraries):
    """The contracts of import-linter hold the same for the package; it reads no single files."""
    tree = ast.parse((ROOT / script).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not libraries & {name.partition(".")[0] for name in names}


def test_public_names():
    assert fer.__all__ == ["EXPRESSIONS", "Analyzer", "Classifier", "Face", "FerError", "draw", "reports"]
    assert all(hasattr(fer, name) for name in fer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fer.nothing
    assert fer.EXPRESSIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def run_python(script, **environment):
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=kept | environment, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


def test_import_of_the_package_loads_no_large_library():
    script = (
        "import sys, fer; large = {'keras', 'jax', 'numpy', 'cv2', 'gradio', 'matplotlib', 'pandas'};"
        "print(sorted(large & set(sys.modules)))"
    )
    assert run_python(script) == "[]"


@pytest.mark.parametrize(("environment", "backend"), [({}, "jax"), ({"KERAS_BACKEND": "torch"}, "torch")])
def test_import_of_the_package_selects_jax_by_default(environment, backend):
    assert run_python("import os, fer; print(os.environ['KERAS_BACKEND'])", **environment) == backend


def test_import_of_the_tasks_loads_no_large_library():
    script = "import sys, tasks; print(sorted({'keras', 'jax', 'numpy'} & set(sys.modules)))"
    assert run_python(script) == "[]"
