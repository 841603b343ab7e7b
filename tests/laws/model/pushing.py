"""How files come: the steps of announcing, sending and finishing, and their chores."""

from collections.abc import Iterator

from hutch_api.store.tables import IntentState, Verb
from tests.laws.model import rules
from tests.laws.model.checker import Step
from tests.laws.model.world import (
    NONE,
    REMOVED,
    Bounds,
    Intent,
    Server,
    World,
    dead,
    owner_of,
    version_of,
)

Steps = Iterator[Step[World]]
PUSHES = ("ada", "bob")
OWNER = 0


def asked(world: World, bounds: Bounds) -> Steps:
    """What those who push may ask for, and what they send."""
    if bounds.room(world) and rules.is_open(world.state):
        for push in range(len(PUSHES)):
            yield from _announce(world, bounds, push)
    for i, intent in enumerate(world.intents):
        if i in world.urls and i not in world.flying:
            begun = world._replace(flying=world.flying | {i})
            yield f"a PUT of intent {i} begins", begun
        fresh = intent.upload in world.uploads and intent.upload not in world.sent
        if fresh and intent.verb is Verb.MULTIPART:
            yield (
                f"the parts of intent {i} arrive",
                world._replace(sent=world.sent | {intent.upload}),
            )
        if intent.state is IntentState.URL and bounds.room(world):
            noted = world.with_intent(i, state=IntentState.COMPLETING)
            if not rules.is_open(world.state):
                continue
            yield (
                f"{PUSHES[intent.push]} finishes intent {i}",
                noted.with_server(Server("finish", "complete", i)),
            )
        if intent.is_live and "abort" in bounds.asks:
            yield f"intent {i} is aborted", _ended(world, i)
    if "remove" in bounds.asks and world.pinned and rules.is_open(world.state):
        removed = world._replace(
            pinned=NONE, superseded=world.superseded | {world.pinned}
        )
        yield "somebody removes the file", removed


def _announce(world: World, bounds: Bounds, push: int) -> Steps:
    """One transaction of ``announce_files``, and what follows it."""
    who, live = PUSHES[push], world.live
    force = False
    if live is not None:
        there = world.intents[live]
        if there.push == push and there.state is not IntentState.COMPLETING:
            if there.state is IntentState.URL:
                yield from _announced_again(world, live, who)
                return
            if not bounds.holds("begun-anew") and len(world.uploads) < 2:
                opening = world.with_server(Server("announce", "open", live))
                yield f"{who} announces intent {live} again", opening
                return
        elif push == OWNER and "force" in bounds.asks:
            force = True
        else:
            return
        world = _ended(world, live)
    i = len(world.intents)
    if i >= bounds.intents:
        return
    used = bool(world.superseded) or any(
        n.state is IntentState.ABORTED and not n.cleared for n in world.intents
    )
    small = rules.verb_for(held=bool(world.pinned), awaited=live is not None, used=used)
    for verb in dict.fromkeys((small, Verb.MULTIPART)):
        if verb not in bounds.verbs:
            continue
        single = verb is Verb.SINGLE
        state = IntentState.URL if single else IntentState.NEW
        intent = Intent(verb, state, push, world.pinned, force)
        begun = world._replace(intents=(*world.intents, intent))
        server = Server("announce", "sign" if single else "open", i)
        how = f"{verb}, by force" if force else str(verb)
        words = f"{who} announces the file (intent {i}, {how})"
        yield words, begun.with_server(server)


def _announced_again(world: World, live: int, who: str) -> Steps:
    if world.intents[live].verb is Verb.SINGLE and live not in world.urls:
        server = Server("announce", "sign", live)
        yield f"{who} announces intent {live} again", world.with_server(server)


def _ended(world: World, i: int) -> World:
    """End an intent; every such update is on condition that it is live."""
    return world.with_intent(i, state=IntentState.ABORTED)


