from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from podium.errors import Corrupt, Invalid, NotFound, PodiumWarning, Refused, StoreError
from podium.stores import Key, LocalStore, MemoryStore, Retrying
from podium.stores import places as places_module
from podium.stores.header import ensure_header
from podium.stores.noted import notes_file
from podium.stores.places import Place, claim, find_place, may_run_code, trust

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX file systems")


@pytest.fixture
def project(home: Path) -> Path:
    folder = home / "project"
    folder.mkdir()
    return folder


def _forget_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process of this user would see it."""
    monkeypatch.setattr(places_module, "_made_by_this_process", set())


def _made(folder: Path, environ: dict[str, str]) -> Path:
    """A store that this user made in the folder."""
    claim(LocalStore(folder / ".podium"), environ=environ)
    return folder / ".podium"


def _foreign(folder: Path) -> Path:
    """A store that somebody else made, and that came here."""
    store = LocalStore(folder / ".podium")
    ensure_header(store)
    store.put(Key.parse("models/fraud/index.json"), b"hostile")
    return folder / ".podium"


# which store


def test_without_anything_it_is_a_store_in_this_folder_that_the_first_write_makes(
    project: Path, environ: dict[str, str]
) -> None:
    place = find_place(cwd=project, environ=environ)

    assert place == Place(str(project / ".podium"), "absent")
    assert [*project.iterdir()] == []


def test_what_the_caller_names_comes_first_then_the_variable_then_the_folder(
    project: Path, environ: dict[str, str]
) -> None:
    found = _made(project, environ)
    variable = {**environ, "PODIUM_STORE": str(project / "variable")}

    assert find_place(project / "named", cwd=project, environ=variable) == Place(
        str(project / "named"), "named"
    )
    assert find_place(cwd=project, environ=variable) == Place(str(project / "variable"), "named")
    assert find_place(cwd=project, environ={**environ, "PODIUM_STORE": ""}) == Place(str(found), "made")
    assert find_place(cwd=project, environ=environ) == Place(str(found), "made")


def test_a_named_path_counts_from_this_folder_and_a_url_stays(project: Path, environ: dict[str, str]) -> None:
    assert find_place("runs", cwd=project, environ=environ).url == str(project / "runs")
    assert find_place(Path("runs"), cwd=project, environ=environ).url == str(project / "runs")
    assert find_place("memory:", cwd=project, environ=environ).url == "memory:"
    assert isinstance(find_place("memory:", cwd=project, environ=environ).open(), MemoryStore)


def test_the_nearest_store_upwards_is_found(project: Path, environ: dict[str, str]) -> None:
    outer = _made(project, environ)
    deep = project / "src" / "deep"
    deep.mkdir(parents=True)
    assert find_place(cwd=deep, environ=environ).url == str(outer)

    inner = _made(project / "src", environ)

    assert find_place(cwd=deep, environ=environ).url == str(inner)


def test_a_store_in_the_home_folder_is_found_and_one_above_is_not(
    tmp_path: Path, home: Path, project: Path, environ: dict[str, str]
) -> None:
    _foreign(tmp_path)
    assert find_place(cwd=project, environ=environ).origin == "absent"

    in_home = _made(home, environ)

    assert find_place(cwd=project, environ=environ).url == str(in_home)


def test_the_search_does_not_leave_the_disk_it_began_on(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "mounted"
    (disk / "work").mkdir(parents=True)
    _foreign(tmp_path)
    really_stat = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        status = really_stat(self, follow_symlinks=follow_symlinks)
        if not self.is_relative_to(disk):
            return status
        return os.stat_result([*status[:2], status.st_dev + 1, *status[3:]])

    monkeypatch.setattr(Path, "stat", stat)
    assert find_place(cwd=disk / "work", environ=environ).origin == "absent"
    ensure_header(LocalStore(disk / ".podium"))

    assert find_place(cwd=disk / "work", environ=environ).url == str(disk / ".podium")


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system of Linux")
def test_the_search_does_not_leave_a_file_system_that_is_mounted(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    _foreign(tmp_path)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        (disk / "work").mkdir()
        assert find_place(cwd=disk / "work", environ=environ).origin == "absent"
        ensure_header(LocalStore(disk / ".podium"))
        assert find_place(cwd=disk / "work", environ=environ).url == str(disk / ".podium")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@posix_only
def test_a_link_is_followed_to_the_place_it_leads_to(
    tmp_path: Path, project: Path, environ: dict[str, str]
) -> None:
    disk = _made(tmp_path / "disk", environ)
    (project / ".podium").symlink_to(disk)

    assert find_place(cwd=project, environ=environ) == Place(str(disk), "made")


@posix_only
def test_a_link_to_a_foreign_store_is_trusted_no_more_than_the_store(
    tmp_path: Path, project: Path, environ: dict[str, str]
) -> None:
    (project / ".podium").symlink_to(_foreign(tmp_path / "disk"))

    assert find_place(cwd=project, environ=environ).origin == "found"


@pytest.mark.parametrize("what", ["file", "link to nowhere"])
def test_a_podium_that_is_no_folder_is_refused_with_advice(
    project: Path, environ: dict[str, str], what: str
) -> None:
    if what == "file":
        (project / ".podium").write_text("")
    else:
        (project / ".podium").symlink_to(project / "unmounted")

    with pytest.raises(Invalid, match=r"no folder.*PODIUM_STORE"):
        find_place(cwd=project, environ=environ)


@posix_only
def test_a_store_of_another_owner_is_refused_until_it_is_named_or_trusted(
    project: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = _foreign(project)
    owner = os.stat(theirs).st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(
        Refused, match=rf"belongs to another user \(number {owner};.*PODIUM_STORE.*podium trust"
    ):
        find_place(cwd=project, environ=environ)
    assert find_place(theirs, cwd=project, environ=environ).origin == "named"
    trust(theirs, environ=environ)
    assert find_place(cwd=project, environ=environ).origin == "made"


def test_a_store_of_a_newer_podium_or_a_damaged_one_is_told_at_once(
    project: Path, environ: dict[str, str]
) -> None:
    header = _foreign(project) / "podium.json"
    header.write_text(json.dumps({"format": 2, "store_id": "0" * 32, "needs": []}))
    with pytest.raises(StoreError, match="upgrade"):
        find_place(cwd=project, environ=environ)

    header.write_text("{")
    with pytest.raises(Corrupt):
        find_place(cwd=project, environ=environ)


# whose code


def test_a_store_that_this_user_made_here_may_run_code_also_in_later_processes(
    project: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = find_place(cwd=project, environ=environ)
    assert not may_run_code(place, environ=environ)

    claim(place.open(), environ=environ)
    _forget_this_process(monkeypatch)

    assert may_run_code(place, environ=environ)
    assert find_place(cwd=project, environ=environ).origin == "made"


def test_a_store_that_was_merely_found_may_not_run_code(project: Path, environ: dict[str, str]) -> None:
    _foreign(project)
    place = find_place(cwd=project, environ=environ)

    assert place.origin == "found"
    assert not may_run_code(place, environ=environ)


def test_writing_to_a_store_that_was_found_does_not_make_it_ones_own(
    project: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _foreign(project)
    place = find_place(cwd=project, environ=environ)
    claim(place.open(), environ=environ)
    place.open().put(Key.parse("experiments/e/experiment.json"), b"{}")

    for _ in range(2):
        assert not may_run_code(place, environ=environ)
        _forget_this_process(monkeypatch)
    assert not notes_file(environ).exists()


def test_a_foreign_store_that_hides_its_header_does_not_become_ones_own(
    project: Path, environ: dict[str, str]
) -> None:
    (_foreign(project) / "podium.json").unlink()
    place = find_place(cwd=project, environ=environ)
    assert place.origin == "found"

    claim(place.open(), environ=environ)

    assert (project / ".podium" / "podium.json").exists()
    assert not may_run_code(place, environ=environ)


def test_an_empty_folder_is_as_good_as_none(project: Path, environ: dict[str, str]) -> None:
    (project / ".podium").mkdir()
    place = find_place(cwd=project, environ=environ)
    assert place.origin == "absent"

    claim(place.open(), environ=environ)

    assert may_run_code(place, environ=environ)


def test_a_store_that_another_process_is_just_making_is_still_empty(
    project: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".podium").mkdir()
    (project / ".podium" / f".~{'0' * 20}.tmp").write_bytes(b"half a header")
    place = find_place(cwd=project, environ=environ)
    assert place.origin == "absent"

    claim(place.open(), environ=environ)
    _forget_this_process(monkeypatch)

    assert may_run_code(place, environ=environ)


def test_deleting_ones_own_store_and_cloning_a_hostile_one_to_its_place_gains_nothing(
    project: Path, environ: dict[str, str]
) -> None:
    own = _made(project, environ)
    place = find_place(cwd=project, environ=environ)
    assert may_run_code(place, environ=environ)

    shutil.rmtree(own)
    _foreign(project)

    assert not may_run_code(place, environ=environ)
    assert find_place(cwd=project, environ=environ).origin == "found"


def test_a_copy_of_ones_own_store_elsewhere_is_merely_found(project: Path, environ: dict[str, str]) -> None:
    own = _made(project, environ)
    shutil.copytree(own, project / "clone" / ".podium")

    assert find_place(cwd=project / "clone", environ=environ).origin == "found"


def test_nothing_in_a_store_widens_trust(project: Path, environ: dict[str, str]) -> None:
    theirs = _foreign(project)
    store_id = json.loads((theirs / "podium.json").read_bytes())["store_id"]
    claims = {"format": 1, "stores": [{"path": str(theirs), "store_id": store_id}]}
    for folder in (theirs, theirs / "podium", project / ".config" / "podium"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stores.json").write_text(json.dumps(claims))
    (theirs / "podium.json").write_text(
        json.dumps({"format": 1, "store_id": store_id, "needs": [], "trust": True, "origin": "made"})
    )

    assert find_place(cwd=project, environ=environ).origin == "found"


def test_a_named_store_may_run_code_whoever_made_it(project: Path, environ: dict[str, str]) -> None:
    theirs = _foreign(project)

    assert may_run_code(find_place(theirs, environ=environ), environ=environ)
    assert may_run_code(find_place(cwd=project, environ={**environ, "PODIUM_STORE": str(theirs)}))
    assert not may_run_code(find_place(cwd=project, environ=environ), environ=environ)


def test_a_store_made_under_a_name_is_ones_own_when_it_is_found_later(
    project: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(Retrying(find_place(project / ".podium", environ=environ).open()), environ=environ)
    _forget_this_process(monkeypatch)

    assert find_place(cwd=project, environ=environ).origin == "made"


def test_a_store_in_memory_is_made_without_a_note(environ: dict[str, str]) -> None:
    store = MemoryStore()

    assert claim(store, environ=environ) == claim(store, environ=environ)
    assert not notes_file(environ).exists()


def _without_configuration() -> dict[str, str]:
    mine = {"XDG_CONFIG_HOME", "APPDATA", "PODIUM_STORE"}
    return {name: value for name, value in os.environ.items() if name not in mine}


def test_two_processes_that_make_one_store_at_once_both_may_run_its_code(
    project: Path, environ: dict[str, str]
) -> None:
    program = """
