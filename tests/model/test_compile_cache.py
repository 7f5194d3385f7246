import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = "from fer.model.compile_cache import use_compile_cache; print(use_compile_cache())"


def find_cache(home, **environment):
    kept = {
        key: value for key, value in os.environ.items() if key not in {"XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"}
    }
    environment = kept | {"HOME": str(home), "PYTHONPATH": str(ROOT)} | environment
    result = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, capture_output=True, text=True)
    return result.stdout.strip()


def test_the_folder_is_private_to_the_user(tmp_path):
    folder = Path(find_cache(tmp_path))
    assert folder == tmp_path / ".cache" / "fer-dl" / "xla"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path):
    folder = tmp_path / ".cache" / "fer-dl" / "xla"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert find_cache(tmp_path) == "None"


def test_the_users_own_choice_stands(tmp_path):
    assert find_cache(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path)) == "None"


def test_what_a_network_is_built_with_is_kept_too(tmp_path):
    """Building takes longer than the answer: many small programs, each compiled sooner than JAX would care to keep."""
    script = (
        "import pathlib, sys, fer; from fer.model import forward; forward.compile_forward = lambda model: None;"
        "fer.Classifier.load(sys.argv[1]); print(sum(1 for _ in pathlib.Path(sys.argv[2]).rglob('*-cache')))"
    )
    kept = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment = kept | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", script, str(ROOT / "artifacts" / "xception"), str(tmp_path)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 10
