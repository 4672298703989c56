import logging
import sys

import pytest

from maskfold.credentials import CensoringFormatter, censored, censored_tree


@pytest.mark.hostile("secrets")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See that http://anna:geheim@host:5000/x is up.", "See that http://***@host:5000/x is up."),
        ("https://token123@github.com/a/b.git", "https://***@github.com/a/b.git"),
        ("http://anna:g@h@im@host", "http://***@host"),
        ("http://anna:ge/heim@host/x", "http://***@host/x"),
        ("postgresql+psycopg2://anna:geheim@host/db", "postgresql+psycopg2://***@host/db"),
        ("{'uri': 'http://a:b@c', 'to': 'd@e'}", "{'uri': 'http://***@c', 'to': 'd@e'}"),
        ("https://s3/x?X-Amz-Signature=abc&part=2&token=def", "https://s3/x?X-Amz-Signature=***&part=2&token=***"),
        ("tracker.own.password=geheim: no such key.", "tracker.own.password=*** no such key."),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ],
)
def test_credentials_are_not_shown(text, shown):
    assert censored(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://host:5000/photos@2x/a.png",
        "s3://bucket/photos/a@b.jpg and anna@example.org",
        "rules.empty_token=-1 max_tokens=5 monkey=4",
        "trainer.batch_size: 0 is no number of images.",
        "data/x/folds.csv: car_01, car_02",
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert censored(text) == text


@pytest.mark.hostile("secrets")
def test_the_values_of_secret_variables_are_not_shown(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("SHORT_TOKEN", "studio")  # as it may stand in any message

    assert censored("key 0123456789abcdef of studio") == "key *** of studio"


def test_where_a_secret_lies_is_no_secret(monkeypatch, tmp_path):
    monkeypatch.setenv("PHOTOS_SECRET_DIR", str(tmp_path))
    assert censored(f"{tmp_path}/a.jpg") == f"{tmp_path}/a.jpg"


@pytest.mark.hostile("secrets")
def test_a_tree_is_censored_by_its_texts_and_its_keys():
    tree = {"a": [{"password": "x", "api_token": "y", "n": 3}, "http://u:p@h"], "empty_token": "-1", "secret": None}

    shown = {
        "a": [{"password": "***", "api_token": "***", "n": 3}, "http://***@h"],
        "empty_token": "-1",
        "secret": None,
    }
    assert censored_tree(tree) == shown


@pytest.mark.hostile("secrets")
def test_a_log_hides_them_in_arguments_and_tracebacks():
    try:
        raise ValueError("no answer from http://u:p@h")
    except ValueError:
        record = logging.LogRecord("x", logging.INFO, "", 0, "%s", ("http://u:p@h",), sys.exc_info())

    text = CensoringFormatter("%(message)s").format(record)
    assert "Traceback" in text
    assert "u:p" not in text
    assert text.count("http://***@h") == 3  # the message, the line of code, the error