import sys
from pathlib import Path
from podium.stores.places import claim, find_place, may_run_code
place = find_place(cwd=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(claim(place.open()).store_id, may_run_code(place))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(project)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**_without_configuration(), **environ},
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]

    assert len(set(answers)) == 1
    assert answers[0].endswith(" True\n")


@pytest.mark.parametrize("what", ["a file in the way", "damaged notes", "no home"])
def test_a_configuration_that_cannot_be_written_warns_once_and_stops_nothing(
    project: Path,
    home: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    if what == "a file in the way":
        (home / ".config").write_text("")
        (home / "AppData").write_text("")
    elif what == "damaged notes":
        notes_file(environ).parent.mkdir(parents=True)
        notes_file(environ).write_text("{")
    else:
        environ = {}
        monkeypatch.setattr(Path, "home", _no_home)
    place = find_place(cwd=project, environ=environ)

    with pytest.warns(PodiumWarning, match="later ones must name it") as warnings:
        claim(place.open(), environ=environ)
    claim(place.open(), environ=environ)

    assert len(warnings) == 1
    assert may_run_code(place, environ=environ)
    _forget_this_process(monkeypatch)
    assert not may_run_code(place, environ=environ)


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


# podium trust


def test_trust_takes_the_store_or_the_folder_that_holds_it(project: Path, environ: dict[str, str]) -> None:
    theirs = _foreign(project)
    for path in (theirs, project, str(project)):
        notes_file(environ).unlink(missing_ok=True)
        assert find_place(cwd=project, environ=environ).origin == "found"

        assert trust(path, environ=environ) == Place(str(theirs), "made")

        assert find_place(cwd=project, environ=environ).origin == "made"
        assert may_run_code(find_place(cwd=project, environ=environ), environ=environ)


def test_trust_is_for_this_store_at_this_place(project: Path, environ: dict[str, str]) -> None:
    theirs = _foreign(project)
    trust(theirs, environ=environ)
    place = find_place(cwd=project, environ=environ)
    shutil.rmtree(theirs)
    _foreign(project)

    assert not may_run_code(place, environ=environ)


def test_there_must_be_a_store_to_trust(project: Path, environ: dict[str, str]) -> None:
    with pytest.raises(NotFound, match=r"no store in .*podium\.json"):
        trust(project, environ=environ)
    with pytest.raises(NotFound):
        trust(project / "nothing", environ=environ)


def test_a_url_needs_no_trust(environ: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="named by URL is trusted"):
        trust("s3://bucket/store", environ=environ)


def test_trust_that_cannot_be_noted_is_an_error(project: Path, home: Path, environ: dict[str, str]) -> None:
    _foreign(project)
    for name in (".config", "AppData"):
        (home / name).write_text("")

    with pytest.raises(StoreError, match="PODIUM_STORE"):
        trust(project, environ=environ)
