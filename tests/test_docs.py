"""The documents say what the code does: links, commands, settings, signatures, imports and the README's session."""

import ast
import doctest
import inspect
import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from invoke import Collection, Program
from invoke.parser import Parser
from pydantic import BaseModel

import fer
from fer.config import Config

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
NETWORK = ROOT / "artifacts" / "xception" / "model.keras"
ROOMS = ("quickstart", "data", "model", "training", "evaluation", "images-and-video", "app", "space", "python-api")

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
    for target in re.findall(r"\]\(([^)\s]+)\)", drop_blocks(read(path))):
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


def test_a_broken_link_and_a_wrong_anchor_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# One title\n[a](page.md#one-title) [b](gone.md) [c](#two) [d](https://a.example) [e](../x)\n")
    assert find_broken_links(page) == ["gone.md", "#two", "../x"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_document_of_use_is_linked_from_the_readme(room):
    assert f"(docs/{room}.md)" in read(README)


def test_every_decision_is_listed_in_order():
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert re.findall(r"\]\((0\d{3}-[^)]+)\)", read(folder / "README.md")) == names


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=lambda path: path.stem)
def test_a_decision_has_context_decision_and_consequences(path):
    assert re.findall(r"^\*\*(\w+)\.\*\*", read(path), re.MULTILINE) == ["Context", "Decision", "Consequences"]


@each_document
def test_no_place_of_one_machine_is_named(path):
    found = re.findall(r"(?<![\w.])/(?:work|tmp|root|home|Users)\b\S*|file://\S*|\b[A-Z]:\\\S*", read(path))
    assert found == []


# Commands


def read_commands(text: str) -> list[str]:
    """Return every `invoke …` of a document's shell blocks and inline code, one command an entry."""
    lines = [line for block in read_blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()]
    parts = [part.strip() for line in [*lines, *read_inline_code(text)] for part in re.split(r"&&|;|\|\|", line)]
    return [found.group() for part in parts if (found := re.match(r"(?:[A-Z_]+=\S+ )*invoke .*", part))]


def build_parser() -> Parser:
    return Parser(
        contexts=Collection.from_module(import_module("tasks")).to_contexts(), initial=Program().initial_context
    )


def parse_command(command: str) -> None:
    """Read a command as invoke would; it raises where a task, a flag or a value is wrong.

    The name of a task alone is a mention of it, which may leave out arguments that it needs.
    """
    words = shlex.split(command, comments=True)
    words, parser = words[words.index("invoke") + 1 :], build_parser()
    if len(words) != 1 or words[0] not in parser.contexts:
        parser.parse_argv(words)


