"""Runs first in the sandbox: leaves the machine's file system and every privilege behind.

Sent as text before `child.py`, never imported. It begins as root: the machine's, who becomes
another user at the end, or that of a user namespace of its own, who is nobody outside. What remains
is an empty root in memory, with the standard library and the system's shared libraries read-only,
and a small scratch folder; no `/proc`, no `/dev`, and no capability.
"""

import ctypes
import os

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 32, 4096, 16384
MNT_DETACH, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE = 2, 24, 38, 4
NR_CAPABILITIES = 64
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}


def isolate(room: str, kept: list[str], scratch_bytes: int, user: str, group: str) -> None:
    """Make `room` the root, with the folders `kept` in it; raise OSError where that fails.

    The process becomes `user` and `group`, numbers, unless they are empty.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    machine = os.uname().machine

    def check(result: int) -> None:
        if result:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        words = [text.encode() for text in (source, target, kind)]
        check(libc.mount(*words, ctypes.c_ulong(flags), data.encode()))

    if not user:  # a namespace of our own: its limit is no one else's
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
    mount("none", room, "tmpfs", MS_NOSUID | MS_NODEV, f"size={scratch_bytes},nr_inodes=512")
    for folder in kept:
        os.makedirs(room + folder, exist_ok=True)
        mount(folder, room + folder, "none", MS_BIND | MS_REC)
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV
        mount("none", room + folder, "none", flags)
    for folder in ("/old", "/work"):
        os.mkdir(room + folder)
    os.chmod(room + "/work", 0o777)
    check(libc.syscall(SYS_PIVOT_ROOT[machine], room.encode(), (room + "/old").encode()))
    os.chdir("/work")
    check(libc.umount2(b"/old", MNT_DETACH))
    os.rmdir("/old")
    for capability in range(NR_CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if user:
        os.setgroups([])
        os.setresgid(int(group), int(group), int(group))
        os.setresuid(int(user), int(user), int(user))
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.syscall(SYS_CAPSET[machine], header, (ctypes.c_uint32 * 6)()))
    check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
