from pathlib import Path

import pytest
from scripts.generate_docs import DOCUMENTS, made


@pytest.mark.parametrize("path", DOCUMENTS)
def test_generated_documents_are_up_to_date(path: str):
    assert Path(path).read_text(encoding="utf-8") == made(path), "run scripts/docs, and commit"
