"""Ceph with its RADOS gateway: a monitor, one disk and the gateway, in one directory."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path
from typing import Final

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.testing.servers.base import ACCESS_KEY, SECRET_KEY, BucketServer
from mandala_cas.testing.servers.processes import (
    HOST,
    ServerProcess,
    clean_environment,
    find_program,
    free_ports,
)

_PROGRAMS: Final = (
    "ceph",
    "ceph-mon",
    "ceph-osd",
    "monmaptool",
    "radosgw",
    "radosgw-admin",
)
_START_MAX_S: Final = 120.0
_COMMAND_MAX_S: Final = 120.0
_PORTS_PER_DAEMON: Final = 40
_PORT_MAX: Final = 65_000

# One disk and no copies. Without authentication the gateway must be told to speak in the clear, or
# it waits for ever. tcp_nodelay, or every read takes 44 ms.
_CONFIG: Final = """\
[global]
fsid = {fsid}
mon host = [v2:{host}:{mon2}/0,v1:{host}:{mon1}/0]
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind ipv6 = false
ms bind port min = {port_min}
ms bind port max = {port_max}
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
auth allow insecure global id reclaim = false
run dir = {directory}/run
admin socket = {directory}/run/$name.asok
log file = {directory}/$name.ceph.log
pid file =
crash dir = {directory}/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 2000
mon data avail warn = 1
mon data avail crit = 1
mon osd nearfull ratio = .94
mon osd backfillfull ratio = .95
mon osd full ratio = .96
[mon.a]
mon data = {directory}/mon
[osd.0]
osd data = {directory}/osd
osd objectstore = bluestore
bluestore block size = 8589934592
bluestore block create = true
bluestore fsck on mount = false
osd memory target = 939524096
osd class load list = *
osd class default list = *
[client.rgw.a]
rgw data = {directory}/rgw
rgw frontends = beast endpoint={host}:{gateway} tcp_nodelay=1
rgw enable usage log = false
rgw enable ops log = false
rgw thread pool size = 64
"""


class CephServer(BucketServer):
    """The S3 server of many universities; its daemons have to be started as root."""

    name = "Ceph"

    @classmethod
    def missing(cls) -> str | None:
        """Return what has to be installed first."""
        absent = [program for program in _PROGRAMS if find_program(program) is None]
        if absent:
            return (
                f"Ceph is not installed, for there is no {', '.join(absent)}; run as root: apt-get "
                "install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common ceph-base"
            )
        if os.geteuid() != 0:
            return "Ceph can be started by root only; run these tests as root, in a container"
        return None

    def _launch(self, directory: Path) -> None:
        """Make a cluster of one machine, start it, and make a user and the bucket."""
        fsid = str(uuid.uuid4())
        first, second, base = free_ports(3)
        base = min(base, _PORT_MAX)
        for name in ("mon", "osd", "rgw", "run", "crash"):
            (directory / name).mkdir()
        (directory / "ceph.conf").write_text(
            _CONFIG.format(
                directory=directory,
                fsid=fsid,
                host=HOST,
                mon1=first,
                mon2=second,
                port_min=base,
                port_max=base + _PORTS_PER_DAEMON,
                gateway=self.port,
            )
        )
        addresses = f"[v2:{HOST}:{second},v1:{HOST}:{first}]"
        monmap = str(directory / "monmap")
        self._tell(
            directory, "monmaptool", "--create", "--fsid", fsid, "--addv", "a", addresses, monmap
        )
        self._tell(directory, "ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap)
        self._serve(directory, "ceph-mon", "-i", "a", "-f")
        self._tell(directory, "ceph", "--connect-timeout", "60", "mon", "stat")

        disk = str(uuid.uuid4())
        self._tell(directory, "ceph", "osd", "new", disk)
        self._tell(directory, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        osd = self._serve(directory, "ceph-osd", "-i", "0", "-f")
        osd.wait_until(lambda: "1 up" in self._tell(directory, "ceph", "osd", "stat"), _START_MAX_S)

        gateway = self._serve(directory, "radosgw", "-n", "client.rgw.a", "-f")
        gateway.wait_until(lambda: self._status("/") is not None, _START_MAX_S)
        self._tell(
            directory,
            *["radosgw-admin", "-n", "client.rgw.a", "user", "create", "--uid", "testing"],
            *["--display-name", "testing", "--access-key", ACCESS_KEY, "--secret", SECRET_KEY],
        )
        self._make_s3_bucket()

    def _serve(self, directory: Path, program: str, *arguments: str) -> ServerProcess:
        """Start a daemon of the cluster."""
        return self._run(directory, program, _command(directory, program, *arguments))

    def _tell(self, directory: Path, program: str, *arguments: str) -> str:
        """Run a command of the cluster to its end, and return what it printed."""
        done = subprocess.run(  # noqa: S603 (a command of our own)
            _command(directory, program, *arguments),
            env=clean_environment(),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_MAX_S,
            check=False,
        )
        if done.returncode:
            raise StoreUnavailableError(
                f"{program} {' '.join(arguments)} failed; look at what it said: {done.stderr}"
            )
        return done.stdout


def _command(directory: Path, program: str, *arguments: str) -> list[str]:
    """Return a command that looks at this cluster's configuration, and at no other."""
    found = find_program(program)
    assert found is not None, "missing() was asked"
    return [found, "-c", str(directory / "ceph.conf"), *arguments]
