"""What is recorded of a process holds none of its secrets."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.workspace.redaction import (
    is_secret_name,
    redacted_arguments,
    redacted_text,
    redacted_url,
    without_folders,
)

# Made up, of the shapes that their makers document; the second half of each is what must be gone. They are put together
# here so that no scanner takes this file for a leak.
BODY = "Zq7Rk2Lm9Xv4Tb8Wn3Pd6Yc1Hf5Js0Gu"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SHAPES = {
    "AWS": "AKIA" + "IOSFODNN7ABCDEFG",
    "AWS session": "ASIA" + "IOSFODNN7ABCDEFG",
    "GitHub": "ghp_" + BODY + "abcd",
    "GitHub app": "ghs_" + BODY + "abcd",
    "GitHub fine-grained": "github_pat_" + BODY + "_" + BODY,
    "GitLab": "glpat-" + BODY[:20],
    "Slack": "xoxb-" + "123456789012-" + BODY[:24],
    "OpenAI": "sk-" + BODY + BODY[:16],
    "OpenAI project": "sk-proj-" + BODY,
    "Anthropic": "sk-ant-api03-" + BODY,
    "Hugging Face": "hf_" + BODY,
    "Google": "AIza" + BODY + "abc",
    "Google OAuth": "ya29." + BODY,
    "JWT": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + BODY,
    "Stripe": "sk_live_" + BODY,
    "npm": "npm_" + BODY + "abcd",
    "PyPI": "pypi-" + BODY + BODY,
    "DigitalOcean": "dop_v1_" + HEX,
    "SendGrid": "SG." + BODY[:22] + "." + BODY,
    "Databricks": "dapi" + HEX[:32],
    "Docker": "dckr_pat_" + BODY[:27],
    "Vault": "hvs." + BODY,
    "NVIDIA": "nvapi-" + BODY,
}


@pytest.mark.parametrize("token", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "around",
    ["{}", "x {} y", "curl -H 'X-Thing: {}'", "a={};", '{{"a": "{}"}}', "('{}',)", "https://host/{}/x"],
)
def test_a_token_is_blotted_out_wherever_it_stands(token: str, around: str) -> None:
    shown = redacted_text(around.format(token))

    assert "***" in shown
    assert not any(token[at : at + 12] in shown for at in range(4, len(token) - 12))


@pytest.mark.parametrize("token", SHAPES.values(), ids=SHAPES)
def test_a_token_in_an_argument_is_blotted_out_whatever_the_option_is_called(token: str) -> None:
    for arguments in ([token], ["--anything", token], [f"--anything={token}"], [f"anything={token}"]):
        assert token[8:] not in " ".join(redacted_arguments(arguments))


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_password", "DB-PASSWORD", "dbPassword", "passwd", "pwd", "secret",
        "client_secret", "token", "hf_token", "accessToken", "api_key", "apikey", "API-KEY",
        "wandb.api_key", "key", "private_key", "ssh-key", "aws_secret_access_key", "AccountKey",
        "credentials", "auth", "proxy-auth", "authorization", "sig", "SAS_SIGNATURE", "dsn", "cookie",
    ],
)  # fmt: skip
def test_what_is_called_like_a_secret_is_one(name: str) -> None:
    assert is_secret_name(name)
    assert redacted_arguments([f"--{name}", "hunter2"]) == [f"--{name}", "***"]
    assert redacted_arguments([f"--{name}=hunter2"]) == [f"--{name}=***"]
    assert redacted_arguments([f"{name}=hunter2"]) == [f"{name}=***"]
    for text in (f"{name}=hunter2", f"{name}: hunter2", f'{name} = "hunter2"', json.dumps({name: "hunter2"})):
        assert "hunter2" not in redacted_text(text)
        assert name in redacted_text(text)


@pytest.mark.parametrize(
    "name",
    [
        "lr", "tokenizer", "max_tokens", "num-tokens", "author", "authors", "sort_key", "metric-key",
        "monkey", "keyboard", "keys", "signal", "passes", "n_passes", "bypass", "compass", "patience",
        "path", "num_keys", "design", "sigma", "secretary",
    ],
)  # fmt: skip
def test_what_is_only_spelled_alike_is_kept(name: str) -> None:
    assert not is_secret_name(name)
    assert redacted_arguments([f"--{name}", "512"]) == [f"--{name}", "512"]
    assert redacted_text(f"{name} = 512") == f"{name} = 512"


def test_a_private_key_is_blotted_out_whole() -> None:
    begin, end = "-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"

    assert redacted_text(f"before\n{begin}\nabc\ndef\n{end}\nafter") == "before\n***\nafter"
    assert redacted_text(f"before\n{begin}\nabc") == "before\n***"


def test_headers_and_connection_strings_lose_their_secrets() -> None:
    assert redacted_text("X-Auth: Bearer abcdefghijkl").endswith("***")
    assert redacted_text("Authorization: Basic YWRhOmh1bnRlcjI=").count("***") >= 1
    assert "hunter2" not in redacted_text("Server=db;User=ada;Password=hunter2;Port=1")
    assert redacted_text("Server=db;Port=1") == "Server=db;Port=1"
    assert redacted_text("postgres://ada:hunter2@host/db") == "postgres://***@host/db"


def test_a_url_keeps_what_is_no_secret() -> None:
    assert redacted_url("s3://key:secret@bucket/prefix?token=abc") == "s3://***@bucket/prefix?token=***"
    assert redacted_url("memory:") == "memory:"
    assert redacted_url("/a/folder?x=1") == "/a/folder?x=1"


def test_absolute_paths_lose_their_folders() -> None:
    assert redacted_arguments(["/home/ada/data.csv", "--out=/tmp/x/y"]) == [".../data.csv", "--out=.../y"]


def test_a_secret_option_without_a_value_blots_out_no_other_option() -> None:
    assert redacted_arguments(["--secret", "--verbose"]) == ["--secret", "--verbose"]
    assert redacted_arguments(["--password", "-hunter2"]) == ["--password", "***"]


@given(st.text(alphabet=string.ascii_letters + string.digits + " _-=.,:/'\"", max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redacted_text(text)

    assert redacted_text(once) == once


@given(st.text(max_size=300))
def test_any_text_is_answered_in_time_and_loses_no_line(text: str) -> None:
    assert redacted_text(text).count("\n") == text.count("\n") or "PRIVATE KEY" in text


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: password=hunter2",
        "OperationalError: connection: password: hunter2",
        "KeyError: 'token: hunter2'",
        "12:token=hunter2",
        'body {\\"password\\": \\"hunter2\\"}',
        "postgres://ada:p@ss:hunter2@db/prod",
    ],
)
def test_a_secret_behind_another_name_was_taken_for_that_names_value(text: str) -> None:
    assert "hunter2" not in redacted_text(text)


@pytest.mark.parametrize("unit", ["a", "a.b-", "a=", "://a", "a: ", "/a", "'/"])
def test_a_long_text_without_a_break_was_gone_through_once_a_character(unit: str) -> None:
    # A million characters: if each were a new beginning, this test would not come to its end.
    text = unit * (1_000_000 // len(unit))

    assert redacted_text(without_folders(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('  File "/home/ada/my project/train.py", line 3, in f', '  File "train.py", line 3, in f'),
        ('  File "/elsewhere/a b/train.py", line 3, in f', '  File ".../train.py", line 3, in f'),
        ('File "/v/lib/python3.11/site-packages/sklearn/base.py"', 'File "site-packages/sklearn/base.py"'),
        ("No such file or directory: '/data/secret/x.csv'", "No such file or directory: '.../x.csv'"),
        ("cannot read /data/secret/x.csv: gone", "cannot read .../x.csv: gone"),
        (r"cannot read C:\Users\ada\x.csv", "cannot read .../x.csv"),
        (r"no file: 'C:\\Users\\ada\\x.csv'", "no file: '.../x.csv'"),
        ("s3://bucket/a/b.csv", "s3://bucket/a/b.csv"),
        ("1/2/3 and a / b and </html>", "1/2/3 and a / b and </html>"),
    ],
)
def test_paths_in_a_text_are_told_from_here_or_by_their_names(text: str, told: str) -> None:
    assert without_folders(text, "/home/ada/my project") == told
