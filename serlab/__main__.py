"""The serlab command's first steps, which need next to no memory: is there room for what it loads?

Under a small limit of address space a library may end the process with words of its own (OpenBLAS does), or Python fail
in the middle of an import. So the limit is compared before anything large is loaded.
"""

import os
import sys
from errno import ENOMEM

MIB = 1 << 20
ROOM = {
    "RLIMIT_AS": ("address space", "ulimit -v", 448, 2008),
    "RLIMIT_DATA": ("memory for data", "ulimit -d", 208, 960),
}
"""A limit's name in `resource` → what it bounds, what sets it, and the MiB without which nothing can be done, and no
page be written: the engine of JavaScript that gives the page its charts sets them aside, and ends the process if it
cannot. `serlab list` was seen to work with 390 MiB, `serlab report` with 1,953."""
THREAD = 40
"""MiB that every further thread of OpenBLAS takes: 32 to work in, and its stack of 8."""
MOST_THREADS = 64
"""Threads for which the OpenBLAS that numpy brings is built."""
UNMAPPED = "failed to map segment"
"""How the linker says that there is no memory left to load a library into."""
SHORT = "out of memory; allow more (ulimit -v), or name smaller corpora or fewer workloads"
USAGE = 2


def main() -> None:
    """Run the command where there is room for it; one line and status 2 where there is none."""
    try:
        lacking = too_small()
        if not lacking:
            from serlab import cli
    except (MemoryError, ImportError, SystemError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        lacking = SHORT
    if lacking:
        print(f"serlab: {lacking}", file=sys.stderr)
        sys.exit(USAGE)
    cli.main()


def too_small(page: bool = False) -> str:
    """Say which limit of this process leaves no room for the command; "" where there is room.

    Args:
        page: whether a page is to be written.
    """
    try:
        import resource
    except ModuleNotFoundError:
        # No such limits on this system. One that cannot be mapped is another ImportError.
        return ""
    more = THREAD * (blas_threads() - 1)
    for name, (what, command, *least) in ROOM.items():
        need = least[page] + more
        size, _ = resource.getrlimit(getattr(resource, name))
        if size != resource.RLIM_INFINITY and size < need * MIB:
            return (
                f"cannot start: expected a limit of at least {need} MiB of {what}, got {size // MIB} MiB "
                f"({command} {size // 1024}); raise it, or take it away with `{command} unlimited`"
            )
    return ""


def blas_threads() -> int:
    """Count the threads that OpenBLAS will start when numpy is loaded."""
    given = os.environ.get("OPENBLAS_NUM_THREADS", "") or os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = int(given) if given.isascii() and given.isdigit() and int(given) else cores
    return min(wanted, cores, MOST_THREADS)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell an error that lack of memory caused, behind what libraries made of it."""
    while error is not None:
        if isinstance(error, MemoryError) or UNMAPPED in str(error) or getattr(error, "errno", 0) == ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main()
