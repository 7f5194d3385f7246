import gzip

import numpy as np
import pytest
from data_sources import (
    FERPLUS_HEADER,
    catch_message,
    format_icml_table,
    format_table,
    make_rows,
    pack,
    pack_tar,
    pack_zip,
    write_votes,
)
from hypothesis import given
from hypothesis import strategies as st

from fer.data.sources import tables
from fer.data.sources.raw import RawData
from fer.data.sources.tables import parse_pixels, read_table, read_votes
from fer.errors import DataError

FORMATS = ("csv", "gz", "bz2", "xz", "zip", "tar", "tar.gz", "tar.xz")


#: Damaged files per format: enough to meet every kind of exception of the standard library's readers.
NUM_DAMAGED = 60


def write(folder, content: bytes, name: str = "table.bin"):
    path = folder / name
    path.write_bytes(content)
    return path


def read(folder, content: bytes) -> RawData:
    return read_table(write(folder, content))


def replace_fields(rows, index, *, emotion=None, pixels=None, usage=None):
    rows = [list(row) for row in rows]
    rows[index] = [
        new if new is not None else old for new, old in zip((emotion, pixels, usage), rows[index], strict=True)
    ]
    return rows


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("write_rows", "name"), [(format_table, "fer2013.csv"), (format_icml_table, "icml_face_data.csv")]
)
def test_every_format_is_recognised_by_its_content(tmp_path, form, write_rows, name):
    rows = make_rows()
    raw = read(tmp_path, pack(form, write_rows(rows), name))
    assert raw.faces.shape == (21, 48, 48)
    assert raw.faces.dtype == np.uint8
    assert [" ".join(map(str, face.ravel())) for face in raw.faces] == [row[1] for row in rows]
    assert raw.labels.tolist() == [int(row[0]) for row in rows]
    assert raw.split.tolist() == [0] * 7 + [1] * 7 + [2] * 7
    assert raw.rows.tolist() == list(range(21))
    assert raw.rejects == ()


def add_index(text: bytes, *, header: bytes) -> bytes:
    """Add the index column that pandas writes, with or without a field for it in the header."""
    first, *lines = text.splitlines()
    return b"\n".join([header + first, *(b"%d,%s" % pair for pair in enumerate(lines))])


def name_labels(text: bytes) -> bytes:
    """Replace the labels by names of expressions, in other spellings and cases."""
    names = [b"Anger", b"disgusted", b"Fear", b"Joy", b"sad", b"SURPRISE", b"Neutral"]
    first, *lines = text.splitlines()
    return b"\n".join([first, *(names[int(line[:1])] + line[1:] for line in lines)])


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text + b"\n\n",
        lambda text: text.rstrip(b"\n"),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\n".join(b'"%s"' % line.replace(b",", b'","') for line in text.splitlines()),
        lambda text: text.replace(b"emotion,pixels,Usage", b" Emotion ,PIXELS, usage"),
        lambda text: text.replace(b",", b";"),
        lambda text: text.replace(b",", b"\t"),
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.decode().encode("utf-16-be"),
        lambda text: add_index(text, header=b","),
        lambda text: add_index(text, header=b"Unnamed: 0,"),
        lambda text: add_index(text, header=b""),
        name_labels,
    ],
    ids=[
        *("byte-order-mark", "blank-lines", "no-last-newline", "crlf", "quoted", "headers", "semicolons", "tabs"),
        *("utf-16", "utf-16-be", "index", "named-index", "index-without-header", "names"),
    ],
)
def test_spellings_of_the_same_table_are_read_alike(tmp_path, rewrite):
    text = format_table(make_rows())
    plain, other = read(tmp_path, text), read(tmp_path, rewrite(text))
    assert np.array_equal(plain.faces, other.faces)
    assert np.array_equal(plain.labels, other.labels)
    assert np.array_equal(plain.split, other.split)
    assert other.rejects == ()