@pytest.fixture
def tasks_module(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@each_document
def test_named_commands_exist_with_their_flags(path, tasks_module):
    wrong = {}
    for command in read_commands(read(path)):
        try:
            parse_command(command)
        except Exception as error:  # invoke's parser raises errors of several kinds; all of them mean a wrong document.
            wrong[command] = str(error)
    assert wrong == {}


def test_a_wrong_command_would_be_found(tasks_module):
    assert read_commands("`invoke train`\n```bash\nA=1 invoke check && invoke \\\n  test  # all\n```\n") == [
        "A=1 invoke check",
        "invoke    test  # all",
        "invoke train",
    ]
    parse_command("A=1 invoke train --preset <name> --set a.b=1  # a comment")
    for command in ("invoke nothing", "invoke train --nothing", "invoke train --preset"):
        with pytest.raises(Exception, match=r"(?i)nothing|preset"):
            parse_command(command)


@each_document
def test_named_flags_belong_to_a_task(path, tasks_module):
    contexts = Collection.from_module(import_module("tasks")).to_contexts()
    known = {"--help", "--list"} | {flag for context in contexts for flag in context.flags}
    named = {code.split()[0].partition("=")[0] for code in read_inline_code(read(path)) if code.startswith("--")}
    assert named - known == set()


def test_the_readme_names_every_task(tasks_module):
    contexts = Collection.from_module(import_module("tasks")).to_contexts()
    rows = [cells[0] for cells in read_rows(read(README)) if cells[0].startswith("`invoke ")]
    assert sorted(rows) == sorted(f"`invoke {context.name}`" for context in contexts)


def test_the_first_screen_holds_the_two_commands_and_the_clash_of_names():
    first = read(README)[:1700]
    assert "pip install -e . && invoke pipeline" in first
    assert 'pip install -e ".[test]" && invoke test' in first
    assert "An unrelated package on PyPI is called\n`fer` and uses the same import name" in first


# Settings, parameters, signatures


def list_settings(model: type[BaseModel] = Config, prefix: str = "") -> dict[str, str]:
    """Return every setting's dotted name, ``[]`` for the members of a list, with its default as JSON or '-'."""
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


def test_every_setting_stands_in_the_documents_with_its_default():
    rows = [cells for cells in read_rows(read(ROOT / "docs" / "training.md")) if len(cells) == 4 and "." in cells[0]]
    documented = {cells[0].strip("`"): cells[2].strip("`") for cells in rows if cells[0].strip("`") in list_settings()}
    assert documented == list_settings()
    sections = tuple(f"`{section}." for section in Config.model_fields)
    assert [cells[0] for cells in rows if cells[0].startswith(sections) and cells[0].strip("`") not in documented] == []


def test_parameter_counts_are_those_of_the_tested_table():
    from test_model_xception import NUM_PARAMS

    rows = [cells for cells in read_rows(read(ROOT / "docs" / "model.md")) if cells[0].strip("`") in NUM_PARAMS]
    assert {cells[0].strip("`"): int(cells[1].replace(",", "")) for cells in rows} == NUM_PARAMS


def test_the_landmarks_of_fer2013_are_those_of_the_code():
    from fer.vision.alignment import FRAME
    from fer.vision.framing import LANDMARKS

    text = read(ROOT / "docs" / "images-and-video.md")
    names = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
    rows = dict(re.findall(r"^\| ([a-z ]+) \| ([\d.]+ \| [\d.]+) \|$", text, re.MULTILINE))
    assert rows == {name: f"{x} | {y}" for name, (x, y) in zip(names, LANDMARKS, strict=True)}
    assert f"{FRAME.side:.2f} of the longer side of the box" in text
    assert f"{FRAME.kept_tilt:.0f}°" in text


def find_object(name: str) -> Any:
    """Return what a dotted name means, importing the longest part of it that is a module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"{name} is no name of the package")


def format_signature(name: str) -> str:
    signature = inspect.signature(find_object(name))
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    plain = str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    return name + plain.replace("<built-in function print>", "print")


HEADINGS = re.findall(r"^### `(.+)`$", read(ROOT / "docs" / "python-api.md"), re.MULTILINE)


@pytest.mark.parametrize("heading", HEADINGS)
def test_documented_names_exist_with_their_signatures(heading):
    name, is_call, _ = heading.partition("(")
    if is_call:
        assert format_signature(name) == heading
    else:
        find_object(name)


def test_every_public_name_is_documented():
    documented = {heading.partition("(")[0] for heading in HEADINGS}
    missing = {name for name in fer.__all__ if not any(f"{each}.".startswith(f"fer.{name}.") for each in documented)}
    assert missing == set()


def list_imported_names(block: str) -> list[str]:
    imports = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    return [f"{node.module}.{alias.name}" for node in imports for alias in node.names if node.module]


@each_document
def test_python_examples_parse_and_import_what_exists(path):
    for block in read_blocks(read(path), "python"):
        for name in list_imported_names(block):
            if name.startswith("fer."):
                find_object(name)


def test_a_wrong_import_in_an_example_would_be_found():
    with pytest.raises(AttributeError, match="Nothing"):
        find_object("fer.analysis.Nothing")


# The README's session and the versions


def test_the_readmes_session_runs_as_printed(monkeypatch):
    assert NETWORK.is_file(), f"the shipped network is missing: {NETWORK.relative_to(ROOT)}"
    monkeypatch.delenv("FER_MODEL", raising=False)
    (session,) = read_blocks(read(README), "pycon")
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    assert len(test.examples) == 5
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


def test_the_version_is_the_same_everywhere():
    assert f"\nversion: {fer.__version__}\n" in read(ROOT / "CITATION.cff")
    assert f"\n## [{fer.__version__}]" in read(ROOT / "CHANGELOG.md")
