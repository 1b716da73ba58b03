"""Starts one Python process with as little power as this machine lets us take from it.

python confine.py SETTING CODE, where SETTING is a JSON object. It is a program of its own, so that
nothing of the grader's threads or memory is inherited. Which measures there are depends on who
starts it and where; ``level`` says it in words.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NEW_MOUNTS, NEW_USER, NEW_PIDS, NEW_NET, NEW_IPC, NEW_NAMES = (
    0x00020000,
    0x10000000,
    0x20000000,
    0x40000000,
    0x08000000,
    0x04000000,
)
_MS_RDONLY, _MS_NOSUID, _MS_NODEV = 1, 2, 4
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_RECURSIVE, _READ_ONLY = 442, 0x8000, 1
_DEATH_SIGNAL, _NO_NEW_PRIVILEGES, _SUBREAPER = 1, 38, 36

LEVELS = {
    "namespaces, other user": "own processes, network and files; read-only elsewhere; another user",
    "namespaces": "own processes, network and files; read-only elsewhere; the same user, no rights",
    "other user": "another user without rights; the network is open and other files can be read",
    "limits only": "limits on time, memory, processes and output only",
}


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    """A function of libc; raises OSError."""
    if getattr(_libc(), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def level() -> str:
    """The strongest of ``LEVELS`` that works here, found by trying it."""
    root = os.geteuid() == 0
    if sys.platform == "linux":
        trial = [sys.executable, "-sP", str(Path(__file__).resolve())]
        if subprocess.run(trial, capture_output=True, timeout=60).returncode == 0:
            return "namespaces, other user" if root else "namespaces"
    return "other user" if root else "limits only"


def _try() -> None:
    """Do what is done for a program, without one; the exit status says whether it went well."""
    _enter()
    pid = os.fork()
    if pid:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    _lock("/", [], [])


def _enter() -> None:
    """New namespaces; in one of users, we are who we were, without the rights of root."""
    user, group = os.geteuid(), os.getegid()
    flags = NEW_MOUNTS | NEW_PIDS | NEW_NET | NEW_IPC | NEW_NAMES
    _call("unshare", flags | (NEW_USER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _mount(kind: str | None, target: str, flags: int, options: str | None = None) -> None:
    encode = [None if text is None else text.encode() for text in (kind, target, options)]
    _call("mount", encode[0], encode[1], encode[0], ctypes.c_ulong(flags), encode[2])


def _open_up(needed: list[str]) -> None:
    """What another user needs but cannot reach, as Python in root's home: it alone is shown."""
    closed: dict[str, list[str]] = {}
    for path in sorted({os.path.realpath(path) for path in needed}):
        for folder in reversed([path, *map(str, Path(path).parents)]):
            if not os.stat(folder).st_mode & 1:
                closed.setdefault(folder, []).append(path)
                break
    for folder, paths in closed.items():
        held = [os.open(path, os.O_PATH) for path in paths]
        _mount("tmpfs", folder, _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
        for path, fd in zip(paths, held, strict=True):
            os.makedirs(path, exist_ok=True)
            _call("mount", f"/proc/self/fd/{fd}".encode(), path.encode(), None, _MS_BIND, None)
            os.close(fd)


def _lock(folder: str, hidden: list[str], needed: list[str]) -> None:
    """All files read-only, those below ``hidden`` out of sight, a small disk at ``folder``."""
    _mount(None, "/", _MS_REC | _MS_PRIVATE)
    if os.geteuid() == 0:
        _open_up(needed)
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
    arguments = (-100, b"/", _AT_RECURSIVE, ctypes.byref(attributes), ctypes.c_size_t(32))
    if _libc().syscall(_MOUNT_SETATTR, *arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"mount_setattr: {os.strerror(number)}")
    _mount("proc", "/proc", _MS_NOSUID | _MS_NODEV)  # of the new processes only
    for path in hidden:
        if os.path.isdir(path):
            _mount("tmpfs", path, _MS_RDONLY | _MS_NOSUID | _MS_NODEV, "size=4k,mode=755")
    if folder != "/":
        _mount("tmpfs", folder, _MS_NOSUID | _MS_NODEV, "size=64m,mode=777")


def _limits(setting: dict[str, Any], place: str) -> None:
    size, processes = setting["memory"], setting["processes"]
    if place == "limits only":  # there the user's other processes count
        processes += sum(_threads(entry) for entry in Path("/proc").glob("[0-9]*"))
    for kind, most in (
        (resource.RLIMIT_DATA, size),
        (resource.RLIMIT_AS, 4 * size),  # libraries of gigabytes are mapped, not used
        (resource.RLIMIT_CPU, setting["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, setting["file_size"]),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS knows some of them by name only
            continue


def _threads(process: Path) -> int:
    try:
        return (
            len(list((process / "task").iterdir())) if process.stat().st_uid == os.getuid() else 0
        )
    except OSError:
        return 0


def _give_up_rights(setting: dict[str, Any]) -> None:
    if setting["level"].endswith("other user"):
        os.setgroups([])
        os.setresgid(setting["user"], setting["user"], setting["user"])
        os.setresuid(setting["user"], setting["user"], setting["user"])
    if sys.platform == "linux":
        _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _descendants() -> list[int]:
    """Children of this process, where /proc tells; those of dead children become ours."""
    found = []
    for entry in Path("/proc").iterdir() if sys.platform == "linux" else []:
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == os.getpid():
                found.append(int(entry.name))
    return found


def _end_all(first: int) -> None:
    """Kill what is left, again and again until nothing is."""
    for _ in range(1000):
        for pid in {first, *_descendants()}:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _stop(number: int, frame: object) -> None:
    raise SystemExit


def main() -> None:
    """Enter the namespaces there are, start the program, and leave nothing of it behind."""
    if len(sys.argv) == 1:
        return _try()
    setting, code = json.loads(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGTERM, _stop)
    place, folder = setting["level"], setting["folder"]
    if sys.platform == "linux":
        _call("prctl", _DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
        _call("prctl", _SUBREAPER, 1, 0, 0, 0)
    if os.getppid() != setting["parent"]:
        return  # the grader died before it could take us along
    if place.startswith("namespaces"):
        _enter()
        pid = os.fork()  # the first process of its namespace: when it ends, all in it end
        if pid:
            _wait(pid)
            return
        _call("prctl", _DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        _lock(folder, setting["hidden"], setting["needed"])
    elif place == "other user":
        os.chown(folder, setting["user"], setting["user"])
    pid = os.fork()
    if pid:
        _wait(pid)
        return
    os.setsid()
    os.chdir(folder)
    os.umask(0o077)
    _give_up_rights(setting)
    _limits(setting, place)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    environment = setting["environment"] | {"HOME": folder, "TMPDIR": folder}
    fds = [str(fd) for fd in setting["fds"]]
    os.execve(sys.executable, [sys.executable, "-sP", "-c", code, *fds], environment)


def _wait(pid: int) -> None:
    for fd in json.loads(sys.argv[1])["fds"]:
        os.close(fd)  # the program's alone: when it ends, the grader sees the end
    try:
        while os.waitpid(-1, 0)[0] != pid:
            pass
    except ChildProcessError:
        pass
    finally:
        _end_all(pid)


def launch(setting: dict[str, object], code: str, fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """Start this file as a program; ``fds`` are handed on."""
    told = json.dumps(setting | {"fds": fds, "parent": os.getpid()})
    return subprocess.Popen(
        [sys.executable, "-sP", str(Path(__file__).resolve()), told, code],
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,  # of this file only: the program has none
        start_new_session=True,
    )


if __name__ == "__main__":
    main()