PIXELS = " ".join(["7"] * 2304)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pixels": " ".join(["7"] * 2303)}, "must have 2304 pixels; it has 2303"),
        ({"pixels": " ".join(["7"] * 2305)}, "must have 2304 pixels; it has 2305"),
        ({"pixels": ""}, "it has 0"),
        ({"pixels": PIXELS[:-1] + "256"}, "0..255; they reach 7..256"),
        ({"pixels": "-1" + PIXELS[1:]}, "0..255; they reach -1..7"),
        ({"pixels": "4294967303" + PIXELS[1:]}, "0..255"),
        ({"pixels": "99999999999999999999999" + PIXELS[1:]}, "0..255"),
        ({"pixels": "7.5" + PIXELS[1:]}, "whole numbers"),
        ({"pixels": "1e2" + PIXELS[1:]}, "whole numbers"),
        ({"pixels": "x" + PIXELS[1:]}, "whole numbers"),
        ({"pixels": "nan" + PIXELS[1:]}, "whole numbers"),
        ({"pixels": "0x7" + PIXELS[1:]}, "whole numbers"),
        ({"pixels": "1+2 " + PIXELS[4:]}, "whole numbers"),
        ({"pixels": "\u0667" + PIXELS[1:]}, "whole numbers"),
        ({"emotion": "7"}, "emotion must be 0..6; it is '7'"),
        ({"emotion": "-1"}, "emotion must be 0..6"),
        ({"emotion": "contempt"}, "emotion must be 0..6; it is 'contempt'"),
        ({"emotion": "suprise"}, "emotion must be 0..6; it is 'suprise'; did you mean 'surprise'?"),
        ({"emotion": "3.0"}, "emotion must be 0..6"),
        ({"emotion": ""}, "emotion must be 0..6; it is ''"),
        ({"usage": "Testing"}, "Usage must be one of Training, PublicTest, PrivateTest; it is 'Testing'"),
        ({"usage": ""}, "Usage must be one of"),
        ({"usage": "Training,extra"}, "as many fields"),
    ],
)
def test_a_bad_row_is_rejected_alone(tmp_path, fields, reason):
    rows = make_rows()
    raw = read(tmp_path, format_table(replace_fields(rows, 4, **fields)))
    assert [reject.location for reject in raw.rejects] == ["row 5"]
    assert reason in raw.rejects[0].reason
    assert raw.rows.tolist() == [i for i in range(21) if i != 4]
    assert np.array_equal(raw.faces, np.delete(read(tmp_path, format_table(rows)).faces, 4, axis=0))
    assert len(raw.usages) == 21


def test_a_truncated_row_is_rejected(tmp_path):
    raw = read(tmp_path, format_table(make_rows())[:-500])
    assert [reject.location for reject in raw.rejects] == ["row 21"]
    assert len(raw.faces) == 20


@given(
    seed=st.integers(0, 1000),
    count=st.sampled_from([2303, 2304, 2304, 2304, 2305]),
    planted=st.lists(st.tuples(st.integers(0, 2302), st.integers(-2, 258)), max_size=3),
)
def test_pixels_are_parsed_like_python_integers(seed, count, planted):
    values = np.random.default_rng(seed).integers(0, 256, count).tolist()
    for index, value in planted:
        values[index] = value
    text = " ".join(map(str, values))
    if count == 2304 and min(values) >= 0 and max(values) <= 255:
        assert parse_pixels(text).tolist() == values
    else:
        with pytest.raises(ValueError, match="must"):
            parse_pixels(text)


