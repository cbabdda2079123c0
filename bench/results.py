"""Rebuild the figures of docs/results.md: python -m bench.results.

Every figure of ours is that of one command, which the page shows; what the store has is not built
again. A twin called `twin` must run, and `make env-keras2` have been called. From an empty store it
takes six minutes on two cores.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import demo
from tasks.core.records.measurement import Run

PAGE = demo.ROOT / "docs" / "results.md"
TABLE = re.compile(r"(?<=<!-- made by: make results -->\n).*?(?=<!-- end -->)", re.DOTALL)
HEAD = """
| model | | clocks per sample | per second | latency | LUT | DSP | BRAM |
|---|---|---|---|---|---|---|---|
"""
COMMANDS = """
The commands of our rows, in their order:

<!-- not run: `make results` does, in some minutes -->

"""


class Ours(NamedTuple):
    """A row of ours.

    Attributes:
        arguments: of `overlayflow run`.
    """

    label: str
    arguments: tuple[str, ...]


class Published(NamedTuple):
    """A row that others published.

    Attributes:
        cells: clocks per sample, samples per second, latency; empty if not published.
    """

    label: str
    cells: tuple[str, str, str]


def example(name: str, file: str, *options: str) -> tuple[str, ...]:
    """Return the arguments that run an example."""
    data = Path(file).with_suffix(".npz")
    return (f"examples/{name}/{file}", "--data", f"examples/{name}/{data}", *options)


ROWS: dict[str, tuple[Ours | Published, ...]] = {
    "jet tagger 16-64-32-32-5": (
        Ours("here, unrolled: QKeras, 6 bits, pruned", example("jets", "jets_synthetic.h5")),
        Published(
            "hls4ml tutorial, part 7, PYNQ-Z2: fixed<16,6>, reuse factor 64, with the "
            "host's copies",
            ("242", "412,353", ""),
        ),
    ),
    "autoencoder 128-72-72-8-72-72-128": (
        Ours("here, folded: HGQ2", example("anomaly", "anomaly.keras")),
        Published("MLPerf Tiny v0.7, hls4ml AD08, PYNQ-Z2", ("1,870", "53,365", "18.7 µs")),
    ),
    "pictures of 28x28, ten classes": (
        Ours("here, folded: CNN of two layers, HGQ2", example("fashion", "fashion.keras")),
        Published(
            "MNIST, FINN TFC w2a2 (an MLP), AUP-ZU3, FINN PR#1499",
            ("", "1,190,000", ""),
        ),
    ),
    "digits of 8x8, 64-32-10": (
        Ours("here, folded: HGQ2", example("digits", "digits.keras")),
        Ours("here, unrolled", example("digits", "digits.keras", "--core", "unrolled")),
    ),
}


def main() -> None:
    """Run every row of ours, and write the table into the page."""
    text = PAGE.read_text()
    if not TABLE.search(text):
        raise SystemExit(f"{PAGE} has no place for the table: {TABLE.pattern}")
    table = HEAD + "\n".join(_rows()) + "\n" + COMMANDS + _commands()
    PAGE.write_text(TABLE.sub(lambda _: table, text))
    print(table)


def _rows() -> Iterator[str]:
    for model, rows in ROWS.items():
        for number, row in enumerate(rows):
            told: tuple[str, ...]
            if isinstance(row, Published):
                told = (f"{row.label} (measured)", *row.cells, "", "", "")
            else:
                told = (f"{row.label} (simulated)", *_measured(row))
            yield f"| {' | '.join(('' if number else model, *told))} |"


def _measured(row: Ours) -> tuple[str, ...]:
    """Run a row's command, and return its cells."""
    print(" ".join(row.arguments), flush=True)
    _, _, output = demo.command(["run", *row.arguments, "--json"], os.environ)
    run = Run.model_validate_json(output)
    found = run.figures
    utilisation = run.verdict.manifest.utilisation
    if found.interval_cycles is None or found.latency_us is None or utilisation is None:
        raise SystemExit(f"{run.flow_run_name}: a figure of the table was not measured")
    if found.bit_exact != 1 or not found.simulated:
        raise SystemExit(f"{run.flow_run_name}: the page says bit-exact and simulated")
    used, part = utilisation.used, utilisation.available
    return (
        f"{found.interval_cycles:,.4g}",
        f"{found.inferences_per_s:,.0f}",
        f"{found.latency_us:.3g} µs",
        f"{used.lut:,} ({used.lut / part.lut:.0%})",
        f"{used.dsp} ({used.dsp / part.dsp:.0%})",
        f"{used.bram_36k:g} ({used.bram_36k / part.bram_36k:.0%})",
    )


def _commands() -> str:
    ours = [row for rows in ROWS.values() for row in rows if isinstance(row, Ours)]
    lines = [f"$ overlayflow run {' '.join(row.arguments)}" for row in ours]
    return "\n".join(["```console", *lines, "```", ""])


if __name__ == "__main__":
    main()
