"""Checks names that reach generated C++, Tcl, Verilog and shells: they must be free there."""

import re
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path

from tasks.conversion import bombs, keras_text
from tasks.core.errors import UnsupportedModelError
from tasks.core.records.settings import ConvertSettings

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_LAYER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_KEPT = 55  # characters of a file's name in a project's
_SHOWN = 60  # characters of a name in a message

_CPP = """
alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool
break case catch char char8_t char16_t char32_t class co_await co_return co_yield compl concept
const consteval constexpr constinit const_cast continue contract_assert decltype default delete do
double dynamic_cast else enum explicit export extern false final float for friend goto if import
inline int long module mutable namespace new noexcept not not_eq nullptr operator or or_eq override
private protected public reflexpr register reinterpret_cast requires restrict return short signed
sizeof static static_assert static_cast struct switch synchronized template this thread_local throw
true try typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while
xor xor_eq
"""
# Names in the libraries that hls4ml includes, and in its own.
_LIBRARIES = """
main std nnet hls stdin stdout stderr errno NULL EOF BUFSIZ RAND_MAX INFINITY NAN HUGE_VAL assert
offsetof linux unix i386 div_t ldiv_t lldiv_t size_t ssize_t time_t clock_t FILE half firmware csim
project overlayflow_samples allocate_trace_storage free_trace_storage collect_trace_output
trace_data
"""
# Layers that hls4ml would mistake for something of its own.
_OWN = ("input", "result", "scale", "depthwise")
_RESERVED = frozenset((_CPP + _LIBRARIES).split())
# Names of hls4ml's variables, types and structures.
_GENERATED = re.compile(
    r"(?:ap|ac)_.*|.*_t|\w*(?:input|result)_t\w*|input(?:_.*)?|layer\d.*|\w*config\d.*|[a-z]\d+"
    r"|N_.*|__.*"
)


def is_free(name: str) -> bool:
    """Return whether a project may have this name, that is, C++ and hls4ml do not use it.

    Verilog's keywords do no harm: a core is named NAME_core, and Vivado HLS renames its modules.
    """
    return (
        IDENTIFIER.fullmatch(name) is not None
        and name not in _RESERVED
        and name.lower() not in _RESERVED
        and _GENERATED.fullmatch(name) is None
    )


def named(settings: ConvertSettings, model: Path) -> ConvertSettings:
    """Return settings with a project name: the model file's where none is given."""
    if settings.project_name:
        return settings
    return settings.model_copy(update={"project_name": project_name(model)})


def project_name(model: Path) -> str:
    """Return a model file's name as a project name, with what makes it a free one.

    C++ cannot tell a project from a layer of its name.
    """
    try:
        bombs.require_size(model)
        layers = keras_text.all_layers(model)
    except OSError:  # told when the file is identified
        layers = ()
    letters = (each if each.isalnum() and each.isascii() else "_" for each in model.stem)
    name = "".join(letters)[:_KEPT]
    # hls4ml has a structure config2 and replaces input_t and result_t, whatever stands around them.
    apart = re.sub(r"(input|result)_(?=t)", r"\1", name.replace("config", "cfg"))
    first = (name, f"model_{name}", f"model_{name}_1")
    names = chain(first, (f"model_{apart}_{n}" for n in count(1)))
    return next(each for each in names if is_free(each) and each not in layers)


def what_differs(settings: ConvertSettings) -> str:
    """Say in a few words which settings are no defaults, as in `packed, 8 ns`; else nothing."""
    usual = ConvertSettings()
    words = {
        "words": settings.words,
        "clock_period_ns": f"{settings.clock_period_ns:g} ns",
        "precision": settings.precision,
        "layer_precision": ", ".join(f"{k} {v}" for k, v in settings.layer_precision.items()),
        "reuse_factor": f"reuse {settings.reuse_factor}",
        "layer_reuse_factor": ", ".join(
            f"{k} reuse {v}" for k, v in settings.layer_reuse_factor.items()
        ),
        "strategy": settings.strategy,
        "io_type": settings.io_type,
        "core": settings.core,
        "interval_cycles": f"interval {settings.interval_cycles}",
        "board_kind": settings.board_kind,
    }
    return ", ".join(
        text for name, text in words.items() if getattr(settings, name) != getattr(usual, name)
    )


def check(names: Iterable[str], what: str, where: str) -> None:
    """Refuse names that are invalid in generated code, or would run there.

    Args:
        names: of layers or tensors.
        what: what they name, in one word.
        where: where they come from, for the message.

    Raises:
        UnsupportedModelError: one is not an identifier, or is a keyword.
    """
    for name in names:
        if not _LAYER.fullmatch(name) or name in _CPP.split():
            shown = repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")
            raise UnsupportedModelError(
                f"{what} {shown} has a name that is invalid in C++",
                where=where,
                remedy=f"rename the {what}: a letter, then letters, digits and underscores, "
                "no keyword of C++",
            )


def check_layers(layers: Iterable[str]) -> None:
    """Refuse names of layers under which hls4ml keeps something of its own.

    Raises:
        UnsupportedModelError: one is such a name.
    """
    for name in layers:
        if name in _OWN:
            raise UnsupportedModelError(
                f"layer {name!r} has a name that hls4ml uses for something of its own",
                remedy=f"rename the layer, for instance {name}_layer",
            )
