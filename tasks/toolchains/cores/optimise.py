"""Turns traced values into a program, and optimises it with alkaid's passes except for one.

`canonicalize_msb_wraps` of alkaid 0.8.2 mistakes a bit picked out of a scaled value for its sign
bit if the two weights happen to agree. Replace this module by `alkaid.trace.passes.optimize` once
that is fixed; test_formats.py shows whether it is.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from alkaid.trace import FVArray, trace
from alkaid.trace.passes import (
    add_surrogate,
    common_subexpr_elimin,
    dead_code_elimin,
    null_quant_elimin,
)
from alkaid.trace.passes.canon import canonicalize_outputs, const_propagation
from alkaid.trace.passes.order import canonical_sort, topo_bandwidth_sort
from alkaid.trace.passes.retrace import _retrace
from alkaid.types import CombLogic

MOST_ROUNDS = 4
LONGEST_CHAIN = 1_000_000


def program(inputs: FVArray, outputs: FVArray) -> CombLogic:
    """Return the operations between traced inputs and outputs as a program."""
    with _deep_recursion():
        return trace(inputs.ravel(), outputs.ravel(), optimize=False)


def optimise(logic: CombLogic) -> CombLogic:
    """Remove unused, constant and duplicate operations, and add alkaid's costs and delays."""
    with _deep_recursion():
        for _ in range(MOST_ROUNDS):
            before = canonical_sort(_simplify(logic))
            logic = canonical_sort(_simplify(_retrace(before)))
            if logic == before:
                break
    # Counting a table's LUTs takes alkaid seconds a table: they count as 0 here.
    logic = canonical_sort(add_surrogate(logic, _skip_op8_cost=True))
    return topo_bandwidth_sort(logic)


def _simplify(logic: CombLogic) -> CombLogic:
    logic = canonicalize_outputs(const_propagation(logic))
    for remove in (common_subexpr_elimin, null_quant_elimin):
        logic = remove(dead_code_elimin(logic))
    return dead_code_elimin(logic)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Allow the deep recursion with which alkaid follows chains of operations."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, LONGEST_CHAIN))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