def announce(world: World, bounds: Bounds, server: Server) -> Steps:
    """The store calls after the transaction: ``uploads.announce``."""
    i = server.about
    intent = world.intents[i]
    match server.at:
        case "sign" if rules.is_open(world.state):
            signed = world._replace(urls=world.urls | {i})
            yield f"a PUT of intent {i} is signed", signed.moved(server, None)
        case "sign":
            yield "nothing is signed any more", world.moved(server, None)
        case "open":
            number = version_of(i, 0)
            while number in world.uploads:
                number += 1
            opened = world._replace(uploads=world.uploads | {number})
            yield (
                f"the store opens upload {number}",
                opened.moved(server, "note", (number,)),
            )
        case "note":
            (upload,) = server.seen
            fresh = intent.state is IntentState.NEW
            noted = world
            if fresh:
                noted = world.with_intent(i, upload=upload, state=IntentState.URL)
            elif not bounds.holds("note-live"):
                noted = world.with_intent(i, upload=upload)
            late = not fresh
            after = noted.moved(server, "late" if late else None)
            yield f"upload {upload} is noted", after
        case "late":
            ended = world._replace(uploads=world.uploads - set(server.seen))
            yield f"upload {server.seen[0]} is aborted", ended.moved(server, None)


def finish(world: World, bounds: Bounds, server: Server) -> Steps:
    """From Complete to the commit: ``finishing._complete`` and ``_settle``."""
    i = server.about
    intent = world.intents[i]
    match server.at:
        case "complete":
            done = world
            if intent.verb is Verb.MULTIPART and intent.upload in (
                world.uploads & world.sent
            ):
                done = _arrived(world, i)._replace(
                    uploads=world.uploads - {intent.upload},
                    sent=world.sent - {intent.upload},
                )
            yield f"intent {i} is completed in the store", done.moved(server, "list")
        case "list":
            ours = [v for v in world.stored if owner_of(v) == i]
            seen = (ours[-1] if ours else NONE,)
            yield "the store is asked what it has", world.moved(server, "settle", seen)
        case "settle":
            words, after = _settle(world, bounds, i, server.seen[0])
            refused = after.intents[i].state is not IntentState.DONE
            ends = refused and intent.upload in after.uploads
            yield words, after.moved(server, "abort" if ends else None)
        case "abort":
            ended = world._replace(uploads=world.uploads - {intent.upload})
            yield "its upload is aborted", ended.moved(server, None)


def _settle(world: World, bounds: Bounds, i: int, version: int) -> tuple[str, World]:
    intent = world.intents[i]
    completing = intent.state is IntentState.COMPLETING
    if version == NONE:
        if completing or not bounds.holds("give-up-once"):
            return f"intent {i} is given up", _ended(world, i)
        return "others were faster", world
    if intent.state is IntentState.DONE:
        return "others were faster", world
    allowed = (
        (rules.is_open(world.state) or not bounds.holds("open-at-commit"))
        and (completing or not bounds.holds("completing-only"))
        and (
            intent.force
            or rules.base_holds(world.pinned, intent.base)
            or not bounds.holds("base-at-commit")
        )
    )
    if not allowed:
        return f"intent {i} is refused", _ended(world, i) if completing else world
    lost = world.lost
    if not intent.force and world.pinned != intent.base:
        lost = world.pinned or REMOVED
    superseded = world.superseded
    if world.pinned and bounds.holds("supersede"):
        superseded |= {world.pinned}
    world = world._replace(pinned=version, superseded=superseded, lost=lost)
    done = world.with_intent(i, state=IntentState.DONE, version=version)
    return f"intent {i} is committed", done


def _arrived(world: World, i: int) -> World:
    made = world.intents[i].made
    world = world._replace(stored=(version_of(i, made), *world.stored))
    return world.with_intent(i, made=made + 1)


def store(world: World, bounds: Bounds) -> Steps:
    """What becomes of requests that are under way, and of URLs."""
    for i in world.flying:
        landed = world._replace(flying=world.flying - {i})
        yield f"the PUT of intent {i} is cut", landed
        if world.stored and bounds.holds("create-only"):
            yield f"the PUT of intent {i} is refused with 412", landed
        elif world.intents[i].made < 2:
            yield f"the PUT of intent {i} lands", _arrived(landed, i)
    for i in world.urls:
        yield f"the URL of intent {i} expires", world._replace(urls=world.urls - {i})


