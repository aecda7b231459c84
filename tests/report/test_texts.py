"""Which words of a model mean that nothing abnormal happens."""

import pytest

from hiprobe.report.texts import says_normal


@pytest.mark.parametrize(
    "text",
    [
        "normal, people jog by",
        "Normal: a car waits.",
        '"Normal"',
        "Nothing abnormal happens in this clip.",
        "No abnormal activity is visible.",
        "No anomalies.",
        "The video shows a street. Everything looks normal.",
        "The traffic appears to be normal.",
        "I see people walking. There is nothing unusual.",
    ],
)
def test_words_for_normal(text: str) -> None:
    assert says_normal(None, text)
    assert says_normal(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abnormal",
        "Abnormal: a person falls.",
        "A person falls.",
        "This is not normal: a man runs against traffic.",
        "The behaviour does not look normal.",
        "An unusual object; nobody is near it.",
        "Normally closed doors are open.",
    ],
)
def test_words_for_an_anomaly(text: str) -> None:
    assert not says_normal(text, text)
