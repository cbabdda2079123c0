"""overlayflow package: turn a build directory into a package that can be measured."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from deployments.cli.output import add_output, print_json, print_table


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "package",
        help="package a design that hls4ml and Vivado built elsewhere",
        description="Makes a package.tar.gz of an output directory of hls4ml's backend "
        "VivadoAccelerator in which Vivado has finished. Measure it with overlayflow bench.",
    )
    parser.add_argument("directory", type=Path, help="hls4ml's output directory")
    parser.add_argument(
        "--data",
        type=Path,
        help=".npz with X_test, y_test and y_csim (default: the directory's tb_data)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("package.tar.gz"),
        help="file to write (default: %(default)s)",
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Read the directory, write the package and print what it contains."""
    import tempfile

    from tasks.core.digests import file_digest
    from tasks.packaging import build_directory, testdata, trust

    build = build_directory.read(arguments.directory)
    if arguments.data:
        data = testdata.from_npz(arguments.data)
    else:
        data = testdata.from_test_bench(arguments.directory, build.output_element)
    with tempfile.TemporaryDirectory() as scratch:
        manifest = build_directory.package(build, data, arguments.out, Path(scratch))
    trust.trust(file_digest(arguments.out))
    if arguments.json:
        addresses = build.handoff.addresses
        print_json({"package": arguments.out, "manifest": manifest, "addresses": addresses})
        return 0
    rows = [
        ("design", f"{manifest.project_name} for {manifest.board_kind} ({manifest.part})"),
        ("target", manifest.target),
        ("built by", f"Vivado {build.handoff.vivado}"),
        ("clock", f"{manifest.clock_mhz:g} MHz"),
        *(("registers", each.words) for each in build.handoff.addresses),
        ("samples", f"{manifest.samples} of {manifest.input.shape} to {manifest.output.shape}"),
    ]
    print_table(str(arguments.out), ("figure", "value"), rows)
    return 0
