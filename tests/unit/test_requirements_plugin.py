"""`pytest --requirements`, in runs of its own."""

from __future__ import annotations

import re

import pytest

from tests.plugin import catalogue

OPTIONS = ("--strict-markers", "-p", "tests.plugin", "-p", "no:cacheprovider", "-p", "no:asyncio")


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile("import pytest\n" + source)
    return pytester.runpytest(*OPTIONS, "--requirements", *options, no_reraise_ctrlc=True)


def line_of(result: pytest.RunResult, identifier: str) -> str:
    """The identifier's line of the table, without its title."""
    (line,) = (line for line in result.outlines if line.startswith(f"{identifier}  "))
    return line.removesuffix(catalogue.load()[identifier]).rstrip()


def last_line(result: pytest.RunResult) -> str:
    return result.outlines[-1]


def closing_lines(result: pytest.RunResult) -> list[int]:
    return [number for number, line in enumerate(result.outlines) if re.fullmatch(r"=+ .* in [0-9.]+s =+", line)]


def test_the_catalogue_has_the_114_lines_of_the_runbooks_in_few_words():
    titles = catalogue.load()
    counts = {"A": 31, "B": 17, "C": 13, "D": 20, "E": 33}
    assert list(titles) == [f"{book}-{number:02}" for book, count in counts.items() for number in range(1, count + 1)]
    assert len(titles) == 114
    assert not [title for title in titles.values() if len(title.split()) > 12]
    assert len(set(titles.values())) == 114


def test_a_passing_test_proves_what_it_names_and_nothing_else(pytester: pytest.Pytester):
    result = run(pytester, '@pytest.mark.requirement("E-08", "A-05")\ndef test_it(): pass\ndef test_else(): pass')
    result.assert_outcomes(passed=2)
    assert line_of(result, "E-08") == "E-08  proven"
    assert line_of(result, "A-05") == "A-05  proven"
    assert line_of(result, "E-07") == "E-07  no test"
    assert sum("::test_it" in line for line in result.outlines) == 2
    assert not any("::test_else" in line for line in result.outlines)
    assert last_line(result) == "requirements: 2 of 114 proven"


SAYING = """
@pytest.mark.requirement("E-08")
@pytest.mark.parametrize("number", [1, 2])
def test_it(closing_line, number):
    closing_line(f"injected {number}")
"""


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "in other processes"])
def test_what_a_test_says_at_the_end_stands_once_below_the_closing_line(pytester: pytest.Pytester, workers: tuple[str, ...]):
    result = run(pytester, SAYING, *workers)
    (closing,) = closing_lines(result)
    said = [number for number, line in enumerate(result.outlines) if line.startswith("injected ")]
    assert sorted(result.outlines[number] for number in said) == ["injected 1", "injected 2"]
    assert min(said) > closing and last_line(result) == "requirements: 1 of 114 proven"


def test_what_a_test_says_before_it_fails_is_the_last_line_of_a_run_without_the_table(pytester: pytest.Pytester):
    pytester.makepyfile("import pytest\n" + SAYING + "    assert number == 1")
    result = pytester.runpytest(*OPTIONS)
    assert last_line(result) == "injected 2" and result.ret == pytest.ExitCode.TESTS_FAILED


def test_what_is_known_to_be_lacking_is_said_and_not_counted(pytester: pytest.Pytester):
    result = run(pytester, '@pytest.mark.requirement("C-06", "A-05")\ndef test_it(): pass')
    assert line_of(result, "C-06") == "C-06  in part" and line_of(result, "A-05") == "A-05  proven"
    assert f"               lacks: {catalogue.lacking()['C-06']}" in result.outlines
    assert last_line(result) == "requirements: 1 of 114 proven, 1 in part"


def test_what_is_lacking_changes_no_other_verdict(pytester: pytest.Pytester):
    result = run(pytester, '@pytest.mark.requirement("C-06")\ndef test_it(): assert False')
    assert line_of(result, "C-06") == "C-06  FAILED" and line_of(result, "E-30") == "E-30  no test"
    assert not any("lacks:" in line for line in result.outlines)


def test_only_what_tests_name_can_be_lacking():
    """Else a line would stay there that nobody looks at."""
    named = "".join(path.read_text() for tier in ("contract", "e2e") for path in (catalogue.TESTS / tier).rglob("*.py"))
    assert [known for known in catalogue.lacking() if known not in catalogue.load() or f'"{known}"' not in named] == []


@pytest.mark.long
def test_what_several_processes_prove_is_counted_together(pytester: pytest.Pytester):
    source = """
@pytest.mark.parametrize("number", range(4))
@pytest.mark.requirement("E-08")
def test_it(number): pass
@pytest.mark.requirement("A-05")
def test_else(): assert False
"""
    result = run(pytester, source, "-n", "2")
    result.assert_outcomes(passed=4, failed=1)
    assert line_of(result, "E-08") == "E-08  proven" and line_of(result, "A-05") == "A-05  FAILED"
    assert any("passed 4  " in line and line.endswith("::test_it") for line in result.outlines)
    assert last_line(result) == "requirements: 1 of 114 proven"


