"""Kernels that nbval starts talk through sockets in the folder for temporary files: `make test` starts two at a time.

A network port is chosen before its kernel takes it, so that two kernels which start together can be given the same one,
and then one of them never answers. These sockets have names that no other has.
"""

import tempfile
import uuid
from pathlib import Path

import nbval.kernel
from jupyter_client.manager import KernelManager


def with_sockets(**settings) -> KernelManager:
    path = Path(tempfile.gettempdir(), f"kernel-{uuid.uuid4().hex[:16]}")
    return KernelManager(transport="ipc", ip=str(path), **settings)


nbval.kernel.KernelManager = with_sockets
