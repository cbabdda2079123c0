"""The layers of a folded core as a table: what each was expected to take, and what it takes."""

from collections.abc import Sequence

from tasks.core.records.design import LayerEstimate, Resources, Utilisation

Row = tuple[str, ...]

_NAMES = {"LUT": "lut", "DSP": "dsp", "BRAM": "bram_36k"}
_UNKNOWN = ("",) * len(_NAMES)
_WORDS = 2
"""Columns of words, on the left; the others hold figures."""


def layer_table(
    layers: Sequence[LayerEstimate], interval_cycles: int | None, found: Utilisation | None
) -> list[Row]:
    """Return the names of the columns, then the rows.

    Args:
        layers: estimates.
        interval_cycles: clocks per sample of the core.
        found: what the design with its shell takes; None where it is not known.
    """
    interval = "" if interval_cycles is None else f"{interval_cycles:,}"
    rows: list[Row] = [
        ("layer", "fold", "clocks", "multipliers", *(f"{name} estimated" for name in _NAMES)),
        *(
            (
                each.layer,
                each.fold,
                f"{each.clocks:,}",
                str(each.multipliers or ""),
                *_figures(each),
            )
            for each in layers
        ),
        ("all layers", "", interval, "", *_sums(layers)),
    ]
    if found is None:
        return rows
    counted = [_UNKNOWN] * (len(layers) + 1)
    if found.by_layer:
        counted = [*map(_figures, found.by_layer), _sums(found.by_layer)]
    named = [tuple(f"{name} {found.stage}" for name in _NAMES), *counted]
    rows = [(*row, *figures) for row, figures in zip(rows, named, strict=True)]
    if found.by_layer:
        rows.append(("shell and rest", "", "", "", *_UNKNOWN, *_rest(found)))
    return [*rows, ("whole design", "", "", "", *_UNKNOWN, *_figures(found.used))]


def aligned(rows: Sequence[Row]) -> list[str]:
    """Return rows as lines of text, with words on the left and figures on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < _WORDS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _figures(each: LayerEstimate | Resources) -> Row:
    return f"{each.lut:,}", str(each.dsp or ""), f"{each.bram_36k:g}" if each.bram_36k else ""


def _sums(parts: Sequence[LayerEstimate | Resources]) -> Row:
    return tuple(f"{sum(getattr(each, name) for each in parts):,.10g}" for name in _NAMES.values())


def _rest(found: Utilisation) -> Row:
    """Return what belongs to no layer."""
    return tuple(
        f"{getattr(found.used, name) - sum(getattr(each, name) for each in found.by_layer):,.10g}"
        for name in _NAMES.values()
    )
