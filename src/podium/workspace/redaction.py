"""Blot secrets out of what is recorded of a process: its arguments, the store's URL, the diff of its code.

By name (``--api-key ...``, ``password=...``) and by shape: tokens that their makers gave a prefix so that they can be
found. On the side of caution: what is called a key is one. Pure, and knows nothing of runs.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable

__all__ = ["redacted_arguments", "redacted_text", "redacted_url"]

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
# `name = value` and `"name": "value"`, in code, JSON, YAML and connection strings.
_NAMED = re.compile(
    r"""(?P<kept>(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)["']?\s*(?::=|[:=])\s*)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;&"'(){}\[\]]+)""",
)
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]*@")
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
    text = _tokens().sub(_BLOT, _USERINFO.sub(rf"\g<scheme>{_BLOT}@", text))
    text = _BEARER.sub(rf"\g<kept>{_BLOT}", text)
    return _NAMED.sub(_blot_named, text)


@functools.cache
def _tokens() -> re.Pattern[str]:
    # Compiled when it is first needed: it takes milliseconds, and importing podium must not.
    return re.compile(_TOKENS, re.VERBOSE)


def _blot_named(found: re.Match[str]) -> str:
    value = found["value"]
    if not is_secret_name(found["name"]) or not value.strip("\"'"):
        return found[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found['kept']}{quote}{_BLOT}{quote}"


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
