"""Columns that are named wrongly, in files whose names hold anything."""

import pytest

from stages.shared.errors import DataError
from stages.sources._records import check_columns


def test_a_name_that_is_no_unicode_is_suggested_as_it_can_be_written() -> None:
    with pytest.raises(DataError, match="no column 'id'") as refused:
        check_columns("rows", ["text", "i\udc80"], {"id": "id"})
    assert "Did you mean 'i\\udc80'?" in str(refused.value)
    str(refused.value).encode()
