"""Every fault that Temper must survive, injected for real and counted: `make torture`.

A part is a module of PARTS with `run(folder) -> Iterator[Line]`; it works in the folder, which is empty at first.
The same faults, each injected once or a few times, are tests in `tests/faults`.
"""

PARTS = ("soak", "services", "cases", "crashes", "data", "artefacts", "damage")  # the longest first
