import pytest

from fer.wording import format_count, format_probability, shorten_message, suggest_name


@pytest.mark.parametrize(("number", "text"), [(0, "0 groups"), (1, "1 group"), (2, "2 groups")])
def test_a_count_has_its_noun_in_the_right_number(number, text):
    assert format_count(number, "group") == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "< 1 %"),
        (0.0099, "< 1 %"),
        (0.01, "1 %"),
        (0.874, "87 %"),
        (0.99, "99 %"),
        (0.9901, "> 99 %"),
        (1.0, "> 99 %"),
    ],
)
def test_no_probability_is_shown_as_certain_or_impossible(probability, text):
    assert format_probability(probability) == text


def test_the_nearest_name_is_suggested_and_a_far_one_is_not():
    assert suggest_name("epoch", ["epochs", "seed"]) == " Did you mean 'epochs'?"
    assert suggest_name("colour", ["epochs", "seed"]) == ""


@pytest.mark.parametrize("message", ["x" * 93_000, "a\nb\r\n\tc", "\udcfc.jpg", "\x1b[2Jred", "\0"])
def test_any_message_is_one_printable_line_of_at_most_300_characters(message):
    line = shorten_message(message)
    assert len(line) <= 300
    assert line.isprintable()
    line.encode("utf-8")


def test_a_long_message_keeps_its_rule_and_its_remedy():
    line = shorten_message("A rule. Received: " + "x" * 9000 + ". Remedy: do it.")
    assert line.startswith("A rule.")
    assert line.endswith("Remedy: do it.")
