"""A real S3 server on this machine, with pyarrow's own client to fill it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENG"


class Server:
    """`address` is `127.0.0.1:PORT`."""

    def __init__(self, address: str) -> None:
        from pyarrow import fs

        self.address = address
        self.files = fs.S3FileSystem(
            endpoint_override=address, scheme="http", access_key=KEY, secret_key=SECRET, region="us-east-1",
            allow_bucket_creation=True,
        )  # fmt: skip
        self.files.create_dir("rows")

    def put(self, key: str, content: bytes | str) -> None:
        with self.files.open_output_stream(f"rows/{key}", compression=None) as stream:
            stream.write(content.encode() if isinstance(content, str) else content)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which others sign in."""
        return {"AWS_ENDPOINT_URL": f"http://{self.address}", "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip


@contextmanager
def served() -> Iterator[Server]:
    """The server, until the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server: Any = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )
    try:
        wait_for(server, port)
        yield Server(f"127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(30)


def wait_for(server: Any, port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
