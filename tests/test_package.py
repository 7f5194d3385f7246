import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fer

ROOT = Path(__file__).parents[1]
#: Modules and rooms by rank; imports go from a higher rank to a lower one, or stay within a room.
RANKS = (
    {"labels", "config", "errors", "files", "calibration"},
    {"data", "model", "vision"},
    {"inference"},
    {"evaluation", "analysis", "reports", "video_reports", "photo_check"},
    {"app"},
)
#: The only places that may import these.
HOMES = {
    "cv2": ("fer/vision/", "fer/data/augmentation.py"),
    "matplotlib": ("fer/evaluation/",),
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
            if node.module == "fer":
                yield from (f"fer.{alias.name}" for alias in node.names)


def get_rank(room):
    return next((rank for rank, rooms in enumerate(RANKS) if room in rooms), len(RANKS))


def get_room(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "fer" and len(parts) > 1 else parts[0]


@pytest.mark.parametrize("path", list_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way_and_libraries_stay_at_home(path):
    place = path.relative_to(ROOT).as_posix()
    room = get_room(path)
    for name in read_imports(path):
        top, _, rest = name.partition(".")
        if top == "fer" and rest and place != "fer/__init__.py":
            other = rest.split(".")[0]
            if other in {"EXPRESSIONS", "__version__"} or other == room:
                continue
            assert get_rank(other) <= get_rank(room), f"{place} imports {name}"
        for library, homes in HOMES.items():
            if top == library:
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