@pytest.mark.parametrize("form", ["gz", "zip", "tar.gz"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.98])
def test_a_truncated_archive_is_refused_with_its_path(tmp_path, form, keep):
    content = pack(form, format_table(make_rows(63)))
    path = write(tmp_path, content[: int(keep * len(content))], f"cut.{form}")
    with pytest.raises(DataError, match="complete") as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_archive_is_refused(tmp_path):
    content = bytearray(pack("gz", format_table(make_rows())))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(DataError, match="complete"):
        read(tmp_path, bytes(content))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "columns emotion, pixels, Usage"),
        (b"label,image\n1,2\n", "columns emotion, pixels, Usage"),
        (bytes(range(256)) * 9, "columns emotion, pixels, Usage|comma-separated"),
        (gzip.compress(b""), "columns emotion, pixels, Usage"),
        (pack_zip({"readme.txt": b""}), "hold fer2013.csv"),
        (pack_zip({"a.csv": b"", "b.csv": b""}), "hold fer2013.csv"),
        (pack_tar({"fer2013.bib": b""}), "hold fer2013.csv"),
    ],
    ids=["empty", "columns", "bytes", "empty-gz", "no-table", "two-tables", "no-table-tar"],
)
def test_a_file_that_is_not_a_table_is_refused_with_one_line(tmp_path, content, rule):
    with pytest.raises(DataError, match=rule) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_missing_file_is_refused_with_its_path(tmp_path):
    with pytest.raises(DataError, match=r"absent.csv \(No such file"):
        read_table(tmp_path / "absent.csv")


def test_a_member_with_a_known_name_is_chosen_among_several(tmp_path):
    rows = make_rows()
    members = {"train.csv": b"emotion,pixels\n", "icml_face_data.csv": format_icml_table(rows), "test.csv": b"pixels\n"}
    for content in (pack_zip(members), pack_tar(members)):
        assert len(read(tmp_path, content).faces) == 21


@pytest.mark.parametrize("packer", [pack_zip, pack_tar])
@pytest.mark.parametrize("name", ["../../escape/fer2013.csv", "/escape/fer2013.csv", "..\\escape\\fer2013.csv"])
def test_a_member_with_an_outside_path_is_read_without_writing_it(tmp_path, packer, name):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    path = write(folder, packer({name: format_table(make_rows())}))
    assert len(read_table(path).faces) == 21
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])


@pytest.mark.parametrize("packer", [pack_zip, pack_tar])
def test_a_table_is_found_by_its_name_behind_backslashes(tmp_path, packer):
    content = packer({"data\\test.csv": b"pixels\n", "data\\FER2013.csv": format_table(make_rows())})
    assert len(read(tmp_path, content).faces) == 21


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_with_the_line_ends_of_old_macs_is_read(tmp_path, encoding):
    text = format_table(make_rows()).decode()
    plain, mac = read(tmp_path, text.encode()), read(tmp_path, text.replace("\n", "\r").encode(encoding))
    assert np.array_equal(plain.faces, mac.faces)
    assert np.array_equal(plain.split, mac.split)
    assert mac.rejects == ()


def test_an_endless_line_is_refused(tmp_path):
    with pytest.raises(DataError, match="line must be below"):
        read(tmp_path, gzip.compress(b"emotion,pixels,Usage\n" + b"0" * 40_000_000))


def test_a_table_above_the_size_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_TABLE", 50_000)
    with pytest.raises(DataError, match="table below 50000"):
        read(tmp_path, pack("gz", format_table(make_rows())))


@pytest.mark.parametrize("packer", [pack_zip, pack_tar])
def test_an_archive_above_the_size_limit_is_refused(tmp_path, monkeypatch, packer):
    monkeypatch.setattr("fer.data.sources.archives.MAX_TABLE", 50_000)
    with pytest.raises(DataError, match="unpack to"):
        read(tmp_path, packer({"fer2013.csv": format_table(make_rows())}))


def test_votes_are_read_in_the_order_of_the_rows(tmp_path):
    rows = make_rows()
    votes = write_votes(tmp_path / "fer2013new.csv", [row[2] for row in rows])
    raw = read(tmp_path, format_table(rows))
    assert np.array_equal(read_votes(tmp_path / "fer2013new.csv", raw), votes)


