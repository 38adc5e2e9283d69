"""What a run says of the process that made it: interpreter, machine, script, commit, packages, scheduler.

No value of an environment variable is recorded but those of a closed table of scheduler ids; secrets in arguments and
URLs are blotted out, and absolute paths lose their folders. Starts no process: the commit is read from git's files.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from podium.identity import host_name
from podium.workspace.gitstate import checkout_here
from podium.workspace.redaction import redacted_arguments

__all__ = ["packages", "surroundings"]

_SCHEDULERS = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_PROCID",
    "SLURM_RESTART_COUNT",
    "PBS_JOBID",
    "PBS_ARRAY_INDEX",
    "LSB_JOBID",
    "LSB_JOBINDEX",
    "JOB_ID",
    "SGE_TASK_ID",
    "JOB_COMPLETION_INDEX",
    "POD_NAME",
    "POD_NAMESPACE",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "GITHUB_RUN_ID",
    "CI_JOB_ID",
    "BUILD_NUMBER",
    "AIRFLOW_CTX_DAG_ID",
    "AIRFLOW_CTX_DAG_RUN_ID",
    "AIRFLOW_CTX_TASK_ID",
    "AIRFLOW_CTX_TRY_NUMBER",
    "ARGO_WORKFLOW_NAME",
    "RAY_JOB_ID",
    "KFP_RUN_ID",
    "PREFECT__FLOW_RUN_ID",
)
_LONGEST = 500
_LONGEST_VERSION = 60


def surroundings() -> Mapping[str, str]:
    """Facts about this process as it is now, all text."""
    return {**_process_facts(), **_job_facts(), **checked_out(), **packages()}


@functools.cache
def _process_facts() -> Mapping[str, str]:
    """What does not change in the life of a process."""
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    facts = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": " ".join(filter(None, (sys.platform, machine))),
        "script": os.path.basename(sys.argv[0]) if sys.argv else "",
        "arguments": " ".join(redacted_arguments(sys.argv[1:]))[:_LONGEST],
    }
    return {name: text for name, text in facts.items() if text}


def _job_facts() -> Mapping[str, str]:
    """What schedulers say: read anew, for launchers set a rank after the fork, and after an earlier run."""
    facts = {name.lower(): os.environ.get(name, "")[:100] for name in _SCHEDULERS}
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        facts["pod"] = host_name()  # inside a pod that is its name
    return {name: text for name, text in facts.items() if text}


def checked_out() -> Mapping[str, str]:
    """Commit and branch of the folder this process is in."""
    checkout = checkout_here()
    if checkout is None:
        return {}
    facts = {"git_commit": checkout.commit, "git_branch": checkout.branch}
    return {name: text for name, text in facts.items() if text}


class _Packages:
    """The last look; a look is repeated when the number of modules has changed."""

    modules = -1
    found: Mapping[str, str] = MappingProxyType({})


_packages = _Packages()


def packages() -> Mapping[str, str]:
    """The version of each package that is imported now, as ``packages.<module>``: as far as the module says one."""
    if len(sys.modules) != _packages.modules:
        _packages.modules = len(sys.modules)
        versions = {
            name: vars(module).get("__version__")
            for name, module in list(sys.modules.items())
            if "." not in name and name not in sys.stdlib_module_names and isinstance(module, ModuleType)
        }
        _packages.found = {
            f"packages.{name}": version[:_LONGEST_VERSION]
            for name, version in sorted(versions.items())
            if isinstance(version, str) and not name.startswith("_")
        }
    return _packages.found
