"""Converts a model for a traced core in a child process.

What is far too big for the part is refused before the C simulation, whose compiler may take minutes
and gigabytes for it.

python -m tasks.toolchains.cores.converter REQUEST RESULT
"""

from pathlib import Path

from tasks.conversion import child
from tasks.core.records.design import HlsProject, Resources, Stream
from tasks.core.records.settings import ConvertSettings
from tasks.processes.child import child_main


class TracedRequest(child.ConvertRequest):
    """The child's request.

    Attributes:
        asked: settings with the core and the interval, on which the conversion does not depend.
    """

    asked: ConvertSettings


def convert(request: TracedRequest) -> HlsProject:
    """Convert a model, unless no core of it comes near to fitting the part.

    Raises:
        DoesNotFitError: none does, by estimate.
        UnsupportedModelError: the framework, hls4ml or the core cannot take the model.
        InputError: model, data or settings cannot be used.
    """
    from tasks.toolchains.cores import choice
    from tasks.toolchains.cores.graph import load_graph

    def refuse(files: Path, streams: tuple[Stream, Stream]) -> None:
        graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
        choice.decide(graph, request.asked, streams, Resources.of_part(request.asked.board_kind))

    return child.convert(request, refuse)


if __name__ == "__main__":
    child.set_up()
    child_main(TracedRequest, convert)
