"""An SFTP server of asyncssh's: ``python sftp_server.py PORT FOLDER USER PASSWORD``."""

from __future__ import annotations

import asyncio
import functools
import sys

import asyncssh


class _OneUser(asyncssh.SSHServer):  # type: ignore[misc]  # not installed where types are checked
    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (self._user, self._password)


async def _serve(port: int, folder: str, user: str, password: str) -> None:
    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=functools.partial(_OneUser, user, password),
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder.encode()),
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), *sys.argv[2:]))
