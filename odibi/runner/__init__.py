"""Carrying out a plan: an asyncio scheduler over worker threads, and the launch of a whole run."""

from odibi.runner.launch import RunRequest, RunResult, launch

__all__ = ["RunRequest", "RunResult", "launch"]
