"""Documents match the code: links, commands, settings, signatures, imports, layout and the README's session."""

import ast
import doctest
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
import skimage.data
from invoke import Collection, Program
from invoke.parser import Parser
from PIL import Image
from pydantic import BaseModel
from vision_media import draw_frames, write_video

import fer
from fer import commands
from fer import tasks as fer_tasks
from fer.calibration import Calibration
from fer.config import Config
from fer.tasks.program import build_program
from fer.vision.decoding import FORMATS, JPEG_FACTOR, MAX_BYTES, MAX_PIXELS, MAX_SCANS, PROGRESSIVE_FACTOR

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
NETWORK = ROOT / "artifacts" / "xception" / "model.keras"
#: The pages in reading order, as the README lists them.
TOPICS = (
    "quickstart",
    "images",
    "video",
    "scale",
    "app",
    "space",
    "deployment",
    "data",
    "training",
    "settings",
    "finetune",
    "several-hosts",
    "evaluation",
    "robustness",
    "audit",
    "model",
    "laboratory",
    "export",
    "tasks",
    "python-api",
    "python-video",
    "python-networks",
    "contributing",
    "releasing",
)
MAX_LINES = 250

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def drop_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def read_inline_code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", drop_blocks(text))


def read_rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]


# Links


def read_anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", drop_blocks(read(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_broken_links(path: Path) -> list[str]:
    broken = []
    text = drop_blocks(read(path))
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"<img src=\"([^\"]+)\"", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        if not linked.exists() or not linked.is_relative_to(ROOT) or (anchor and anchor not in read_anchors(linked)):
            broken.append(target)
    return broken


@each_document
def test_relative_links_resolve(path):
    assert find_broken_links(path) == []


def test_find_broken_links_reports_files_anchors_and_paths_outside_the_repository(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        '# One title\n[a](page.md#one-title) [b](gone.md) [c](#two) [d](https://a.example) [e](../x)\n<img src="f.png">'
    )
    assert find_broken_links(page) == ["gone.md", "#two", "../x", "f.png"]


def test_readme_lists_every_page_in_reading_order():
    text = read(README).partition("\n## Documentation\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"\(docs/([\w-]+)\.md\)", text)) == TOPICS


def test_every_page_is_a_topic():
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} == set(TOPICS)


@pytest.mark.parametrize("path", [*sorted((ROOT / "docs").glob("*.md")), README], ids=lambda path: path.stem)
def test_no_page_is_longer_than_its_limit(path):
    assert len(read(path).splitlines()) <= MAX_LINES


def test_decisions_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_decisions_readme_lists_every_decision_by_number_and_title():
    titles = [read(path).partition("\n")[0] for path in DECISIONS]
    entries = [
        re.sub(r"# (\d+\.) (.+)", rf"\1 [\2]({path.name})", title)
        for title, path in zip(titles, DECISIONS, strict=True)
    ]
    listed = re.findall(r"^\d+\. \[.+?\]\(.+?\)", read(ROOT / "docs" / "decisions" / "README.md"), re.MULTILINE)
    assert listed == entries


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_has_its_three_sections(path):
    assert re.findall(r"^\*\*(\w+)\.\*\*", read(path), re.MULTILINE) == ["Context", "Decision", "Consequences"]


@each_document
def test_document_contains_no_local_path(path):
    paths = re.findall(r"(?<![\w.])/(?:work|tmp|root|home|Users)\b\S*|file://\S*|\b[A-Z]:\\\S*", read(path))
    assert paths == []


# Commands


def read_commands(text: str) -> list[str]:
    """Return the `invoke …` commands in a document's shell blocks and inline code."""
    lines = [line for block in read_blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()]
    parts = [part.strip() for line in [*lines, *read_inline_code(text)] for part in re.split(r"&&|;|\|\|", line)]
    return [command.group() for part in parts if (command := re.match(r"(?:[A-Z_]+=\S+ )*invoke .*", part))]


