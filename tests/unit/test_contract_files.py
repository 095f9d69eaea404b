"""The files made from the contract: compared, renewed, and the project's own are up to date."""

from pathlib import Path

import pytest

from gateway.contract.registry import OPERATIONS
from gateway.contract_files import BEGIN, END, differences, operations_table, with_table, write_files
from gateway.refusal import Refusal

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A project's folder whose files are as the contract has them."""
    (tmp_path / "README.md").write_text(f"# Title\n\n{BEGIN}\n{END}\n\nThe rest.\n")
    write_files(tmp_path)
    return tmp_path


def test_the_files_of_this_project_are_up_to_date():
    assert differences(PROJECT) == []


def test_what_was_written_does_not_differ(project):
    assert differences(project) == []
    assert write_files(project) == []


def test_each_difference_is_named_and_can_be_renewed(project):
    (project / "wsdl" / "jobs-v2.wsdl").write_text("<old/>")
    (project / "wsdl" / "examples" / "getJob.request.xml").unlink()
    (project / "wsdl" / "examples" / "oldJob.request.xml").write_text("<old/>")
    assert sorted(differences(project)) == [
        "wsdl/examples/getJob.request.xml is missing",
        "wsdl/examples/oldJob.request.xml is no longer part of the contract",
        "wsdl/jobs-v2.wsdl differs",
    ]
    assert len(write_files(project)) == 3
    assert differences(project) == []


def test_the_table_has_a_row_for_each_operation_and_replaces_the_old_one():
    rows = operations_table().splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [entry.name for entry in OPERATIONS]
    readme = with_table(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert readme == f"before\n{BEGIN}\n{operations_table()}\n{END}\nafter\n"
    assert with_table(readme) == readme


@pytest.mark.parametrize("readme", ["", BEGIN, END + BEGIN])
def test_a_readme_without_marks_is_refused(readme):
    with pytest.raises(Refusal, match="stands between the lines"):
        with_table(readme)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(Refusal, match="is not the project's folder"):
        differences(tmp_path)
