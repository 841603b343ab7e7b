"""What Podman has of a job of Slurm."""

import subprocess


def podman(*words: str) -> str:
    """Run Podman; it has to succeed."""
    done = subprocess.run(  # noqa: S603 -- a program of this machine, no shell
        ["podman", *words],  # noqa: S607 -- as the epilog finds it
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def left(number: str) -> list[str]:
    """List containers and volumes of a job."""
    label = f"--filter=label=hutch.slurm-job={number}"
    containers = podman("ps", "--all", "--quiet", label)
    return (containers + podman("volume", "ls", "--quiet", label)).split()