def read_program_commands(text: str) -> list[list[str]]:
    """Return the words after `fer-dl` in a document's shell blocks and inline code, without bare names of tasks."""
    lines = [line for block in read_blocks(text, "bash") for line in block.splitlines()]
    words = [
        shlex.split(line, comments=True) for line in [*lines, *read_inline_code(text)] if line.startswith("fer-dl ")
    ]
    return [command[1:] for command in words if len(command) > 2]


@each_document
def test_commands_of_the_program_have_valid_tasks_and_flags(path, monkeypatch):
    calls = []
    for name in fer_tasks.__all__:
        monkeypatch.setattr(commands, name, partial(lambda task, /, **options: calls.append(task), name))
    given = [words for words in read_program_commands(read(path)) if not words[0].startswith("-")]
    given = [words for words in given if "--help" not in words]
    for words in given:
        build_program().run(["fer-dl", *words])
    assert calls == [words[0] for words in given]


def build_parser() -> Parser:
    return Parser(
        contexts=Collection.from_module(import_module("tasks")).to_contexts(), initial=Program().initial_context
    )


def parse_command(command: str) -> None:
    """Parse a command as invoke does, which raises if a task, a flag or a value is wrong.

    A task's name alone is a mention, which may omit required arguments.
    """
    words = shlex.split(command, comments=True)
    words, parser = words[words.index("invoke") + 1 :], build_parser()
    if len(words) != 1 or words[0] not in parser.contexts:
        parser.parse_argv(words)


@pytest.fixture
def tasks_module(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@each_document
def test_commands_have_valid_tasks_and_flags(path, tasks_module):
    wrong = {}
    for command in read_commands(read(path)):
        try:
            parse_command(command)
        except Exception as error:  # invoke's parser raises several classes of error.
            wrong[command] = str(error)
    assert wrong == {}


def test_read_commands_returns_blocks_and_inline_code():
    assert read_commands("`invoke train`\n```bash\nA=1 invoke check && invoke \\\n  test  # all\n```\n") == [
        "A=1 invoke check",
        "invoke    test  # all",
        "invoke train",
    ]


def test_parse_command_accepts_placeholders_and_comments(tasks_module):
    parse_command("A=1 invoke train --preset <name> --set a.b=1  # a comment")


@pytest.mark.parametrize("command", ["invoke nothing", "invoke train --nothing", "invoke train --preset"])
def test_parse_command_refuses_a_wrong_command(command, tasks_module):
    with pytest.raises(Exception, match=r"(?i)nothing|preset"):
        parse_command(command)


@each_document
def test_flags_belong_to_a_task(path, tasks_module):
    contexts = Collection.from_module(import_module("tasks")).to_contexts()
    known = {"--help", "--list", "--version", "--print-completion-script"} | {
        flag for context in contexts for flag in context.flags
    }
    named = {code.split()[0].partition("=")[0] for code in read_inline_code(read(path)) if code.startswith("--")}
    assert named - known == set()


def test_the_page_of_tasks_lists_every_task(tasks_module):
    contexts = Collection.from_module(import_module("tasks")).to_contexts()
    rows = read_rows(read(ROOT / "docs" / "tasks.md"))
    rows = [cells[0] for cells in rows if cells[0].startswith("`invoke ")]
    assert sorted(rows) == sorted(f"`invoke {context.name}`" for context in contexts)


@pytest.fixture
def first_screen():
    return read(README)[:1700]


@pytest.mark.parametrize("command", ["pip install -e . && invoke pipeline", 'pip install -e ".[test]" && invoke test'])
def test_readmes_first_screen_has_both_commands(command, first_screen):
    assert command in first_screen


def test_readmes_first_screen_warns_of_the_name_clash(first_screen):
    assert "An unrelated package on PyPI is called\n`fer` and uses the same import name" in first_screen


# Settings, calibration, parameter counts, landmarks


def list_settings(model: type[BaseModel] = Config, prefix: str = "") -> dict[str, str]:
    """Return the default of each setting, as JSON or '-', by its dotted name; ``[]`` marks the elements of a list."""
    settings: dict[str, str] = {}
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if is_settings(kind)]
        is_list = bool(inner) and inner[0] is not field.annotation
        if not inner or is_list:
            settings[prefix + name] = "-" if field.is_required() else json.dumps(field.default)
        for kind in inner:
            settings |= list_settings(kind, f"{prefix}{name}{'[]' if is_list else ''}.")
    return settings


