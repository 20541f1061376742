"""Write geometry.json: what NEURON makes of every test morphology. Run it with a Python that has NEURON.

    python tests/parity/neuron_geometry.py

Facts per file: number of sections, their lengths (µm) in file order, total area (µm²); d_lambda's nseg for d = 0.1,
Ra = 100 Ω·cm, cm = 1 µF/cm²; input resistance (MΩ) of the middle of the first section, and the sum of the transfer
resistances from there to all segments, for g_pas = 1e-4 S/cm², nseg = 3. For a few files also the area and axial
resistance (MΩ) of every segment for nseg = 1 and 4, and of the last half segment.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from geometry_samples import ASC, SWC

HERE = Path(__file__).parent
DATA = HERE.parents[1] / ".." / "shared" / "data" / "morphologies"
IN_DETAIL = {
    "morph_ca1_n120_250.swc",
    "morph_minimal.swc",
    "neurom_simple.swc",
    "jump.swc",
    "soma_chain.swc",
    "thin.swc",
}
NAMES = {1: "soma", 2: "axon", 3: "dend", 4: "apic"}


def measure(path: Path) -> dict:
    """Import one file with NEURON, in this process, and measure it."""
    from neuron import h

    h.load_file("stdrun.hoc")
    h.load_file("import3d.hoc")
    reader = h.Import3d_SWC_read() if path.suffix == ".swc" else h.Import3d_Neurolucida3()
    reader.quiet = 1
    reader.input(str(path))
    h.Import3d_GUI(reader, 0).instantiate(None)
    sections = []
    for s in reader.sections:
        if not s.is_subsidiary:
            name = NAMES.get(int(s.type), f"dend_{int(s.type)}")
            sections.append(getattr(h, name)[int(s.nameindex)])
    facts = {
        "sections": len(sections),
        "lengths": [float(f"{s.L:.8g}") for s in sections],
        "area": sum(seg.area() for s in sections for seg in s),
    }
    for s in sections:
        s.Ra, s.cm = 100.0, 1.0
        s.insert("pas")
    # lambda_f divides by zero in a root whose points coincide, which NEURON makes 1e-9 µm long.
    facts["d_lambda"] = [
        int((s.L / (0.1 * h.lambda_f(100, sec=s)) + 0.9) / 2) * 2 + 1 if s.L > 1e-6 else 1 for s in sections
    ]
    if path.name in IN_DETAIL:
        for n in (1, 4):
            for s in sections:
                s.nseg = n
            facts[f"nseg{n}"] = {
                "area": [seg.area() for s in sections for seg in s],
                "ri": [seg.ri() for s in sections for seg in s],
                "ri_end": [s(1).ri() for s in sections],
            }
    for s in sections:
        s.nseg = 3
        s.g_pas, s.e_pas = 1e-4, 0.0
    h.finitialize(0)
    z = h.Impedance()
    z.loc(0.5, sec=sections[0])
    z.compute(0)
    facts["input"] = z.input(0.5, sec=sections[0])
    facts["transfer"] = sum(z.transfer(seg.x, sec=s) for s in sections for seg in s)
    return facts


def measured(path: Path) -> dict | None:
    """Measure in a child process, since NEURON keeps its sections; None where NEURON fails."""
    with tempfile.NamedTemporaryFile() as result:
        child = os.fork()
        if child == 0:
            try:
                Path(result.name).write_text(json.dumps(measure(path)))
            except BaseException as error:
                print(f"{path.name}: {error!r}", file=sys.stderr)
            os._exit(0)
        os.waitpid(child, 0)
        text = Path(result.name).read_text()
    return json.loads(text) if text else None


def main() -> None:
    facts = {}
    for path in sorted(p for s in (".swc", ".asc") for p in DATA.rglob(f"*{s}")):
        facts[path.relative_to(DATA).as_posix()] = measured(path)
    with tempfile.TemporaryDirectory() as folder:
        for suffix, samples in ((".swc", SWC), (".asc", ASC)):
            for name, text in samples.items():
                path = Path(folder) / f"{name}{suffix}"
                path.write_bytes(text.encode())
                facts[f"samples/{name}{suffix}"] = measured(path)
    lines = (f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in facts.items())
    (HERE / "geometry.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
