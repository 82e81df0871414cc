"""Machine code in a wheel: a copy of a plain wheel, for one platform, whose first calls need not compile."""

import base64
import hashlib
import sys
import sysconfig
import zipfile
from pathlib import Path

from fastbp.compiler import code_cache

PLACE = "fastbp/compiler"  # of the folder of machine code, where `code_cache` looks for it


def platform_tag() -> str:
    """Return the tag of wheels for this version of Python and this system; machine code needs no C library."""
    system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if system.startswith("linux_"):
        system = system.replace("linux", "manylinux2014", 1)
    return f"cp{sys.version_info[0]}{sys.version_info[1]}-none-{system}"


def check_sources(wheel: Path) -> None:
    """Raise ValueError unless `wheel` is a plain wheel of the sources that are running, for which the code is."""
    if not wheel.name.endswith("-py3-none-any.whl"):
        raise ValueError(f"{wheel} is no plain wheel: build one with 'pip wheel --no-deps .'")
    package = Path(code_cache.__file__).resolve().parent.parent
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith("fastbp/") and name.endswith(".py"):
                here = package.parent / name
                if not here.is_file() or here.read_bytes() != archive.read(name):
                    raise ValueError(f"{wheel} has another {name} than the fastbp that is running: install the wheel")


def with_machine_code(wheel: Path, folder: Path) -> Path:
    """Write a wheel for this platform that has the machine code of `folder` too, beside `wheel`; return its path.

    The format of wheels: packaging.python.org/en/latest/specifications/binary-distribution-format.
    """
    tag = platform_tag()
    target = wheel.with_name(wheel.name.replace("py3-none-any", tag))
    with zipfile.ZipFile(wheel) as plain, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        info = next(name for name in plain.namelist() if name.endswith(".dist-info/WHEEL")).removesuffix("WHEEL")
        record = ""
        files = {name: plain.read(name) for name in plain.namelist() if name != f"{info}RECORD"}
        about = files[f"{info}WHEEL"].decode().replace("py3-none-any", tag)
        files[f"{info}WHEEL"] = about.replace("Root-Is-Purelib: true", "Root-Is-Purelib: false").encode()
        for path in sorted(folder.glob("*.machinecode")):
            files[f"{PLACE}/{folder.name}/{path.name}"] = path.read_bytes()
        for name, content in files.items():
            made.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(content)}\n"
        made.writestr(f"{info}RECORD", f"{record}{info}RECORD,,\n")
    return target
