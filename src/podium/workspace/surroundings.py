"""What a run says of the process that made it: interpreter, machine, script, commit, scheduler.

No value of an environment variable is recorded but those of a closed table of scheduler ids; secrets in arguments and
URLs are blotted out, and absolute paths lose their folders. Starts no process: the commit is read from git's files.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from podium.workspace.gitstate import checkout_of
from podium.workspace.redaction import redacted_arguments

__all__ = ["host_name", "surroundings", "user_name"]

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
_LONGEST = 500


@functools.cache
def surroundings() -> Mapping[str, str]:
    """Facts about this process, all text; the same for all its runs."""
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    checkout = checkout_of(Path(os.curdir))
    facts = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": " ".join(filter(None, (sys.platform, machine))),
        "script": os.path.basename(sys.argv[0]) if sys.argv else "",
        "arguments": " ".join(redacted_arguments(sys.argv[1:]))[:_LONGEST],
        "git_commit": checkout.commit if checkout else "",
        "git_branch": checkout.branch if checkout else "",
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
