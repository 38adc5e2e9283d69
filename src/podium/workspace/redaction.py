"""Blot secrets out of what is recorded of a process: its arguments, the store's URL, the diff of its code, its error.

By name (``--api-key ...``, ``password=...``) and by shape: tokens that their makers gave a prefix so that they can be
found. On the side of caution: what is called a key is one. Pure, and knows nothing of runs.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable

__all__ = ["redacted_arguments", "redacted_text", "redacted_url", "without_folders"]

_BLOT = "***"

_SECRET_WORDS = frozenset({
    "pass", "passwd", "password", "passphrase", "pwd", "secret", "secrets", "token", "credential",
    "credentials", "apikey", "accesskey", "authkey", "secretkey", "privatekey", "authorization", "bearer",
    "cookie", "sig", "signature", "pat", "dsn", "jwt",
})  # fmt: skip
# Which "key" is none: what data are sorted, joined, found or attended by.
_PLAIN_KEYS = frozenset({
    "sort", "order", "group", "primary", "foreign", "metric", "monitor", "partition", "column", "index",
    "label", "image", "text", "target", "feature", "input", "output", "query", "value", "hot", "data",
    "dict", "batch", "random", "seed", "cache", "num", "n", "max", "min",
})  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SHORTEST_TOKEN = 12
# Documented prefixes and forms; the part after the prefix is what must not be kept.
_TOKENS = r"""
      \b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b                              # AWS access key ids
    | \bgh[pousr]_[A-Za-z0-9]{20,}                                         # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{20,}
    | \bgl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-[A-Za-z0-9_-]{16,}          # GitLab
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,}                                     # Slack
    | \bhooks\.slack\.com/services/[A-Za-z0-9/]+
    | \bsk-[A-Za-z0-9_-]{16,}                                              # OpenAI, Anthropic and others
    | \bhf_[A-Za-z0-9]{20,}                                                # Hugging Face
    | \bAIza[A-Za-z0-9_-]{30,}                                             # Google
    | \bya29\.[A-Za-z0-9_-]{20,}
    | \bGOCSPX-[A-Za-z0-9_-]{20,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*            # JSON web tokens (RFC 7519)
    | \b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}                               # Stripe
    | \bnpm_[A-Za-z0-9]{30,}
    | \bpypi-[A-Za-z0-9_-]{30,}
    | \bdo[opr]_v1_[a-f0-9]{40,}                                           # DigitalOcean
    | \bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}                         # SendGrid
    | \bdapi[a-f0-9]{32}(?:-\d)?\b                                         # Databricks
    | \bdckr_pat_[A-Za-z0-9_-]{20,}                                        # Docker
    | \bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b                               # Shopify
    | \bhvs\.[A-Za-z0-9_-]{20,}                                            # Vault
    | \b(?:nvapi|lin_api|glsa|dp\.pt|r8|gsk|xai|pplx|key)[-_.][A-Za-z0-9_-]{24,}
    | -----BEGIN\ (?:[A-Z]+\ )?PRIVATE\ KEY-----(?:.|\n)*?(?:-----END\ (?:[A-Z]+\ )?PRIVATE\ KEY-----|\Z)
    """
_BEARER = re.compile(r"(?i)\b(?P<kept>(?:bearer|basic)\s+)[A-Za-z0-9._~+/-]{8,}=*")
# `name = value` and `"name": "value"`, in code, JSON, YAML and connection strings. The value is looked at only behind a
# name that is a secret's: "ValueError: password=..." names two things. Lengths are bounded, and nothing is tried twice
# (the possessive `+`), so that a text without a break takes no longer than any other.
_NAME_BEFORE = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,99}+)\\?+["']?+\s{0,20}+(?::=|[:=])\s{0,20}+"""
)
_VALUE = re.compile(r"""\\?"[^"\n]*"|\\?'[^'\n]*'|[^\s,;&"'(){}\[\]]+""")
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30}+://)[^/\s]*@")
_ROOT = r"(?:/|[A-Za-z]:[\\/]+|\\\\)"
_STOPS = r"\s\"'`,;:<>(){}\[\]|"
# An absolute path in quotes may hold spaces; a bare one ends where a sentence would go on.
_QUOTED_PATH = re.compile(rf"""(?P<quote>["'])(?P<path>{_ROOT}[^"'\n]*)(?P=quote)""")
_BARE_PATH = re.compile(
    rf"(?<![\w.:/<~*\\\"'-])(?P<path>{_ROOT}(?:[^{_STOPS}\\/]++[\\/]++)+[^{_STOPS}\\/]*+)"
)
_PACKAGES = re.compile(r"[\\/]((?:site|dist)-packages[\\/].*)", re.DOTALL)
_QUERY_VALUE = re.compile(r"(?P<name>[?&;][^=&;#\s]+=)[^&;#\s]*")


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name is a secret: an option, a variable, a field."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    if any(word in _SECRET_WORDS for word in words):
        return True
    return words[-1] in ("key", "auth") and not any(word in _PLAIN_KEYS for word in words[:-1])


