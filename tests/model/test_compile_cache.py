import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINT_FOLDER = "from fer.model.compile_cache import use_compile_cache; print(use_compile_cache())"
COMPILE_A_PROGRAM = (
    "import jax, sys; from fer.model.compile_cache import use_compile_cache; print(use_compile_cache());"
    "jax.monitoring.register_event_listener(lambda event, **_: print(event) if 'cache_' in event else None);"
    "jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((64, 64))).block_until_ready()"
)
#: Counts the programs in the cache once a network is loaded, but before its forward pass is compiled.
LOAD_A_NETWORK = (
    "import pathlib, sys, fer; from fer.model import keras_runtime; keras_runtime.compile_heads = lambda model: None;"
    "fer.Classifier.load(sys.argv[1], runtime='keras');"
    "print(sum(1 for _ in pathlib.Path(sys.argv[2]).rglob('*-cache')))"
)
CHOICES = {"HOME", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL"}


def run_python(script, *arguments, **environment):
    """Run a script with no choice of a cache but those in the environment given."""
    kept = {key: value for key, value in os.environ.items() if key not in CHOICES}
    variables = kept | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"} | environment
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=variables, check=True, capture_output=True, text=True)


def find_cache(home, **environment):
    return run_python(PRINT_FOLDER, HOME=str(home), **environment).stdout.strip()


def test_folder_is_private_to_the_user(tmp_path):
    folder = Path(find_cache(tmp_path))
    assert folder == tmp_path / ".cache" / "fer-dl" / "xla"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_folder_that_others_can_write_to_is_not_used(tmp_path):
    folder = tmp_path / ".cache" / "fer-dl" / "xla"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert find_cache(tmp_path) == "None"


def test_folder_that_cannot_be_made_is_not_used(tmp_path):
    (tmp_path / ".cache").write_text("a file in its place")
    assert find_cache(tmp_path) == "None"


def test_folder_chosen_by_the_user_is_left_as_it_is(tmp_path):
    assert find_cache(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path)) == "None"


def test_second_process_reads_the_program_without_messages(tmp_path):
    first, second = (run_python(COMPILE_A_PROGRAM, HOME=str(tmp_path)) for _ in range(2))
    assert "cache_misses" in first.stdout
    assert "cache_hits" in second.stdout
    assert "cache_misses" not in second.stdout
    assert second.stderr == ""


def test_log_level_chosen_by_the_user_is_left_as_it_is(tmp_path):
    script = f"import jaxlib.utils; jaxlib.utils.absl_set_min_log_level = print; {PRINT_FOLDER}"
    assert run_python(script, HOME=str(tmp_path)).stdout.splitlines()[0] == "3"
    assert run_python(script, HOME=str(tmp_path), TF_CPP_MIN_LOG_LEVEL="0").stdout.splitlines()[0] != "3"


def test_programs_that_build_a_network_are_kept(tmp_path):
    done = run_python(LOAD_A_NETWORK, ROOT / "artifacts" / "xception", tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert int(done.stdout) > 10