def is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def read_setting_rows() -> list[list[str]]:
    rows = read_rows(read(ROOT / "docs" / "settings.md"))
    return [[cell.strip("`") for cell in cells] for cells in rows if len(cells) == 4]


def test_documented_settings_have_the_defaults_of_the_code():
    settings = list_settings()
    assert {name: default for name, _, default, _ in read_setting_rows() if name in settings} == settings


def test_documented_settings_exist():
    sections = tuple(f"{section}." for section in Config.model_fields)
    documented = {name for name, *_ in read_setting_rows() if name.startswith(sections)}
    assert documented - set(list_settings()) == set()


def test_documented_calibration_has_the_defaults_of_the_code():
    defaults = {name: json.dumps(field.default) for name, field in Calibration.model_fields.items()}
    assert {name: default for name, _, default, _ in read_setting_rows() if name in defaults} == defaults


def test_documented_parameter_counts_are_those_of_the_tested_table():
    from model.test_xception import NUM_PARAMS

    rows = [cells for cells in read_rows(read(ROOT / "docs" / "model.md")) if cells[0].strip("`") in NUM_PARAMS]
    assert {cells[0].strip("`"): int(cells[1].replace(",", "")) for cells in rows} == NUM_PARAMS


def test_documented_landmarks_are_those_of_the_code():
    from fer.vision.alignment import FRAME
    from fer.vision.framing import LANDMARKS

    text = read(ROOT / "docs" / "images.md")
    names = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
    rows = dict(re.findall(r"^\| ([a-z ]+) \| ([\d.]+ \| [\d.]+) \|$", text, re.MULTILINE))
    assert rows == {name: f"{x} | {y}" for name, (x, y) in zip(names, LANDMARKS, strict=True)}
    assert f"{FRAME.side:.2f} of the longer side of the box" in text
    assert f"{FRAME.kept_tilt:.0f}°" in text


def test_documented_containers_are_those_that_are_read():
    from fer.vision.containers import FORMATS

    text = read(ROOT / "docs" / "video.md")
    listed = " ".join(re.search(r"<!-- containers:begin -->(.*?)<!-- containers:end -->", text, re.DOTALL)[1].split())
    items = [f"{name} ({', '.join(suffixes)})" if suffixes else name for name, suffixes in FORMATS.items()]
    assert listed == ", ".join(items)


# Layout


def test_contributing_lists_every_module_and_package_of_the_first_level():
    layout = read(ROOT / "docs" / "contributing.md").partition("## Layout")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`fer/([a-z]+)(?:\.py|/)`", layout))
    modules = {path.stem for path in (ROOT / "fer").glob("[a-z]*") if path.is_dir() or path.suffix == ".py"}
    assert listed == modules


def test_documented_import_layers_are_those_of_import_linter():
    contracts = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    text = read(ROOT / "docs" / "contributing.md").partition("## Import layers")[2].partition("\n## ")[0]
    documented = [set(re.findall(r"`(\w+)`", line)) for line in re.findall(r"^\d+\. (.+)$", text, re.MULTILINE)]
    assert documented[::-1] == [set(layer.split(" | ")) for layer in layers]


# Names, signatures, examples


