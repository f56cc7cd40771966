"""Makes one file of the carbon app: the program with every module that it computes with, so that its digest covers all of them.

The file is a Python zip application. Its members are sorted, stored and without times, so the same sources give the same bytes
and the same digest on every machine; only the first line differs, which names the interpreter. What it imports beyond this
package (msgspec, rfc8785, cryptography and the standard library) is that of the interpreter.
"""

import io
import json
import sys
import zipfile
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from ashiato.wiring.carbon_program import MANIFEST

_ROOMS = ("apps/carbon", "facts", "law", "log", "trust")
_LEFT_OUT = ("apps/carbon/background", "apps/carbon/databases")
_MODULES = (
    "__init__.py",
    "apps/__init__.py",
    "clients/__init__.py",
    "clients/app_interface.py",
    "statements/__init__.py",
    "statements/signed_words.py",
    "wiring/__init__.py",
    "wiring/carbon_partners.py",
    "wiring/carbon_products.py",
    "wiring/carbon_program.py",
)
_MAIN = b"import sys\n\nfrom ashiato.wiring.carbon_program import main\n\nsys.exit(main())\n"
_READ_ONLY = 0o100444 << 16


def packed(interpreter: str = sys.executable) -> bytes:
    """The program file, run by that interpreter."""
    package = resources.files("ashiato")
    members = {"__main__.py": _MAIN}
    for module in _MODULES:
        members[f"ashiato/{module}"] = package.joinpath(module).read_bytes()
    for room in _ROOMS:
        _collect(package.joinpath(room), room, members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = _READ_ONLY
            archive.writestr(entry, members[name])
    # Isolated: neither the folder that it is started in nor variables of Python add to what it imports.
    return f"#!{interpreter} -I\n".encode() + buffer.getvalue()


def manifest(program: bytes, command: str) -> dict[str, object]:
    """What the company registers the program with; `command` is the name of its file in the folder of apps."""
    return {**MANIFEST, "digest": sha256(program).hexdigest(), "command": command}


def write(file: Path, manifest_file: Path | None) -> str:
    """Write the program, and the manifest where one is wanted; the digest of the program."""
    program = packed()
    file.write_bytes(program)
    told = manifest(program, file.name)
    if manifest_file is not None:
        manifest_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return str(told["digest"])


def _collect(folder: Traversable, path: str, members: dict[str, bytes]) -> None:
    for entry in folder.iterdir():
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            if entry.name != "__pycache__" and name not in _LEFT_OUT:
                _collect(entry, name, members)
        elif name.endswith((".py", ".toml", ".yaml")):
            members[f"ashiato/{name}"] = entry.read_bytes()
