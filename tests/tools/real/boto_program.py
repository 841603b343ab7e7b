"""A program that uses boto3 as a scientist's does, with a profile and nothing else."""
# ruff: noqa: T201 -- it prints its answer

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from boto3.s3.transfer import TransferConfig

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART = 5 * 1024**2
CONFIG = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)


def main(verb: str, *words: str) -> None:
    s3 = boto3.client("s3")
    if verb in {"up", "put"}:
        send(s3, Path(words[0]), words[1])
        return
    bucket, _, key = words[0].removeprefix("s3://").partition("/")
    if verb == "ls" and not bucket:
        print(*(row["Name"] for row in s3.list_buckets()["Buckets"]))
    elif verb == "ls":
        print(*listed(s3, bucket, key), sep="\n")
    elif verb == "down":
        fetch(s3, bucket, key, Path(words[1]))
    elif verb == "rm":
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        first, count = map(int, words[1:] or (0, 0))
        wanted = f"bytes={first}-{first + count - 1}" if count else "bytes=0-"
        answer = s3.get_object(Bucket=bucket, Key=key, Range=wanted)
        sys.stdout.buffer.write(answer["Body"].read())


def send(s3: "S3Client", source: Path, url: str) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if source.is_file():
        s3.upload_file(str(source), bucket, key)
        return
    for file in sorted(source.rglob("*")):
        if file.is_file():
            name = f"{key}{file.relative_to(source)}"
            s3.upload_file(str(file), bucket, name, Config=CONFIG)


def listed(s3: "S3Client", bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [row["Key"] for page in pages for row in page.get("Contents", ())]


def fetch(s3: "S3Client", bucket: str, prefix: str, target: Path) -> None:
    for key in listed(s3, bucket, prefix):
        file = target / key.removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(file), Config=CONFIG)


if __name__ == "__main__":
    main(*sys.argv[1:])