@pytest.mark.long
def test_a_name_that_is_none_is_refused_by_several_processes_too(pytester: pytest.Pytester):
    result = run(pytester, '@pytest.mark.requirement("E-99")\ndef test_it(): pass', "-n", "2")
    assert result.ret != 0 and any("names 'E-99'" in line for line in result.outlines)


def test_a_unit_test_alone_supports_and_does_not_prove(pytester: pytest.Pytester):
    folder = pytester.mkdir("tests") / "unit"
    folder.mkdir()
    folder.joinpath("test_pure.py").write_text('import pytest\n@pytest.mark.requirement("E-08")\ndef test_it(): pass')
    result = pytester.runpytest(*OPTIONS, "--requirements")
    assert line_of(result, "E-08") == "E-08  unit"
    assert last_line(result) == "requirements: 0 of 114 proven"


def test_the_table_has_every_id_and_stands_below_the_closing_line(pytester: pytest.Pytester):
    result = run(pytester, "def test_it(): pass")
    (closing,) = closing_lines(result)
    table = [line.split()[0] for line in result.outlines[closing + 1 :] if line]
    assert table == [*catalogue.load(), "requirements:"]
    assert last_line(result) == "requirements: 0 of 114 proven"


def test_without_the_option_there_is_no_table(pytester: pytest.Pytester):
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest(*OPTIONS)
    assert closing_lines(result) == [len(result.outlines) - 1]


@pytest.mark.parametrize(
    "broken",
    [
        "def test_it(): assert False",
        "@pytest.fixture\ndef f(): raise OSError\n@MARK\ndef test_it(f): pass",
        "@pytest.fixture\ndef f():\n  yield\n  raise OSError\n@MARK\ndef test_it(f): pass",
    ],
    ids=["in the call", "in its set-up", "in its tear-down"],
)
def test_a_failure_anywhere_is_not_made_up_for_by_another_test(pytester: pytest.Pytester, broken: str):
    marked = broken if "@MARK" in broken else f"@MARK\n{broken}"
    result = run(pytester, f'MARK = pytest.mark.requirement("E-08")\n{marked}\n@MARK\ndef test_fine(): pass')
    assert line_of(result, "E-08") == "E-08  FAILED"
    assert last_line(result) == "requirements: 0 of 114 proven"
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.skip\n@pytest.mark.requirement("E-08")\ndef test_it(): pass',
        '@pytest.mark.requirement("E-08")\ndef test_it(): pytest.skip()',
        '@pytest.mark.xfail\n@pytest.mark.requirement("E-08")\ndef test_it(): assert False',
        '@pytest.mark.xfail\n@pytest.mark.requirement("E-08")\ndef test_it(): pass',
    ],
    ids=["skipped", "skipped in the test", "expected to fail", "unexpectedly passed"],
)
def test_what_was_skipped_or_excused_proves_nothing(pytester: pytest.Pytester, source: str):
    result = run(pytester, source)
    assert line_of(result, "E-08") == "E-08  not run"
    assert last_line(result) == "requirements: 0 of 114 proven"


def test_what_was_deselected_is_not_run(pytester: pytest.Pytester):
    result = run(pytester, '@pytest.mark.requirement("E-08")\ndef test_it(): pass\ndef test_else(): pass', "-k", "else")
    assert line_of(result, "E-08") == "E-08  not run"


def test_the_runs_of_a_parametrised_test_are_counted_together(pytester: pytest.Pytester):
    result = run(
        pytester,
        '@pytest.mark.requirement("E-08")\n@pytest.mark.parametrize("n", [1, 2, 3])\ndef test_it(n): assert n < 3',
    )
    assert line_of(result, "E-08") == "E-08  FAILED"
    result.stdout.fnmatch_lines(["*passed 2, failed 1  *::test_it"])


def test_the_marker_of_a_class_and_of_one_parameter_count(pytester: pytest.Pytester):
    result = run(
        pytester,
        '@pytest.mark.requirement("E-07")\nclass TestIt:\n  def test_it(self): pass\n'
        '@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.requirement("E-05"))])\ndef test_n(n): pass',
    )
    assert last_line(result) == "requirements: 2 of 114 proven"
    result.stdout.fnmatch_lines(["E-05  proven*", "*passed  *::test_n", "E-07  proven*", "*passed  *::TestIt::test_it"])


@pytest.mark.parametrize(("ids", "named"), [('"E-34"', "'E-34'"), ('"E-08", "e-08"', "'e-08'"), ("", "''"), ("8", "8")])
def test_an_id_that_does_not_exist_is_a_collection_error(pytester: pytest.Pytester, ids: str, named: str):
    result = run(pytester, f"@pytest.mark.requirement({ids})\ndef test_it(): pass\ndef test_else(): pass")
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*test_it: @pytest.mark.requirement names {named}, which tests/requirements.yaml does not have*"])
    assert last_line(result) == "requirements: 0 of 114 proven"


def test_the_table_is_the_last_thing_even_of_a_run_that_was_interrupted(pytester: pytest.Pytester):
    result = run(
        pytester,
        '@pytest.mark.requirement("E-08")\ndef test_it(): raise KeyboardInterrupt\n'
        '@pytest.mark.requirement("E-07")\ndef test_else(): pass',
    )
    assert last_line(result) == "requirements: 0 of 114 proven"
    assert line_of(result, "E-08") == "E-08  not run"