def chores(world: World, bounds: Bounds) -> Steps:
    """What the worker begins: ``upkeep``."""
    for i, intent in enumerate(world.intents):
        if intent.state in {IntentState.NEW, IntentState.URL}:
            yield f"intent {i} was idle for a week", _ended(world, i)
        if not bounds.room(world):
            continue
        if intent.state is IntentState.COMPLETING:
            resolving = Server("finish", "complete", i)
            if resolving not in world.servers:
                yield f"the worker resolves intent {i}", world.with_server(resolving)
        ended = intent.state is IntentState.ABORTED and not intent.cleared
        if (
            ended
            and _is_late(world, bounds, i)
            and not any(s.does == "clear" for s in world.servers)
        ):
            at = "look" if not bounds.holds("list-first") else "uploads"
            clearing = Server("clear", at, i)
            yield f"the worker clears intent {i}", world.with_server(clearing)
    for version in world.superseded if bounds.room(world) else ():
        replaced = Server("replaced", "delete", version)
        late = _is_late(world, bounds, owner_of(version))
        if late and replaced not in world.servers:
            yield f"version {version} is due", world.with_server(replaced)


def _is_late(world: World, bounds: Bounds, i: int) -> bool:
    """Tell whether ``LATE`` has passed: no URL works, no PUT and no server lasts so."""
    if not (bounds.holds("late") and rules.AFTER_URLS):
        return True
    opening = any(s.does == "announce" and s.about == i for s in world.servers)
    return not opening and i not in world.urls | world.flying


def replaced(world: World, bounds: Bounds, server: Server) -> Steps:
    """Delete one superseded version: ``upkeep.delete_superseded``."""
    match server.at:
        case "delete":
            gone = world.without_versions((server.about,))
            yield f"version {server.about} is deleted", gone.moved(server, "note")
        case "note":
            noted = world._replace(superseded=world.superseded - {server.about})
            yield "that is noted", noted.moved(server, None)


def clear(world: World, bounds: Bounds, server: Server) -> Steps:
    """Remove what an ended upload left: ``upkeep._clear``."""
    i = server.about
    match server.at:
        case "delete":
            done, *gone = server.seen
            deleted = world.without_versions(tuple(gone))
            yield "they are deleted", deleted.moved(server, "note", (done,))
        case "note":
            noted = world.with_intent(i, cleared=bool(server.seen[0]))
            yield f"that is noted of intent {i}", noted.moved(server, None)
        case _:
            yield from _end_upload(world, bounds, server)


def _end_upload(world: World, bounds: Bounds, server: Server) -> Steps:
    """Abort its upload, or look for one without a row: ``remains.end_upload``."""
    intent = world.intents[server.about]
    live = [n.upload for n in world.intents if n.is_live]
    careful = bounds.holds("opening")
    match server.at:
        case "uploads" | "look" if intent.verb is not Verb.MULTIPART:
            yield from _listed(world, server, done=True)
        case "uploads" | "look" if intent.upload:
            ended = world._replace(uploads=world.uploads - {intent.upload})
            yield from _listed(ended, server, done=True)
        case "uploads":
            seen = tuple(sorted(world.uploads))
            yield "uploads are listed", world.moved(server, "intents", seen)
        case "intents" if NONE in live and careful:
            yield from _listed(world, server, done=False)
        case "intents":
            lost = () if NONE in live else set(server.seen) - {*live}
            ended = world._replace(uploads=world.uploads.difference(lost))
            yield from _listed(ended, server, done=True)
        case "look" if live:
            yield from _listed(world, server, done=not careful)
        case "look":
            yield "no intent is live", world.moved(server, "abort-all")
        case "abort-all":
            yield from _listed(world._replace(uploads=frozenset()), server, done=True)


def _listed(world: World, server: Server, *, done: bool) -> Steps:
    ours = [v for v in world.stored if owner_of(v) == server.about]
    seen = (int(done), *ours)
    at = "delete" if ours else "note"
    yield f"what intent {server.about} left is listed", world.moved(server, at, seen)


def is_clear(world: World, bounds: Bounds) -> bool:
    """Tell whether nothing of ended uploads is left, and none is under way."""
    return (
        not any(n.is_live for n in world.intents)
        and not world.uploads
        and not dead(world, bounds)
        and all(n.cleared for n in world.intents if n.state is IntentState.ABORTED)
        and not world.urls
        and not world.flying
    )
