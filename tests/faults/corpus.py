"""The corpus: every fault of the data, each made by a function, with what must happen."""

from tests.faults import packed_files, row_faults, text_files
from tests.faults.cases import Fault

FAULTS: list[Fault] = sorted(
    [*text_files.FAULTS, *packed_files.FAULTS, *row_faults.FAULTS], key=lambda fault: fault.number
)
EACH = [(fault, form) for fault in FAULTS for form in fault.forms]