def find_object(name: str) -> Any:
    """Return the object of a dotted name; the longest prefix that is a module is imported."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise AssertionError(f"no module of the package: {name}")


def format_signature(name: str) -> str:
    signature = inspect.signature(find_object(name))
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    plain = str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    return name + plain.replace("<built-in function print>", "print")


HEADINGS = [
    heading
    for path in sorted((ROOT / "docs").glob("python-*.md"))
    for heading in re.findall(r"^### `(.+)`$", read(path), re.MULTILINE)
]


@pytest.mark.parametrize("heading", HEADINGS)
def test_documented_name_has_its_signature(heading):
    name, is_call, _ = heading.partition("(")
    if is_call:
        assert format_signature(name) == heading
    else:
        find_object(name)


def test_every_public_name_is_documented():
    documented = {heading.partition("(")[0] for heading in HEADINGS}
    missing = {name for name in fer.__all__ if not any(f"{entry}.".startswith(f"fer.{name}.") for entry in documented)}
    assert missing == set()


def list_imported_names(block: str) -> list[str]:
    imports = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    return [f"{node.module}.{alias.name}" for node in imports for alias in node.names if node.module]


@each_document
def test_python_examples_import_existing_names(path):
    for block in read_blocks(read(path), "python"):
        for name in list_imported_names(block):
            if name.startswith("fer."):
                find_object(name)


def test_find_object_raises_for_an_unknown_name():
    with pytest.raises(AttributeError, match="Nothing"):
        find_object("fer.analysis.Nothing")


# Snippets, as printed, each in a fresh process

#: What cannot run in a test: FER2013 itself, cameras, a running app and whole trainings.
NOT_RUN = (
    '"fer2013',
    "VideoReader(0)",
    "gradio_client",
    "push_to_hub",
    'load_dataset("sample")',
    'load_dataset("my_set")',
    'load_config("sample")',
)
SNIPPETS = [
    pytest.param(block, id=f"{path.stem}-{index}")
    for path in DOCUMENTS
    for index, block in enumerate(read_blocks(read(path), "python"))
    if not any(part in block for part in NOT_RUN)
]


@pytest.fixture(scope="module")
def snippet_folder(tmp_path_factory):
    """A folder with the files that the snippets name."""
    folder = tmp_path_factory.mktemp("snippets")
    photo = Image.fromarray(skimage.data.astronaut())
    (folder / "photos").mkdir()
    for name in ("photo.jpg", "one.jpg", "two.jpg", "photos/a.jpg"):
        photo.save(folder / name)
    (folder / "damaged.jpg").write_bytes(b"damaged")
    for name in ("talk.mp4", "one.mp4", "two.mp4"):
        write_video(folder / name, draw_frames(4))
    (folder / "artifacts").mkdir()
    for name in ("xception", "small"):
        (folder / "artifacts" / name).symlink_to(NETWORK.parent)
    return folder


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_runs_as_printed_in_a_fresh_process(snippet, snippet_folder):
    environment = {
        key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "FER_MODEL", "FER_RUNTIME")
    }
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", snippet]
    options = {"cwd": snippet_folder, "env": environment, "capture_output": True, "text": True}
    result = subprocess.run(command, timeout=300, check=False, **options)
    assert result.returncode == 0, result.stderr


# The formats of images


def test_the_table_of_image_formats_is_that_of_the_decoder():
    text = read(ROOT / "docs" / "images.md")
    rows = re.findall(r"^\| ([A-Z]+) \| (\.[^|]+) \|$", text, re.MULTILINE)
    assert {kind: tuple(suffixes.split(", ")) for kind, suffixes in rows} == FORMATS
    for number in (f"{MAX_BYTES // 2**20} MiB", f"{MAX_PIXELS // 10**6} megapixels", f"{MAX_SCANS} scans"):
        assert number in text
    assert (
        f"up to {JPEG_FACTOR * MAX_PIXELS // 10**6} megapixels ({PROGRESSIVE_FACTOR * MAX_PIXELS // 10**6} if" in text
    )


# The README's session and the versions


def test_readmes_session_gives_the_printed_output(monkeypatch):
    assert NETWORK.is_file(), f"the shipped network is missing: {NETWORK.relative_to(ROOT)}"
    monkeypatch.delenv("FER_MODEL", raising=False)
    (session,) = read_blocks(read(README), "pycon")
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    assert len(test.examples) == 5
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


def test_citation_has_the_version_of_the_package():
    assert f"\nversion: {fer.__version__}\n" in read(ROOT / "CITATION.cff")


def test_changelog_has_the_version_of_the_package():
    assert f"\n## [{fer.__version__}]" in read(ROOT / "CHANGELOG.md")
