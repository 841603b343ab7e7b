"""A program that fetches its input itself: by hutch's API, and by S3."""

import hashlib
import hmac
import json
import os
import socket
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reporting import outcome, tell

JOB = json.loads(Path("/run/hutch/job.json").read_bytes())
TOKEN = Path(JOB["token_file"])
OUT = Path(JOB["output"]["path"])
GIVEN = JOB["inputs"]["scan"]["id"]


def ask(method: str, path: str, body: Any = None) -> Any:
    """Ask the API; gives the answer, or the status of a refusal."""
    request = urllib.request.Request(  # noqa: S310 - the address is hutch's
        JOB["api"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {TOKEN.read_text()}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code


def by_api() -> bytes:
    """Fetch the first file by a signed request."""
    listed = ask("GET", f"/v1/datasets/{GIVEN}/files")["items"][0]
    wanted = {"files": [{"path": listed["path"], "version": listed["version"]}]}
    signed = ask("POST", f"/v1/datasets/{GIVEN}/downloads", wanted)["files"][0]
    with urllib.request.urlopen(signed["request"]["url"]) as answer:  # noqa: S310 - hutch signed it
        found: bytes = answer.read()
    (OUT / "by-api").write_bytes(found)
    return found


def by_s3(dataset: str, key: str) -> int | str:
    """Fetch a key with the keys of a store account; gives the status."""
    account = ask("POST", f"/v1/datasets/{dataset}/store-accounts", {})
    if isinstance(account, int):
        return f"no account: {account}"
    host = urlsplit(account["endpoint"]).netloc
    path = f"/{account['bucket']}/{account['prefix']}{key}"
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{account['region']}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    headers["x-amz-date"] = moment
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    names = ";".join(sorted(headers))
    canonical = f"GET\n{path}\n\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    secret = f"AWS4{account['secret']}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={account['key_id']}/{scope}, "
        f"SignedHeaders={names}, Signature={secret.hex()}"
    )
    url = account["endpoint"] + path
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the store
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the store's
            (OUT / "by-s3").write_bytes(answer.read())
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def reach(host: str, port: int) -> str:
    """Try to connect."""
    return outcome(lambda: socket.create_connection((host, port), 2).close())


def writes() -> Any:
    """Try to get an account that writes."""
    body = {"access": "write"}
    return ask("POST", f"/v1/datasets/{GIVEN}/store-accounts", body)


tell(
    first=by_api().decode(),
    s3=by_s3(GIVEN, "a.txt"),
    mode=oct(TOKEN.stat().st_mode & 0o777),
    other=ask("GET", f"/v1/datasets/{sys.argv[1]}"),
    other_s3=by_s3(sys.argv[1], "a.txt"),
    listing=ask("GET", "/v1/datasets"),
    tokens=ask("GET", "/v1/tokens"),
    writes=writes(),
    claims=Path("/run/claim").exists() and os.listdir("/run/claim"),
    interfaces=sorted(name for _, name in socket.if_nameindex()),
    internet=reach("1.1.1.1", 80),
    metadata=reach("169.254.169.254", 80),
    engine=reach("127.0.0.1", 2375),
    staged=os.listdir("/in"),
)
