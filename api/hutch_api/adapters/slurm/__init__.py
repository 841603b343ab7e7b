"""Runs as jobs of Slurm, whose nodes have Podman."""

from hutch_api.adapters.slurm.executor import SlurmExecutor, open_slurm

__all__ = ["SlurmExecutor", "open_slurm"]
