"""A build in which all goes well."""

from tests.tasks.toolchains.vivado.conftest import Bench


def test_a_project_becomes_an_ip_and_then_a_bitstream(bench: Bench) -> None:
    synthesis = bench.synthesize()
    implementation = bench.implement(synthesis)
    assert bench.runs("vivado_hls") == bench.runs("vivado") == 1
