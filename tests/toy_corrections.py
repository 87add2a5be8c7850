"""Corrections of jet energies as correctionlib has them, of simple values by the names that CMS gives to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

JEC, JER = "Summer19UL16_V7_MC", "Summer20UL16_JRV3_MC"


def write_large_jets(path: Path) -> Path:
    """The corrections of large jets by the names and inputs of CMS's fatJet_jerc.json, of simple values."""
    schema = pytest.importorskip("correctionlib.schemav2")

    def inputs(*names: str) -> list[Any]:
        return [schema.Variable(name=one, type="string" if one == "systematic" else "real") for one in names]

    def correction(name: str, data: Any, *names: str) -> Any:
        output = schema.Variable(name="value", type="real")
        return schema.Correction(
            name=f"{name}_AK8PFPuppi", version=1, inputs=inputs(*names), output=output, data=data
        )

    def formula(text: str, *names: str) -> Any:
        return schema.Formula(nodetype="formula", expression=text, parser="TFormula", variables=list(names))

    values = [{"key": key, "value": value} for key, value in (("nom", 1.1), ("up", 1.2), ("down", 1.0))]
    levels = ("L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual")
    corrections = [
        correction(f"{JEC}_L1FastJet", 1.0, "JetA", "JetEta", "JetPt", "Rho"),
        correction(f"{JEC}_L2Relative", formula("1.05+10/x", "JetPt"), "JetEta", "JetPt"),
        correction(f"{JEC}_L3Absolute", 1.0, "JetEta", "JetPt"),
        correction(f"{JEC}_L2L3Residual", formula("1+0.01*abs(x)", "JetEta"), "JetEta", "JetPt"),
        correction(f"{JEC}_Total", 0.02, "JetEta", "JetPt"),
        correction(f"{JER}_PtResolution", formula("5/x+0.001*y", "JetPt", "Rho"), "JetEta", "JetPt", "Rho"),
        correction(
            f"{JER}_ScaleFactor",
            schema.Category(nodetype="category", input="systematic", content=values),
            "JetEta",
            "systematic",
        ),
    ]
    compound = schema.CompoundCorrection(
        name=f"{JEC}_L1L2L3Res_AK8PFPuppi",
        inputs=inputs("JetA", "JetEta", "JetPt", "Rho"),
        output=schema.Variable(name="value", type="real"),
        inputs_update=["JetPt"],
        input_op="*",
        output_op="*",
        stack=[f"{JEC}_{level}_AK8PFPuppi" for level in levels],
    )
    found = schema.CorrectionSet(schema_version=2, corrections=corrections, compound_corrections=[compound])
    path.write_text(found.model_dump_json(exclude_unset=True))
    return path


LARGE = {
    "file": "fatJet_jerc.json",
    "corrections": f"{JEC}_L1L2L3Res_AK8PFPuppi",
    "uncertainty": f"{JEC}_Total_AK8PFPuppi",
    "resolution": f"{JER}_PtResolution_AK8PFPuppi",
    "scale_factor": f"{JER}_ScaleFactor_AK8PFPuppi",
}


def write_constant_resolution(path: Path) -> Path:
    """A resolution of 10 %; jets are smeared by that, and up and down by more and by less."""
    schema = pytest.importorskip("correctionlib.schemav2")
    output = schema.Variable(name="value", type="real")
    values = [
        {"key": key, "value": float(np.sqrt(1 + one))}
        for key, one in (("nom", 1), ("up", 1.5), ("down", 0.6))
    ]
    category = schema.Category(nodetype="category", input="systematic", content=values)
    corrections = [
        schema.Correction(
            name=name, version=1, inputs=[schema.Variable(name=one, type=kind)], output=output, data=data
        )
        for name, one, kind, data in (
            ("width", "JetPt", "real", 0.1),
            ("scale", "systematic", "string", category),
        )
    ]
    found = schema.CorrectionSet(schema_version=2, corrections=corrections)
    path.write_text(found.model_dump_json(exclude_unset=True))
    return path
