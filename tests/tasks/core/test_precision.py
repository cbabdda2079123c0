"""Precisions: one spelling for each format, and never another format than hls4ml reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.records.precision import canonical
from tasks.core.records.settings import ConvertSettings


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        ("ap_fixed<16,6>", "fixed<16,6>"),
        ("fixed< 16 , 6 >", "fixed<16,6>"),
        ("ac_fixed<16,6,true>", "fixed<16,6>"),
        ("ac_fixed<16,6,false,AC_RND>", "ufixed<16,6,RND>"),
        ("ap_fixed<16,6,AP_TRN,AP_WRAP,0>", "fixed<16,6>"),
        ("fixed<16,6,TRN,SAT>", "fixed<16,6,TRN,SAT>"),
        ("ap_ufixed<8,0,AP_RND,AP_SAT>", "ufixed<8,0,RND,SAT>"),
        ("ap_uint<8>", "uint<8>"),
        ("Auto", "auto"),
    ],
)
def test_each_format_has_one_spelling_in_the_settings(written: str, spelt: str) -> None:
    settings = ConvertSettings(precision=written, layer_precision={"dense": written})
    assert settings.precision == settings.layer_precision["dense"] == spelt


@pytest.mark.parametrize(
    "text",
    [
        *("", "16,6", "fixed<16", "float<8>", "fixed<a,b>", "float", "half", "6>"),
        *("fixed<0,0>", "int<-3>", "fixed<16,6>; rm -rf", "fixed<16,6,SOON>", "fixed<16;6>"),
        *("fixed<16>", "int<8,RND>", "ac_ufixed<16,6>", "fixed<16,6,RND,SAT,0,0>"),
    ],
)
def test_what_is_no_fixed_point_format_has_no_spelling(text: str) -> None:
    assert canonical(text) is None


@given(
    vendor=st.sampled_from(["", "ap_", "ac_"]),
    unsigned=st.booleans(),
    width=st.integers(1, 80),
    integer=st.integers(-20, 90),
    modes=st.lists(st.sampled_from(["TRN", "AP_RND", "RND_CONV", "WRAP", "AP_SAT"]), max_size=2),
)
def test_hls4ml_reads_the_same_format_from_both_spellings(
    vendor: str, unsigned: bool, width: int, integer: int, modes: list[str]
) -> None:
    import hls4ml

    read = hls4ml.backends.get_backend("Vivado").convert_precision_string
    kind = "u" if unsigned and vendor != "ac_" else ""
    sign = ["false" if unsigned else "true"] if vendor == "ac_" else []
    fields = ",".join([str(width), str(integer), *sign, *modes])
    written = f"{vendor}{kind}fixed<{fields}>"
    spelt = canonical(written)
    if spelt is not None:
        assert read(spelt) == read(written)
        assert canonical(spelt) == spelt
