"""Runs in containers of Docker or Podman, through the engine's socket."""

from hutch_api.adapters.engine.engine import ContainerEngine, open_engine

__all__ = ["ContainerEngine", "open_engine"]
