"""The catalog: every verified code is in it with its source, every check can fail, and a site's overlay is merged or refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings import ContentError, load_mappings
from fhir_mappings.checks import COMPONENTS, ROW_CHECKS, claimed_twice, mod10_holds, units_fit, verhoeff_holds
from fhir_mappings.loading import SITE_COLUMNS
from fhir_mappings.mappings import ICD10, LOINC, SNOMED, Analyte, Band, Factor, Row

from ..shared_data import SHARED, needs_shared
from .builders import ICD10CM, mappings, observation, read

ROWS = mappings().rows
LISTS = sorted((SHARED / "codes").glob("*.csv")) if SHARED.is_dir() else []
NOT_SHIPPED = ("unverified_or_disproved.csv", "unverified_round2.csv")
VERIFIED = [file for file in LISTS if file.name not in NOT_SHIPPED]


def _read(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


@needs_shared
@pytest.mark.parametrize("file", VERIFIED, ids=lambda file: file.name)
def test_every_row_of_the_verified_lists_is_in_the_catalog(file: Path) -> None:
    known = {(row.system, row.code): row for row in ROWS}
    rows = [row for row in _read(file) if row["code"] and not row["concept_key"].startswith("bodysite")]
    assert rows
    assert [(row["system"], row["code"]) for row in rows if (row["system"], row["code"]) not in known] == []


@needs_shared
def test_rows_that_are_provisional_are_inactive_unless_another_list_verifies_them() -> None:
    used = {(row.system, row.code) for row in ROWS if row.use == "use"}
    judged = _read(SHARED / "codes/history_calcification_snomed.csv")
    doubted = [row for row in judged if "status=PROVISIONAL" in row["note"]]
    rows = [*_read(SHARED / "codes/history_snomed_provisional.csv"), *doubted]
    verified = {row["code"] for row in judged if "VERIFIED" in row["note"]}
    verified |= {row["code"] for row in _read(SHARED / "codes/history_more_snomed.csv") if "PROVISIONAL" not in row["note"]}
    verified -= {row["code"] for row in doubted}  # where two lists disagree, the stricter one holds
    assert [row["code"] for row in rows if (row["system"], row["code"]) in used and row["code"] not in verified] == []


@needs_shared
@pytest.mark.parametrize("name", NOT_SHIPPED)
def test_codes_that_were_disproved_or_not_verified_are_not_in_the_catalog(name: str) -> None:
    shipped = {row["code"] for file in VERIFIED for row in _read(file)}
    known = {(row.system, row.code) for row in ROWS}
    rows = [row for row in _read(SHARED / "codes" / name) if row["code"] and row["code"] not in shipped]
    assert [row["code"] for row in rows if (row["system"], row["code"]) in known] == []


def test_every_row_has_a_source_and_its_official_text_where_it_may_be_shipped() -> None:
    assert [row.origin for row in ROWS if not row.source] == []
    assert [row.origin for row in ROWS if row.system in (LOINC, SNOMED, ICD10CM) and not row.display] == []
    assert [row.origin for row in ROWS if row.system == ICD10 and row.display] == []


@pytest.mark.parametrize("analyte", [a for a in mappings().analytes.values() if a.factors], ids=lambda a: a.id)
def test_every_analyte_that_is_read_has_codes(analyte: Analyte) -> None:
    assert [row for row in ROWS if row.kind == "analyte" and row.concept == analyte.id and row.use == "use"]


def test_every_category_that_the_rows_name_exists_and_is_used() -> None:
    named = {row.concept for row in ROWS if row.kind == "history"}
    assert set(mappings().histories) - named <= {"amputation"}


@given(st.integers(1, 9_999_999))
def test_a_changed_digit_breaks_the_loinc_check(number: int) -> None:
    right = [digit for digit in range(10) if mod10_holds(f"{number}-{digit}")]
    assert len(right) == 1


@given(st.integers(10_000, 10**12), st.integers(0, 9))
def test_a_changed_digit_breaks_the_snomed_check(number: int, shift: int) -> None:
    right = next(digit for digit in range(10) if verhoeff_holds(f"{number}{digit}"))
    assert verhoeff_holds(f"{number}{(right + shift) % 10}") is (shift == 0)


def _row(**changes: object) -> Row:
    made = {
        "system": LOINC,
        "code": "17861-6",
        "display": "Calcium [Mass/volume] in Serum or Plasma",
        "kind": "analyte",
        "concept": "calcium_total",
        "use": "use",
        "source": "s",
        "origin": "t line 2",
        "attributes": frozenset({"property:mass"}),
    }
    return Row(**(made | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param(_row(code="17861-5"), "check digit", id="a LOINC check digit"),
        pytest.param(
            _row(system=SNOMED, code="31541008", kind="history", concept="granulomatous_disease"), "check digit", id="a SNOMED CT check digit"
        ),
        pytest.param(_row(system=ICD10CM, code="M3", kind="history"), "no ICD-10 code", id="half an ICD code"),
        pytest.param(_row(source=""), "no source", id="no source"),
        pytest.param(_row(display=""), "no display", id="no display"),
        pytest.param(
            _row(code="17865-7", concept="calcium_ionised", display="Glucose [Mass/volume] in Serum or Plasma --8 hours fasting"),
            "does not speak of",
            id="fasting glucose as ionised calcium",
        ),
        pytest.param(_row(code="17862-4", display="Calcium [Mass/volume] in Urine"), "another specimen", id="urine as serum"),
        pytest.param(_row(attributes=frozenset({"property:molar"})), "the name says mass", id="mass said to be molar"),
        pytest.param(_row(kind="order", concept="img-metabolic", attributes=frozenset({"exam:mri"})), "is none of", id="an exam that is not known"),
        pytest.param(
            _row(kind="order", concept="img-metabolic", display="DXA Hip [T-score] Bone density", attributes=frozenset({"exam:dxa-spine"})),
            "is not of exam 'dxa-spine'",
            id="a hip said to be a spine",
        ),
        pytest.param(
            _row(kind="order", concept="img-metabolic", display="DXA Lumbar spine [T-score] Bone density", attributes=frozenset()),
            "does not say exam:dxa-spine",
            id="a spine that is not said to be one",
        ),
    ],
)
def test_a_named_check_finds_the_fault(row: Row, said: str) -> None:
    assert any(said in what for rule in ROW_CHECKS for what in rule(row))


def test_a_code_claimed_twice_is_told_with_both_places() -> None:
    ((row, what),) = claimed_twice([_row(), _row(concept="phosphate", origin="t line 9")])
    assert (row.origin, "t line 2" in what) == ("t line 9", True)


def test_a_code_may_tell_several_histories() -> None:
    rows = [_row(kind="history", concept="infection"), _row(kind="history", concept="granulomatous_disease")]
    assert list(claimed_twice(rows)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"factors": {"mmol/L": Factor(4)}}, "no factor of 1"),
        ({"plausible": (5, 4)}, "lower limit"),
        ({"bands": (Band(5, 4, source="s"),)}, "low is not below"),
        ({"bands": (Band(4, 5),)}, "no source"),
    ],
)
def test_an_analyte_that_makes_no_sense_is_told(changes: dict[str, object], said: str) -> None:
    made = {"id": "x", "title": "x", "unit": "mg/dL", "plausible": (1, 2), "factors": {"mg/dL": Factor(1)}}
    assert any(said in what for what in units_fit(Analyte(**(made | changes))))  # type: ignore[arg-type]


# The site overlay


def _site(folder: Path, *lines: str) -> Path:
    (folder / "codes.csv").write_text("\n".join([",".join(SITE_COLUMNS), *lines]) + "\n", encoding="utf-8")
    return folder


def test_an_empty_overlay_changes_nothing(tmp_path: Path) -> None:
    merged = load_mappings(_site(tmp_path))
    assert (merged.results, merged.history_codes, merged.order_codes) == (mappings().results, mappings().history_codes, mappings().order_codes)


def test_a_folder_without_codes_changes_nothing_and_one_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert load_mappings(tmp_path).digest == mappings().digest
    with pytest.raises(ContentError, match="there is no folder"):
        load_mappings(tmp_path / "nowhere")


def test_a_local_code_is_added_a_row_retired_and_a_provisional_one_activated(tmp_path: Path) -> None:
    merged = load_mappings(
        _site(
            tmp_path,
            "urn:north,PHOS,Phosphate,analyte,phosphate,use,property:mass,local list,,add,our code,A. Smith",
            "http://loinc.org,69405-9,,analyte,egfr,use,,,,retire,misused here,A. Smith",
            "http://snomed.info/sct,237900002,calciphylaxis,history,calciphylaxis,use,,looked up,,activate,checked,A. Smith",
        )
    )
    found = merged.result("urn:north", "PHOS")
    assert found is not None
    assert found.analyte == "phosphate"
    assert merged.result(LOINC, "69405-9") is None
    assert merged.history(SNOMED, "237900002") == {"calciphylaxis"}
    assert mappings().history(SNOMED, "237900002") == frozenset()
    assert merged.digest != mappings().digest


def test_every_fault_of_an_overlay_is_told_in_one_run_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ContentError) as caught:
        load_mappings(
            _site(
                tmp_path,
                "urn:north,A,x,analyte,phosphat,use,,s,,add,why,by",
                "http://loinc.org,2777-1,x,analyte,calcium_total,use,,s,,add,why,by",
                "urn:north,B,x,analyte,phosphate,use,,s,,remove,why,by",
                "urn:north,C,x,analyte,phosphate,maybe,,s,,add,,",
                "http://loinc.org,1-1,x,analyte,phosphate,use,,s,,retire,why,by",
                "http://loinc.org,2777-1,x,analyte,phosphate,use,,s,,activate,why,by",
            )
        )
    told = "\n".join(map(str, caught.value.faults))
    for line, words in (
        (2, "phosphat"),
        (3, "already claimed"),
        (4, "action 'remove'"),
        (5, "use 'maybe'"),
        (6, "cannot retire"),
        (7, "not provisional"),
    ):
        assert any(fault.where == f"site/codes.csv line {line}" and words in fault.what for fault in caught.value.faults), (line, words, told)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("urn:n,BMP,BMP,order,panel,use,,s,,add,w,b", {"member: is missing"}, id="a panel without members"),
        pytest.param("urn:n,D,x,medication,thiazide,use,,s,,add,w,b", {"order: is missing"}, id="a drug without its order category"),
        pytest.param("urn:n,D,x,medication,thiazide,exclude,order:rx-other,s,,add,w,b", {"'exclude' means nothing"}, id="a drug that is excluded"),
        pytest.param("urn:n,C,x,analyte,calcium_total,residual,,s,,add,w,b", {"'residual' means nothing"}, id="a residual result"),
        pytest.param("urn:n,C,x,analyte,calcium_total,use,not:urine,s,,add,w,b", {"is for exclusions"}, id="urine that is used"),
        pytest.param("urn:n,C,x,analyte,calcium_total,use,property:mas,s,,add,w,b", {"'mas' is none of"}, id="a value that is not known"),
        pytest.param("urn:n,I,x,order,img-target,use,regoin:leg,s,,add,w,b", {"'regoin:leg' is none of"}, id="an attribute that is not known"),
        pytest.param("urn:n,S,x,site,thigh,use,,s,,add,w,b", {"region: is missing"}, id="a site without region"),
        pytest.param("urn:n,E,x,context,encounter_clas:IMP,use,,s,,add,w,b", {"is no context"}, id="a context that is not known"),
        pytest.param(f"{ICD10CM},S00-T14,x,history,trauma,use,,s,,add,w,b", {"one for each letter"}, id="a range over two letters"),
        pytest.param(f"{ICD10CM},A19-A15,x,history,trauma,use,,s,,add,w,b", {"does not ascend"}, id="a range backwards"),
        pytest.param("http://loinc.org/,2777-5,Phosphate x,analyte,phosphate,use,,s,,add,w,b", {"check digit"}, id="another spelling of a system"),
        pytest.param("urn:n,A\0,x,analyte,phosphate,use,,s,,add,w,b", {"code holds a NUL"}, id="a NUL"),
        pytest.param("urn:n,A,x,analyte,phosphate,use,,s,,add,w,b,more", {"more cells"}, id="too many cells"),
        pytest.param(f"urn:n,A,{'x' * 140_000},analyte,phosphate,use,,s,,add,w,b", {"cannot be read"}, id="a cell beyond all bounds"),
        pytest.param(
            "http://loinc.org,2777-5,,analyte,phosphat,maybe,,s,,remove,,",
            {"'maybe' is none of", "'remove' is none of", "'phosphat' is no", "check digit", "no display", "why is empty", "by is empty"},
            id="everything at once",
        ),
    ],
)
def test_a_row_of_an_overlay_that_makes_no_sense_is_told_with_all_that_is_wrong(tmp_path: Path, line: str, words: set[str]) -> None:
    with pytest.raises(ContentError) as caught:
        load_mappings(_site(tmp_path, line))
    assert {fault.where for fault in caught.value.faults} == {"site/codes.csv line 2"}
    assert {word for word in words if not any(word in fault.what for fault in caught.value.faults)} == set()


def test_a_column_that_stands_there_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(",".join([*SITE_COLUMNS, "code"]) + "\n", encoding="utf-8")
    with pytest.raises(ContentError, match="column code stands there twice"):
        load_mappings(tmp_path)


def test_the_name_of_every_result_code_is_checked() -> None:
    assert {row.concept for row in ROWS if row.kind == "analyte" and row.system == LOINC} - set(COMPONENTS) == set()


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"system,code\n", b""], ids=["not UTF-8", "columns missing", "empty"])
def test_a_table_that_cannot_be_read_is_told(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "codes.csv").write_bytes(raw)
    with pytest.raises(ContentError) as caught:
        load_mappings(tmp_path)
    assert caught.value.faults[0].where.startswith("site/codes.csv")


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    text = ",".join(SITE_COLUMNS) + '\r\nurn:north,PHOS,"Phosphate, serum",analyte,phosphate,use,,local,,add,our code,A. Smith\r\n'
    (tmp_path / "codes.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_mappings(tmp_path).result("urn:north", "PHOS") is not None


def test_a_urine_calcium_is_refused_and_not_merely_unmapped() -> None:
    (problem,) = read(observation("17862-4")).problems
    assert (problem.reason, problem.detail, problem.category) == ("excluded", "urine", "calcium_total")
