"""What a run says of the process that made it: interpreter, machine, script, commit, scheduler.

No value of an environment variable is recorded but those of a closed table of scheduler ids; secrets in arguments and
URLs are blotted out, and absolute paths lose their folders. Starts no process: the commit is read from git's files.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["commit_of", "host_name", "redacted_arguments", "redacted_url", "surroundings", "user_name"]

_SCHEDULERS = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_PROCID",
    "PBS_JOBID",
    "LSB_JOBID",
    "JOB_ID",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "GITHUB_RUN_ID",
    "CI_JOB_ID",
    "BUILD_NUMBER",
    "AIRFLOW_CTX_DAG_RUN_ID",
    "ARGO_WORKFLOW_NAME",
    "RAY_JOB_ID",
)
_SECRET_NAME = re.compile(r"(?i)pass|secret|token|key|credential|auth|sig")
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]*@")
_QUERY_VALUE = re.compile(r"(?P<name>[?&;][^=&;#\s]+=)[^&;#\s]*")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_LONGEST = 500


@functools.cache
def surroundings() -> Mapping[str, str]:
    """Facts about this process, all text; the same for all its runs."""
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    facts = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": " ".join(filter(None, (sys.platform, machine))),
        "script": os.path.basename(sys.argv[0]) if sys.argv else "",
        "arguments": " ".join(redacted_arguments(sys.argv[1:]))[:_LONGEST],
        "git_commit": commit_of(Path(os.curdir)) or "",
    }
    facts.update({name.lower(): os.environ.get(name, "")[:100] for name in _SCHEDULERS})
    return {name: text for name, text in facts.items() if text}


def user_name() -> str:
    """Who is acting: ``PODIUM_USER``, else the login name, else nobody in particular."""
    named = os.environ.get("PODIUM_USER")
    if named:
        return named
    return _login_name()


@functools.cache
def _login_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this number: containers run like that
        return "unknown"


@functools.cache
def host_name() -> str:
    """The name of this machine."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    return os.environ.get("COMPUTERNAME", "")


def redacted_url(url: str) -> str:
    """A URL without user, password and query values; anything else as it is."""
    return _QUERY_VALUE.sub(r"\g<name>***", _USERINFO.sub(r"\g<scheme>***@", url)) if "://" in url else url


def redacted_arguments(arguments: Iterable[str]) -> list[str]:
    """Arguments of a command without secrets and without the folders of absolute paths."""
    shown: list[str] = []
    secret_next = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        is_option = name.startswith("-")
        if secret_next and not is_option:
            shown.append("***")
        elif equals and _SECRET_NAME.search(name):
            shown.append(f"{name}=***")
        elif equals and is_option:
            shown.append(f"{name}={_without_folders(value)}")
        else:
            shown.append(_without_folders(argument))
        secret_next = is_option and not equals and _SECRET_NAME.search(name) is not None
    return shown


def _without_folders(text: str) -> str:
    if os.path.isabs(text):
        return f".../{os.path.basename(text.rstrip('/'))}"
    return redacted_url(text)


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out where ``folder`` lies, or None where git knows nothing of it."""
    try:
        folder = folder.resolve()
        repository = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
        commit = _head(repository / ".git") if repository else None
    except (OSError, ValueError):  # no permission, no text, no folder: as if there were no repository
        return None
    return commit if commit and _COMMIT.fullmatch(commit) else None


def _head(git: Path) -> str | None:
    if git.is_file():  # a worktree or submodule
        git = git.parent / git.read_text().partition(":")[2].strip()
    if not (git / "HEAD").is_file():
        return None
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    reference = head.partition(":")[2].strip()
    shared = git / "commondir"
    places = [git, git / shared.read_text().strip()] if shared.is_file() else [git]
    for place in places:
        if (place / reference).is_file():
            return (place / reference).read_text().strip()
        packed = place / "packed-refs"
        lines = packed.read_text().splitlines() if packed.is_file() else []
        for line in lines:
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    return None
