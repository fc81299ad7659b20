"""A federation on this machine by one command: a SuperLink, a SuperNode for each owner, and Flower's own ``flwr run``.

    python -m kdcourse.federated.deployment [--method average] [--clients 2] [--rounds 2] [--simulate]

Separate processes that talk over gRPC and HTTP on the loopback address; with --simulate one SuperLink, whose owners are
simulated by Ray. All are ended by their own ids. No telemetry; nothing is downloaded.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from kdcourse.federated.flower import Setting
from kdcourse.federated.server import State

__all__ = ["deploy"]

APP = """from kdcourse.federated import flower

client_app = flower.client_app
server_app = flower.server_app
"""
PROJECT = """[project]
name = "kdcourse-federation"
version = "1.0.0"
description = "kdcourse's owners and server"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "kdcourse"

[tool.flwr.app.components]
serverapp = "federation:server_app"
clientapp = "federation:client_app"

[tool.flwr.app.config]
"""
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1", "OMP_NUM_THREADS": "1"}
LINK = "here"


def deploy(setting: Setting, *, simulate: bool = False, seconds: float = 600) -> State:
    """Run a federation in processes of its own; the server's state at the end.

    Args:
        setting: of the federation; its folder is where the state is kept, a temporary one where empty.
        simulate: one SuperLink that simulates the owners, in place of a SuperNode each.
        seconds: how long the rounds may take.

    Raises RuntimeError, with what ``flwr run`` printed, where it fails.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        setting = setting if setting.folder else replace(setting, folder=str(place / "state"))
        environment = _prepared(place, setting)
        with _processes(place, setting, environment, simulate=simulate):
            more = _federation(setting.clients) if simulate else []
            command = [_program("flwr"), "run", str(place / "app"), LINK, "--stream", *more]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
            )
        if not (Path(setting.folder) / "state.json").is_file():
            raise RuntimeError(f"flwr run left no state:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return State.load(setting.folder)


def _federation(clients: int) -> list[str]:
    return [
        "--federation-config",
        f"num-supernodes={clients} client-resources-num-cpus=1 client-resources-num-gpus=0.0",
    ]


def _prepared(place: Path, setting: Setting) -> dict[str, str]:
    """Write the app and Flower's own folder; the processes' environment."""
    (place / "app").mkdir()
    (place / "app/federation.py").write_text(APP, encoding="utf-8")
    config = "\n".join(f"{name} = {json.dumps(value)}" for name, value in setting.config.items())
    (place / "app/pyproject.toml").write_text(f"{PROJECT}{config}\n", encoding="utf-8")
    (place / "home").mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, **QUIET, "FLWR_HOME": str(place / "home"), "PATH": path}


def _program(name: str) -> str:
    """Flower's program beside this Python."""
    return str(Path(sys.executable).parent / name)


def _port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def _processes(place: Path, setting: Setting, environment: Mapping[str, str], *, simulate: bool) -> Iterator[None]:
    """The SuperLink and the SuperNodes, each the leader of a group of its own, which is ended with it."""
    address = f"127.0.0.1:{(port := _port())}"
    link = f'[superlink]\ndefault = "{LINK}"\n\n[superlink.{LINK}]\naddress = "{address}"\ninsecure = true\n'
    (place / "home/config.toml").write_text(link, encoding="utf-8")
    here = ["--insecure", "--host", "127.0.0.1", "--port"]
    commands = [[_program("flower-superlink"), *here, str(port), *(["--simulation"] if simulate else [])]]
    for owner in range(0 if simulate else setting.clients):
        own = f"partition-id={owner} num-partitions={setting.clients}"
        commands.append(
            [_program("flower-supernode"), *here, str(_port()), "--superlink", address, "--node-config", own]
        )
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            log = (place / f"{number}.log").open("wb")
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True))
            log.close()
            if number == 0:
                _wait_for(port, started[0])
        yield
    finally:
        _end(started)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    """Until somebody listens at the port."""
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the SuperLink does not listen at port {port}")


def _end(started: list["subprocess.Popen[bytes]"]) -> None:
    """End every process and its children: ask first, then insist."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in started:
            try:
                os.killpg(process.pid, sign)
            except ProcessLookupError:
                continue
        for process in started:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                continue


def main() -> None:
    """One federation; its accuracies are printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulate", action="store_true", help="Flower's Simulation Engine in place of processes")
    for field in fields(Setting):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    told = vars(parser.parse_args())
    simulate = told.pop("simulate")
    state = deploy(Setting(**told), simulate=simulate)
    for name, values in state.history.items():
        print(f"{name}: {', '.join(f'{value:g}' for value in values)}")


if __name__ == "__main__":
    main()