def test_votes_of_rejected_rows_are_skipped(tmp_path):
    rows = make_rows()
    votes = write_votes(tmp_path / "fer2013new.csv", [row[2] for row in rows])
    replaced = replace_fields(
        replace_fields(replace_fields(rows, 0, pixels="1 2 3"), 8, usage="Nowhere"), 20, emotion="9"
    )
    usable = read_votes(tmp_path / "fer2013new.csv", read(tmp_path, format_table(replaced)))
    assert np.array_equal(usable, np.delete(votes, (0, 8, 20), axis=0))


def replace_in_line(text: str, line: int, old: str, new: str) -> str:
    lines = text.splitlines()
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new, 1)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("alter", "rule"),
    [
        (lambda text: "\n".join(text.splitlines()[:-1]), r"\(21\)\. Received: .* with 20"),
        (lambda text: text + text.splitlines()[-1], "one row per row"),
        (
            lambda text: replace_in_line(text, 3, "Training", "PublicTest"),
            "'PublicTest' in row 3, where the table has 'Training'",
        ),
        (lambda text: replace_in_line(text, 3, "fer0000002.png,3", "fer0000002.png,2.5"), "whole numbers"),
        (lambda text: replace_in_line(text, 3, "fer0000002.png,3", "fer0000002.png,"), "whole numbers"),
        (lambda text: replace_in_line(text, 3, "fer0000002.png,3", "fer0000002.png,-3"), "whole numbers in 0..255"),
        (lambda text: replace_in_line(text, 3, "fer0000002.png,3", "fer0000002.png,300"), "whole numbers in 0..255"),
        (lambda text: replace_in_line(text, 0, "NF", "XX"), "readable fer2013new.csv"),
        (lambda text: text + "1,2,3,4,5,6,7,8,9,10,11,12,13,14\n", "readable fer2013new.csv"),
        (lambda text: "", "readable fer2013new.csv"),
    ],
)
def test_votes_of_another_table_are_refused_with_one_line(tmp_path, alter, rule):
    rows = make_rows()
    path = tmp_path / "fer2013new.csv"
    write_votes(path, [row[2] for row in rows])
    path.write_text(alter(path.read_text()))
    raw = read(tmp_path, format_table(rows))
    with pytest.raises(DataError, match=rule) as caught:
        read_votes(path, raw)
    assert "\n" not in str(caught.value)


def test_junk_lines_below_a_table_have_no_votes(tmp_path):
    rows = make_rows()
    votes = write_votes(tmp_path / "fer2013new.csv", [row[2] for row in rows])
    raw = read(tmp_path, format_table(rows) + b"# end of file\n\n-- 21 rows\n")
    assert [reject.location for reject in raw.rejects] == ["row 22", "row 23"]
    assert np.array_equal(read_votes(tmp_path / "fer2013new.csv", raw), votes)


def test_junk_lines_below_the_votes_are_left_out(tmp_path):
    rows = make_rows()
    path = tmp_path / "fer2013new.csv"
    votes = write_votes(path, [row[2] for row in rows])
    path.write_text(path.read_text() + "end of file\n")
    assert np.array_equal(read_votes(path, read(tmp_path, format_table(rows))), votes)


@pytest.mark.parametrize("form", ["gz", "bz2", "xz", "zip", "tar", "tar.gz", "tar.bz2"])
def test_packed_votes_are_recognised_by_their_content(tmp_path, form):
    rows = make_rows()
    votes = write_votes(tmp_path / "plain.csv", [row[2] for row in rows])
    path = write(tmp_path, pack(form, (tmp_path / "plain.csv").read_bytes(), "fer2013new.csv"), "votes.bin")
    assert np.array_equal(read_votes(path, read(tmp_path, format_table(rows))), votes)


