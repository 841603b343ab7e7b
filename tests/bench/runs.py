"""Results of a run that never was, for the tests of what is written about it."""

from bench.figures import Figure
from bench.meter import Usage
from bench.processes import Memory
from bench.results import Group, Machine, Peer, Run, Sample, Way, WorkDone
from bench.works import GIB, MIB


def usage(wall: float, cpu: float = 1.0) -> Usage:
    return Usage(
        wall_s=wall,
        client_cpu_s=cpu,
        store_cpu_s=2.0,
        server_cpu_s=0.5,
        memory=Memory(90 * MIB, 40 * MIB),
        server_memory=Memory(),
        steps_s=(wall,),
    )


def samples(tool: str, way: Way, *walls: float, cpu: float = 1.0) -> list[Sample]:
    return [
        Sample(
            store="default",
            work="large",
            way=way,
            tool=tool,
            round=number,
            usage=usage(wall, cpu),
        )
        for number, wall in enumerate(walls, 1)
    ]


def run(*found: Sample) -> Run:
    names = dict.fromkeys(s.tool for s in found)
    return Run(
        date="2020-02-20",
        machine=Machine(cores=2, memory=24 * GIB, kernel="6.1"),
        rounds=3,
        database="PostgreSQL",
        whole=True,
        works=(
            WorkDone(
                name="large", title="4 × 1 GiB", files=4, bytes=4 * GIB, by_files=False
            ),
        ),
        tools=tuple(Peer(name=n, version="1", settings="none") for n in names),
        samples=tuple(found),
        groups=(Group(title="Limits", figures=(Figure(name="f", value=1, unit="s"),)),),
    )
