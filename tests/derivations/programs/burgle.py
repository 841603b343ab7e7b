"""What somebody would do who had come into a container of hutch's own steps.

usage: burgle.py API STORE   (each as ``host:port``, as its socket is named)
"""

import http.client
import os
import socket
import sys
from functools import partial
from pathlib import Path

import reporting

DOOR = Path("/run/door")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ACTIONS = ("ListUsers", "CreateUser&UserName=x", "CreateAccessKey&UserName=x")


class Through(http.client.HTTPConnection):
    """A connection through one of the sockets of the door."""

    def connect(self) -> None:
        """Open it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(DOOR / f"{self.host}-{self.port}.sock"))


def ask(
    where: str, method: str, path: str, body: str = "", **headers: str
) -> int | str:
    """Send a request without credentials; tell the status of its answer."""
    host, _, port = where.rpartition(":")
    connection = Through(host, int(port), timeout=10)
    try:
        connection.request(method, path, body or None, headers | (FORM if body else {}))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def connect(host: str, port: int) -> None:
    """Open a connection without the door."""
    socket.create_connection((host, port), timeout=3).close()


def write_beside() -> None:
    """Put a socket beside those that lead out."""
    (DOOR / "new").write_bytes(b"")


api, store = sys.argv[1:]
bad = "AWS4-HMAC-SHA256 Credential=admin/20260101/us-east-1/s3/aws4_request, "
bad += f"SignedHeaders=host, Signature={'0' * 64}"
reporting.tell(
    door=sorted(path.name for path in DOOR.iterdir()),
    api={
        path: ask(api, "GET", path)
        for path in ("/v1/datasets", "/v1/runs", "/v1/images", "/v1/tokens")
    },
    store={
        "buckets": ask(store, "GET", "/"),
        "data": ask(store, "GET", "/hutch-data?list-type=2"),
        "put": ask(store, "PUT", "/hutch-data/x", "x"),
        "bucket": ask(store, "PUT", "/new-bucket"),
        "admin": ask(store, "GET", "/minio/admin/v3/list-users"),
        "info": ask(store, "GET", "/minio/admin/v3/info"),
        "signed": ask(store, "GET", "/", Authorization=bad),
        **{
            action: ask(store, "POST", "/", f"Action={action}&Version=2010-05-08")
            for action in ACTIONS
        },
    },
    through={
        name: ask(where, "CONNECT", "169.254.169.254:80")
        for name, where in (("api", api), ("store", store))
    },
    others={
        host: reporting.outcome(partial(connect, host, 80))
        for host in ("1.1.1.1", "169.254.169.254", "127.0.0.1")
    },
    beside=reporting.outcome(write_beside),
    claim=os.listdir("/run/claim"),
)
