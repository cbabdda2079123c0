"""Command line of the replay tools: python -m tests.replay.main vivado|vivado_hls ARGUMENTS."""

import sys
from pathlib import Path

from tests.replay.scenario import Scenario
from tests.replay.tcl import Interpreter
from tests.replay.versions import about, banner

TITLES = {
    "vivado": "Vivado",
    "vivado_hls": "Vivado(TM) HLS - High-Level Synthesis from C, C++ and SystemC",
}
EXIT_NAMES = {"vivado": "Vivado", "vivado_hls": "vivado_hls"}


def main() -> None:
    """Run one tool."""
    tool, *arguments = sys.argv[1:]
    scenario = Scenario.load()
    scenario.record("start", tool=tool, arguments=arguments)
    scenario.strike("start", tool)
    if arguments == ["-version"]:
        print(about(TITLES[tool], scenario.version))
        return
    print(banner(TITLES[tool], scenario.version))
    if tool == "vivado_hls" and scenario.y2k22_patch:
        print("INFO: Applying HLS Y2K22 patch v1.2 for IP revision")
    script = _script(tool, arguments)
    interpreter = Interpreter(EXIT_NAMES[tool])
    if tool == "vivado":
        from tests.replay.vivado import Vivado

        interpreter.register(Vivado(scenario).commands())
    else:
        from tests.replay.hls import Hls

        interpreter.register(Hls(scenario).commands())
    interpreter.run(script, _argv(tool, arguments))


def _script(tool: str, arguments: list[str]) -> Path:
    """The script of the command line, whose other arguments must be known ones."""
    if tool == "vivado_hls":
        if arguments[:1] != ["-f"]:
            sys.exit(f"ERROR [AP-1] Unknown option '{arguments[0]}'.")
        script = Path(arguments[1])
        if not script.exists():
            sys.exit(f"ERROR [AP-1] Could not read script '{script}'.")
        return script
    own = arguments[: arguments.index("-tclargs")] if "-tclargs" in arguments else arguments
    valued = ("-mode", "-source", "-log", "-journal")
    flags = [each for each in own if each.startswith("-")]
    unknown = [flag for flag in flags if flag not in (*valued, "-nolog", "-nojournal")]
    if unknown or own[own.index("-mode") + 1] != "batch":
        sys.exit(f"ERROR: [Common 17-170] Unknown option '{unknown or own}'")
    return Path(own[own.index("-source") + 1])


def _argv(tool: str, arguments: list[str]) -> list[str]:
    if tool == "vivado_hls":
        return arguments
    return arguments[arguments.index("-tclargs") + 1 :] if "-tclargs" in arguments else []


if __name__ == "__main__":
    main()
