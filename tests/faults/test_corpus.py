"""The corpus of hostile data, run through the stages: each fault ends as it must."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.augmented import complaint_of_augmentation
from tests.faults.cases import Fault, complaint, over_the_limit, params_of
from tests.faults.corpus import EACH
from tests.faults.packed_files import ESCAPED

_CASES = [
    pytest.param(fault, form, id=f"{fault.number}-{fault.name}-{form}", marks=pytest.mark.fault(fault.number))
    for fault, form in EACH
]


@pytest.mark.parametrize(("fault", "form"), _CASES)
def test_a_fault_of_the_data_ends_as_it_must(fault: Fault, form: str, tmp_path: Path, tiny_base: Path) -> None:
    folder = tmp_path / "outer/inner"
    folder.mkdir(parents=True)
    case = fault.make(folder, form, Random(1))
    assert complaint(case, folder, params_of(case, tiny_base, form)) is None
    assert [*tmp_path.iterdir(), *folder.parent.iterdir()] == [folder.parent, folder]
    assert not Path(ESCAPED).exists()
    stricter = over_the_limit(case)
    if stricter is not None:
        (folder / "again").mkdir()
        assert complaint(stricter, folder / "again", params_of(stricter, tiny_base, form)) is None


@pytest.mark.fault(18)
def test_no_copy_in_train_is_a_child_of_another_split(tmp_path: Path, tiny_base: Path) -> None:
    assert complaint_of_augmentation(tmp_path, tiny_base, Random(1)) is None
