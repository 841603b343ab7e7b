"""Runs of definitions, and how their steps come by their tokens."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.runs import ClaimIn, JobOut, RunIn, RunLog, RunOut, RunPage
from hutch_api.http import replays
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.resources.queries import LogQuery, RunsQuery
from hutch_api.services import claims, run_logs, runs

_RUN: Final = "/v1/runs/{run}"


def list_runs(call: Call[None, RunsQuery]) -> Answer:
    """List one's own runs, the newest first."""
    wanted = call.query
    with call.site.look() as work:
        return Answer(
            runs.list_runs(
                work,
                call.actor,
                state=wanted.state,
                definition=wanted.definition,
                after=wanted.after,
                limit=wanted.limit,
            )
        )


def start_run(call: Call[RunIn, None]) -> Answer:
    """Run a definition on closed datasets, or on what other runs will make.

    The run acts for the caller and ends with the token of this request. Its output is
    a new dataset, which is there when the run has succeeded.
    """
    with call.site.begin() as work:
        return Answer(
            replays.make_once(
                work,
                call,
                scope=Scope.RUN,
                make=lambda: runs.start_run(work, call.actor, call.body),
                again=lambda known: runs.show_started(work, call.actor, known),
            )
        )


def get_run(call: Call[None, None]) -> Answer:
    """Tell about a run."""
    with call.site.look() as work:
        return Answer(runs.get_run(work, call.actor, call.id("run")))


def cancel_run(call: Call[None, None]) -> Answer:
    """Cancel a run; its tokens end now, its container within seconds."""
    with call.site.begin() as work:
        return Answer(runs.cancel_run(work, call.actor, call.id("run")))


def get_log(call: Call[None, LogQuery]) -> Answer:
    """Sign requests for the pieces of a run's log; they are fetched from the store."""
    return Answer(
        run_logs.read_log(
            call.site,
            call.actor,
            call.id("run"),
            attempt=call.query.attempt,
            after=call.query.after,
        )
    )


def claim_token(call: Call[ClaimIn, None]) -> Answer:
    """Trade a claim code, which works once, for the token and the job of a step."""
    return Answer(claims.redeem(call.site, call.body, request_id=call.request_id))


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/runs",
        handler=list_runs,
        query=RunsQuery,
        answers={HTTPStatus.OK: RunPage},
        scope=Scope.READ,
    ),
    Endpoint(
        method="POST",
        path="/v1/runs",
        handler=start_run,
        body=RunIn,
        answers={HTTPStatus.CREATED: RunOut},
        scope=Scope.RUN,
        request_headers=replays.HEADER,
        problems=(
            errors.NotFoundError,
            errors.NameTakenError,
            errors.ParentOpenError,
            errors.DatasetBusyError,
            errors.DeletedError,
            errors.DefinitionRetiredError,
            errors.ImageUnapprovedError,
            errors.IdempotencyError,
        ),
        example={
            "definition": "sinogram",
            "inputs": {"scan": "7b6d5f0e-90f0-4f3e-8b7a-2f4c8a0b9c1d"},
            "parameters": {},
            "name": "tooth-sinogram",
        },
    ),
    Endpoint(
        method="GET",
        path=_RUN,
        handler=get_run,
        answers={HTTPStatus.OK: RunOut},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="POST",
        path=f"{_RUN}/cancel",
        handler=cancel_run,
        answers={HTTPStatus.OK: RunOut},
        scope=Scope.RUN,
        problems=(errors.NotFoundError, errors.RunEndedError),
    ),
    Endpoint(
        method="GET",
        path=f"{_RUN}/log",
        handler=get_log,
        query=LogQuery,
        answers={HTTPStatus.OK: RunLog},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="POST",
        path="/v1/claims",
        handler=claim_token,
        body=ClaimIn,
        answers={HTTPStatus.CREATED: JobOut},
        public=True,
        problems=(errors.UnauthenticatedError, errors.AttemptEndedError),
        example={"code": "hutch_…"},
    ),
)
