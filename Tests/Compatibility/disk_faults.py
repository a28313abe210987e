"""A bad disk for the real process: see disk_faults.c."""
import mmap
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_suffix(".c")
FIELDS = {"space": (0, "q"), "write_error": (8, "i"), "read_error": (12, "i"), "sync_error": (16, "i"),
          "sync_delay_us": (20, "i"), "syncs": (24, "q")}
ONLY = 32
SIZE = ONLY + 256


class FaultyDisk:
    """Builds the library, and tells it what to do. Fields are attributes, named as in disk_faults.c."""

    def __init__(self, folder: pathlib.Path, root: pathlib.Path):
        library = folder / "disk_faults.so"
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        path = folder / "disk_faults"
        path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self.__dict__["memory"] = mmap.mmap(file.fileno(), SIZE)
        self.__dict__["environment"] = {
            "LD_PRELOAD": str(library), "DISK_FAULTS": str(path), "DISK_FAULTS_ROOT": str(root)}
        self.space = -1

    def only(self, part: str):
        """From now on only paths that contain `part` fail."""
        text = part.encode()
        self.memory[ONLY:ONLY + len(text) + 1] = text + b"\0"

    def __setattr__(self, name, value):
        at, code = FIELDS[name]
        struct.pack_into(code, self.memory, at, value)

    def __getattr__(self, name):
        at, code = FIELDS[name]
        return struct.unpack_from(code, self.memory, at)[0]
