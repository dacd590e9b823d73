"""Kernels that nbval starts, two at a time under `make test`, get sockets of their own."""

from importlib.util import find_spec

if find_spec("nbval"):  # many tests need neither it nor Jupyter
    import nbval.kernel
    from jupyter_client.manager import KernelManager

    from lineart.course.kernel import own_sockets

    nbval.kernel.KernelManager = lambda **settings: KernelManager(**own_sockets() | settings)