def redacted_text(text: str) -> str:
    """Text without the secrets that can be told by their shape or their name."""
    text = _USERINFO.sub(rf"\g<scheme>{_BLOT}@", text)
    if len(text) >= _SHORTEST_TOKEN:
        text = _tokens().sub(_BLOT, text)
    text = _BEARER.sub(rf"\g<kept>{_BLOT}", text)
    return _without_named(text)


def _without_named(text: str) -> str:
    parts: list[str] = []
    done = at = 0
    while found := _NAME_BEFORE.search(text, at):
        at = found.end()
        value = _VALUE.match(text, at) if is_secret_name(found["name"]) else None
        if value is None or not value[0].strip("\\\"'"):
            continue
        quote = value[0][0] if value[0][0] in "\"'" else ""
        parts += [text[done:at], quote, _BLOT, quote]
        done = at = value.end()
    return "".join([*parts, text[done:]])


@functools.cache
def _tokens() -> re.Pattern[str]:
    # Compiled when it is first needed: it takes milliseconds, and importing podium must not.
    return re.compile(_TOKENS, re.VERBOSE)


def redacted_url(url: str) -> str:
    """A URL without user, password and query values; anything else as it is."""
    if "://" not in url:
        return url
    return _QUERY_VALUE.sub(rf"\g<name>{_BLOT}", _USERINFO.sub(rf"\g<scheme>{_BLOT}@", url))


def redacted_arguments(arguments: Iterable[str]) -> list[str]:
    """Arguments of a command without secrets and without the folders of absolute paths."""
    shown: list[str] = []
    secret_next = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        is_option = name.startswith("-")
        if secret_next and not (is_option and name.startswith("--")):
            shown.append(_BLOT)
        elif equals and is_secret_name(name):
            shown.append(f"{name}={_BLOT}")
        elif equals and is_option:
            shown.append(f"{name}={_shown(value)}")
        else:
            shown.append(_shown(argument))
        secret_next = is_option and not equals and is_secret_name(name)
    return shown


def _shown(text: str) -> str:
    if os.path.isabs(text):
        return f".../{os.path.basename(text.rstrip('/'))}"
    return redacted_text(redacted_url(text))


def without_folders(text: str, here: str = "") -> str:
    """Text in which absolute paths have lost their folders, but those below ``here`` and among installed packages.

    Args:
        text: an error, a traceback.
        here: the folder that paths may be told from; "": none.
    """

    def shown(found: re.Match[str]) -> str:
        quote = found.groupdict().get("quote", "")
        return f"{quote}{_told_from(found['path'], here)}{quote}"

    return _BARE_PATH.sub(shown, _QUOTED_PATH.sub(shown, text))


def _told_from(path: str, here: str) -> str:
    inside = path[len(here) + 1 :] if here and path.startswith((f"{here}/", f"{here}\\")) else ""
    if inside:
        return inside
    installed = _PACKAGES.search(path)
    if installed:
        return installed[1]
    *folders, name = re.split(r"[\\/]+", path.rstrip("\\/"))
    return f".../{name}" if any(folders) else path
