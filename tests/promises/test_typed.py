# SPDX-License-Identifier: Apache-2.0
"""Threads that meet a type for the first time at the same moment do not end the process: `virga.ground.typed`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import virga

SOURCE = Path(virga.__file__).parent
AT_START = {"settings.py", "ground/typed.py", "ground/wire.py"}
"""Settings are read before there are threads; the other two hold the lock."""
RACE = """
from __future__ import annotations
import sys, threading
import msgspec
from virga.ground import typed

convert = typed.convert if sys.argv[1] == "typed" else msgspec.convert
sys.setswitchinterval(1e-6)
for n in range(150):
    lines = ["from __future__ import annotations", "import msgspec"]
    fields = [f"f{i}: int | None = None" for i in range(20)]
    for depth in range(6):
        inner = [f"inner: T{depth - 1} | None = None", f"more: list[T{depth - 1}] | None = None"] if depth else []
        lines += [f"class T{depth}(msgspec.Struct, frozen=True):", *("    " + f for f in fields + inner)]
    space = {"__name__": f"made{n}"}
    module = sys.modules[f"made{n}"] = type(sys)(f"made{n}")
    exec("\\n".join(lines), module.__dict__)
    together = threading.Barrier(8)
    def meet():
        together.wait()
        value = {"f1": 1, "inner": {"inner": {"f2": 2}}}
        assert convert(value, module.T5).inner.inner.f2 == 2
    threads = [threading.Thread(target=meet) for _ in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
print("whole")
"""


def race(how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", RACE, how], capture_output=True, text=True, timeout=300, check=False)


def test_threads_that_meet_a_type_at_once() -> None:
    done = race("typed")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "whole", "")


def test_types_are_looked_at_under_the_lock_alone() -> None:
    """Only `typed` and `wire` hand msgspec a type after the start: others call them, or make their decoder while they are imported."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE).as_posix()
        if where in AT_START or where == "services/identity/tokens.py":
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    text = ast.unparse(node.func)
                    typed = any(k.arg == "type" for k in node.keywords) or len(node.args) > 1
                    if (
                        text == "msgspec.convert"
                        or (text.startswith("msgspec.") and text.endswith("Decoder"))
                        or (text.startswith("msgspec.") and text.endswith(".decode") and typed)
                    ):
                        found.append(f"{where}: {text}")
    assert found == []
