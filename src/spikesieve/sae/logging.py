"""The history of a training as it grows, for TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from spikesieve.errors import InputError

Log = Callable[[int, dict], None]


@contextmanager
def logging_to(folder: str | PathLike | None, log: Log) -> Iterator[Log]:
    """Give a function that writes each row of history to ``folder``, and hands it to ``log``.

    One run of TensorBoard an instance. Without a folder it is ``log`` itself. Raises
    ``InputError`` where TensorBoard is not installed.
    """
    if folder is None:
        yield log
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        fix = "install it (pip install tensorboard), or leave the folder out"
        raise InputError(f"TensorBoard cannot be imported ({error})", fix=fix) from error
    writers: dict[int, SummaryWriter] = {}

    def both(instance: int, row: dict) -> None:
        if instance not in writers:
            writers[instance] = SummaryWriter(str(Path(folder) / f"instance{instance}"))
        for name, value in row.items():
            if name != "step" and value == value:  # a NaN was not measured at this step
                writers[instance].add_scalar(name, value, row["step"])
        log(instance, row)

    try:
        yield both
    finally:
        for writer in writers.values():
            writer.close()
