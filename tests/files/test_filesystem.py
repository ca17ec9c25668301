"""The files of sessions through fsspec, at a real server: what its own tests don't ask."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import psutil
import pytest

from tci_kernel.core.errors import InvalidAnswer
from tci_kernel.filesystem import answers, sessions
from tests.files.conftest import held
from tests.server.service import Service
from tests.support.counting import CountingProxy, counted
from tests.support.faulty import SESSION, faulty_server, http, listing
from tests.support.servers import ServerProcess, serving
from tests.support.waiting import PATIENCE, until

BLOCK = 100_000

# What a program of ours is asked to read: a file, and a part of it.
READ = re.compile(r'pieces[\\"]+: \[\[[\\"]+([^\\"]+)[\\"]+, \[[^\]]*\], (\d+), (\d+)\]')


@pytest.fixture(scope="module")
def service(server: ServerProcess) -> Iterator[Service]:
    with Service(server.base_url, server.token) as service:
        yield service


@pytest.fixture(scope="module", autouse=True)
def _small_blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Configuration as users have it: in a file."""
    directory = tmp_path_factory.mktemp("config")
    settings = {"RemoteSession": {"transfer_size": BLOCK}}
    (directory / "tci_kernel_config.json").write_text(json.dumps(settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_CONFIG_DIR", str(directory))
        yield


@pytest.fixture(scope="module")
def proxy(server: ServerProcess) -> Iterator[CountingProxy]:
    with counted(server.base_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def options(server: ServerProcess, proxy: CountingProxy) -> dict[str, Any]:
    """The key and the service, as pandas takes them."""
    return {"api_key": server.token, "base_url": proxy.base_url}


@pytest.fixture
def fs(options: dict[str, Any]) -> Any:
    return fsspec.filesystem("tci", **options)


@pytest.fixture
def at(service: Service, session_id: str, there: Path) -> str:
    """The session, which works in `there`."""
    service.run(f"import os; os.chdir({str(there)!r})", session_id)
    return f"tci://{session_id}"


def test_pandas_reads_and_writes(at: str, options: dict[str, Any], there: Path) -> None:
    table = pd.DataFrame({"city": ["Žilina", "Košice"], "people": [80_000, 230_000]})
    table.to_csv(f"{at}/new/cities.csv", index=False, storage_options=options)
    assert (there / "new" / "cities.csv").read_text() == table.to_csv(index=False)
    pd.testing.assert_frame_equal(
        pd.read_csv(f"{at}/new/cities.csv", storage_options=options), table
    )


def test_paths_are_relative_to_the_sessions_directory_or_absolute(
    fs: Any, at: str, session_id: str, there: Path
) -> None:
    (there / "~").mkdir()
    fs.pipe(f"{at}/~/x", b"x")
    assert held(there) == {"~": None, "~/x": b"x"}
    assert fs.ls(f"{at}/{there}/~", detail=False) == [f"{session_id}/{there}/~/x"]
    assert fs.cat(f"{session_id}/{there}/~/x") == b"x"
    assert f"{session_id}//tmp" in fs.ls(f"{at}//", detail=False)
    assert session_id in fs.ls("tci://", detail=False)
    assert fs.isdir("tci://")
    modified = (there / "~" / "x").stat().st_mtime
    assert fs.modified(f"{at}/~/x").timestamp() == pytest.approx(modified)
    assert fs.created(f"{at}/~/x").timestamp() == pytest.approx(modified, abs=60)


def test_of_a_large_file_only_the_part_that_is_asked_for_travels(
    fs: Any, proxy: CountingProxy, at: str, there: Path
) -> None:
    data = random.Random(1).randbytes(30 * BLOCK)
    (there / "large").write_bytes(data)
    proxy.taken()
    assert fs.cat_file(f"{at}/large", 5 * BLOCK, 5 * BLOCK + 10) == data[5 * BLOCK : 5 * BLOCK + 10]
    assert fs.tail(f"{at}/large", 7) == data[-7:]
    with fs.open(f"{at}/large", block_size=1_000) as file:
        file.seek(12 * BLOCK)
        assert file.read(5) == data[12 * BLOCK : 12 * BLOCK + 5]
    asked = [READ.search(body.decode()) for _, body in proxy.taken()]
    parts = [(int(found[2]), int(found[3])) for found in asked if found]
    assert [start for start, _ in parts] == [5 * BLOCK, 30 * BLOCK - 7, 12 * BLOCK]
    assert max(length for _, length in parts) <= 1_005


def test_a_large_file_travels_in_blocks_and_memory_stays_flat(
    server: ServerProcess, at: str, here: Path, there: Path
) -> None:
    fs = fsspec.filesystem("tci", api_key=server.token, base_url=server.base_url)
    (here / "large").write_bytes(random.Random(2).randbytes(120 * BLOCK))
    (here / "large").chmod(0o755)
    fs.info(at)
    tracemalloc.start()
    try:
        fs.put(str(here / "large"), f"{at}/sent")
        fs.get(f"{at}/sent", str(here / "back"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (here / "back").read_bytes() == (here / "large").read_bytes()
    assert os.access(there / "sent", os.X_OK)
    assert set(held(there)) == {"sent"}
    assert peak < 40 * BLOCK


def test_a_file_that_changes_while_it_is_read_is_an_error(fs: Any, at: str, there: Path) -> None:
    (there / "x").write_bytes(bytes(3 * BLOCK))
    with fs.open(f"{at}/x", block_size=BLOCK) as file:
        file.read(10)
        (there / "x").write_bytes(b"\1" * 3 * BLOCK)
        file.seek(2 * BLOCK)
        with pytest.raises(OSError, match="changed while"):
            file.read(10)


def test_what_is_not_written_to_its_end_does_not_appear(fs: Any, at: str, there: Path) -> None:
    (there / "x").write_text("old")

    def fail_to_write() -> None:
        with fs.open(f"{at}/x", "wb", block_size=BLOCK) as file:
            file.write(bytes(3 * BLOCK))
            raise ZeroDivisionError

    def fail_in_transaction() -> None:
        with fs.transaction:
            with fs.open(f"{at}/z", "wb", block_size=BLOCK) as file:
                file.write(bytes(3 * BLOCK))
            raise ZeroDivisionError

    for fail in (fail_to_write, fail_in_transaction):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert held(there) == {"x": b"old"}
    with fs.transaction:
        with fs.open(f"{at}/z", "wb", block_size=BLOCK) as file:
            file.write(bytes(3 * BLOCK))
        assert not fs.exists(f"{at}/z")
    assert (there / "z").read_bytes() == bytes(3 * BLOCK)
    with fs.open(f"{at}/new", "xb") as file:
        (there / "new").write_text("meanwhile")
        with pytest.raises(FileExistsError):
            file.close()
    assert (there / "new").read_text() == "meanwhile"
    assert len(held(there)) == 3


def test_directories_and_files_are_made_moved_copied_and_removed(
    fs: Any, at: str, there: Path
) -> None:
    fs.mkdir(f"{at}/a")
    fs.makedirs(f"{at}/a/b/c")
    with pytest.raises(FileExistsError):
        fs.mkdir(f"{at}/a")
    fs.pipe({f"{at}/a/b/x[1]": b"x", f"{at}/a/b/y": b"y"})
    fs.mv(f"{at}/a/b/x[1]", f"{at}/x")
    fs.cp(f"{at}/a", f"{at}/copy", recursive=True)
    assert held(there / "copy") == held(there / "a") == {"b": None, "b/c": None, "b/y": b"y"}
    fs.mv(f"{at}/copy", f"{at}/moved")
    fs.rmdir(f"{at}/moved/b/c")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(f"{at}/moved")
    with pytest.raises(IsADirectoryError):
        fs.rm(f"{at}/moved")
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{at}/nothing")
    with pytest.raises(PermissionError, match="is not removed"):
        fs.rm(at, recursive=True)
    fs.rm([f"{at}/moved", f"{at}/a"], recursive=True)
    assert held(there) == {"x": b"x"}
    with pytest.raises(OSError, match="is needed as a directory, and is a file"):
        fs.pipe(f"{at}/x/y", b"")
    with pytest.raises(IsADirectoryError):
        fs.cat_file(at)
    with pytest.raises(NotImplementedError, match="written anew"):
        fs.open(f"{at}/x", "ab")


def test_files_go_from_session_to_session(fs: Any, service: Service, at: str, there: Path) -> None:
    (there / "x").write_bytes(bytes(3 * BLOCK))
    with service.session() as other:
        fs.cp(f"{at}/x", f"{other}/y")
        assert fs.cat(f"{other}/y") == bytes(3 * BLOCK)


def test_a_running_cell_is_not_waited_for(
    fs: Any, service: Service, at: str, session_id: str, there: Path
) -> None:
    wait = "open('runs', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)"
    running = service.call(f"import os, time\n{wait}", session_id)
    until((there / "runs").exists, "the cell to run")
    assert fs.ls(at, detail=False) == [f"{session_id}/runs"]
    fs.touch(f"{at}/go")
    assert running.getresponse().status == 200
    running.close()


def test_nothing_is_left_running_in_the_session(
    options: dict[str, Any], service: Service, at: str, session_id: str, proxy: CountingProxy
) -> None:
    count = "import threading; print(threading.active_count())"
    before = service.run(count, session_id).outputs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "IDLE", 0.0)
        fs = fsspec.filesystem("tci", skip_instance_cache=True, **options)
        fs.ls(at)
        until(
            lambda: service.run(count, session_id).outputs == before,
            "the session to have no more threads than before",
        )


def test_a_session_that_is_gone_is_a_file_that_is_not_found_and_none_is_begun(
    fs: Any, service: Service
) -> None:
    with service.session() as session_id:
        fs.pipe(f"{session_id}/x", b"x")
        service.end(session_id)
        before = service.sessions()
        for _ in range(2):
            with pytest.raises(FileNotFoundError, match="expired, or is another key's"):
                fs.cat(f"{session_id}/x")
            with pytest.raises(FileNotFoundError):
                fs.pipe(f"{session_id}/x", b"x")
        assert not fs.exists(f"{session_id}/x")
        assert service.sessions() == before


def test_what_the_service_does_not_list_is_asked_nothing(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server([]) as faulty:
        faulty.listed = listing("ses_other")
        fs = fsspec.filesystem("tci", api_key="the-key", base_url=faulty.base_url)
        with pytest.raises(FileNotFoundError, match="lists no session"):
            fs.ls(SESSION)
        faulty.listed = http(401, "{}")
        with pytest.raises(PermissionError):
            fs.ls(SESSION)
        assert faulty.executions == []
    with pytest.raises(ConnectionError):
        fsspec.filesystem("tci", api_key="the-key", base_url="http://127.0.0.1:9/v1").ls(SESSION)
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    with pytest.raises(PermissionError, match="give api_key in storage_options"):
        fsspec.filesystem("tci", base_url=options["base_url"]).ls("tci://")


FACTS = ["file", [1, 0, 0, 0], 0o644, 0.0, None]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "nul\0", 7, None])
def test_names_that_lead_elsewhere_are_not_taken(name: Any) -> None:
    with pytest.raises(InvalidAnswer):
        [*answers.listed("ses", [[name, *FACTS]])]
    with pytest.raises(InvalidAnswer):
        answers.tree("ses", [[[], *FACTS], [["a", name], *FACTS]])


@pytest.mark.parametrize(
    "facts", [None, 7, [], FACTS[:4], ["link", *FACTS[1:]], ["file", [-1, 0, 0, 0], *FACTS[2:]]]
)
def test_what_says_nothing_of_a_file_is_not_taken(facts: Any) -> None:
    with pytest.raises(InvalidAnswer):
        answers.info_of("ses/x", facts)


async def test_nothing_is_held_where_a_session_could_not_be_let_go_of() -> None:
    with serving() as server:
        with Service(server.base_url, server.token) as service:
            session_id = service.run("1").session_id
        joined = sessions.Sessions({"base_url": server.base_url, "api_key": server.token})
        async with joined.use(session_id) as session:
            await session.call("places", operation="look", path=".")
        server.process.kill()
        server.process.wait(PATIENCE)
        with suppress(TimeoutError):  # the session is out of reach, and tried again
            async with asyncio.timeout(0.5):
                await joined.aclose()
    port = int(server.base_url.rpartition(":")[2].partition("/")[0])
    held = [one.raddr.port for one in psutil.Process().net_connections("tcp") if one.raddr]
    assert port not in held
    assert all(task.cancelling() for task in asyncio.all_tasks() - {asyncio.current_task()})