def test_a_table_without_usage_gets_drawn_splits(tmp_path):
    lines = [f"{emotion},{pixels}" for emotion, pixels, _ in make_rows(210)]
    content = "\n".join(["emotion,pixels", *lines]).encode()
    raw = read(tmp_path, content)
    assert np.bincount(raw.split).tolist() == [168, 21, 21]
    assert all((np.bincount(raw.labels[raw.split == split]) == count).all() for split, count in ((0, 24), (1, 3)))
    assert "No test split: moved 21 of 210" in raw.notes[0]
    votes = write_votes(tmp_path / "votes.csv", ["Training"] * 210)
    assert np.array_equal(read_votes(tmp_path / "votes.csv", raw), votes)


def test_votes_with_an_empty_image_name_are_read(tmp_path):
    # FER+ has no image name for images that are not faces.
    rows = make_rows(21)
    lines = [f"{row[2]},,0,0,0,0,0,0,0,0,0,10" for row in rows]
    (tmp_path / "votes.csv").write_text("\n".join([FERPLUS_HEADER, *lines]) + "\n")
    assert read_votes(tmp_path / "votes.csv", read(tmp_path, format_table(rows)))[:, 9].tolist() == [10] * 21


def damage(content: bytes, generator: np.random.Generator) -> bytes:
    """Return a file with some bytes changed, cut off, repeated or inserted."""
    content = bytearray(content)
    start = int(generator.integers(len(content)))
    kind = generator.integers(4)
    if kind == 0:
        for index in generator.integers(min(len(content), 200 if generator.integers(2) else 10**9), size=4):
            content[index] = generator.integers(256)
    elif kind == 1:
        del content[start:]
    elif kind == 2:
        content[start:start] = content[: start // 2]
    else:
        content[start : start + 20] = generator.bytes(20)
    return bytes(content)


@pytest.mark.parametrize("form", [*FORMATS, "tar.bz2"])
@pytest.mark.parametrize("kind", ["table", "votes"])
def test_damaged_files_give_one_short_line(tmp_path, form, kind):
    generator = np.random.default_rng(0)
    rows = make_rows(21)
    raw = read(tmp_path, format_table(rows))
    write_votes(tmp_path / "plain.csv", [row[2] for row in rows])
    whole = format_table(rows) if kind == "table" else (tmp_path / "plain.csv").read_bytes()
    packed = pack(form, whole, "fer2013.csv" if kind == "table" else "fer2013new.csv")
    path = tmp_path / f"{kind}.{form}"
    for _ in range(NUM_DAMAGED):
        path.write_bytes(damage(packed, generator))
        message = catch_message(lambda: read_table(path) if kind == "table" else read_votes(path, raw))
        assert len(message) <= 300
        assert message.isprintable()


@pytest.mark.parametrize("kind", ["table", "votes"])
def test_zstd_is_refused_with_its_remedy(tmp_path, kind):
    path = write(tmp_path, b"\x28\xb5\x2f\xfd" + bytes(100), f"{kind}.csv.zst")
    raw = read(tmp_path, format_table(make_rows()))
    message = catch_message(lambda: read_table(path) if kind == "table" else read_votes(path, raw))
    assert "compressed with zstd. Remedy: unpack it" in message


@pytest.mark.parametrize("method", [1, 9, 95, 98])
def test_an_unsupported_compression_of_a_zip_is_refused(tmp_path, method):
    content = bytearray(pack_zip({"fer2013.csv": format_table(make_rows())}))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = method
    with pytest.raises(DataError, match="must exist and be complete") as caught:
        read(tmp_path, bytes(content))
    assert len(str(caught.value)) <= 300


def test_long_names_and_values_do_not_lengthen_a_message(tmp_path):
    members = {f"{'very' * 2000}{number}.csv": b"" for number in range(9)}
    for content in (pack_zip(members), b"x" * 60_000, b"a,b,c\n" + b"y" * 60_000):
        with pytest.raises(DataError) as caught:
            read(tmp_path, content)
        assert len(str(caught.value)) <= 300
