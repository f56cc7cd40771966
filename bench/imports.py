"""What importing costs, each time in a fresh interpreter: `python bench/imports.py [module …]`.

A module may be written as `first+second`: then what `second` costs on top of `first` is measured. Times are CPU of the best of
several runs, memory is resident (ADR 0005 and 0006).
"""

import statistics
import subprocess
import sys

RUNS_COUNT = 7
MODULES = (
    "msgspec",
    "pydantic.main",
    "ashiato.wiring.settings",
    "ashiato.wiring.serving+ashiato.wiring.program",
    "ashiato.wiring.program+ashiato.api.management.app",
)
# Run in the child, whose own figures are the only ones that count.
PROBE = """
import importlib, sys, time
def resident_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
*before, wanted = sys.argv[1].split("+")
for name in before:
    importlib.import_module(name)
began_s, began_kb = time.process_time(), resident_kb()
importlib.import_module(wanted)
print(time.process_time() - began_s, resident_kb() - began_kb, resident_kb())
"""


def measure(module: str) -> tuple[float, float, float]:
    """CPU milliseconds, added megabytes (10^6 bytes) and megabytes of the whole process after it."""
    runs = []
    for _ in range(RUNS_COUNT):
        told = subprocess.run(
            [sys.executable, "-c", PROBE, module], check=True, capture_output=True, text=True
        ).stdout.split()
        runs.append((float(told[0]) * 1000, int(told[1]) * 1.024e-3, int(told[2]) * 1.024e-3))
    cpu_ms, added_mb, whole_mb = zip(*runs, strict=True)
    return min(cpu_ms), statistics.median(added_mb), statistics.median(whole_mb)


def main() -> None:
    """Measure the modules that the command line names, by default those of the two decisions."""
    for module in sys.argv[1:] or MODULES:
        cpu_ms, added_mb, whole_mb = measure(module)
        print(
            f"{module:60} {cpu_ms:7.0f} ms CPU  {added_mb:6.1f} MB added  {whole_mb:6.1f} MB in all",
            flush=True,
        )


if __name__ == "__main__":
    main()
