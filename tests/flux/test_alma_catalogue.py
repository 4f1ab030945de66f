"""The client of ALMA's source catalogue, against a server of this test; its cache."""

from __future__ import annotations

import datetime
import json
import logging
import os
import threading
import time
import xmlrpc.client
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atacal.errors import ArgumentError, ServiceError, UnknownSource
from atacal.flux import alma_catalogue
from atacal.flux.alma_catalogue import SERVICE_VARIABLE, cache_file, fetch
from atacal.flux.lookup import CATALOGUE_VARIABLE, Lookup

NULL = 1.7976931348623157e308


def record(
    ghz: float = 103.49, flux: Any = 2.09, error: Any = 0.05, day: str = "20150627T00:00:00", **more: Any
) -> dict:
    """A record as the service gives them."""
    return {
        "source_id": 12, "names": [{"source_name": "J0538-4405"}, {"source_name": "0537-441"}], "ra": 84.70984,
        "ra_uncertainty": NULL, "dec": -44.08582, "dec_uncertainty": NULL, "frequency": ghz * 1e9, "flux": flux,
        "flux_uncertainty": error, "degree": NULL, "angle": NULL, "extension": NULL, "uvmin": NULL, "uvmax": NULL,
        "date_observed": xmlrpc.client.DateTime(day), "origin": "ALMA_x", "catalogue_id": 5, "valid": True,
    } | more  # fmt: skip


@dataclass
class Service:
    """A server that answers with what the test says, and what it was asked."""

    url: str = ""
    records: list[Any] = field(default_factory=lambda: [record(), record(343.48, 1.03, 0.1)])
    raw: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip: bool = False
    fault: bool = False
    moved_to: str = ""
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def answer(self, method: str, parameters: tuple[Any, ...]) -> bytes:
        self.calls.append((method, parameters))
        if self.raw is not None:
            return self.raw
        if self.fault:
            return xmlrpc.client.dumps(xmlrpc.client.Fault(7, "no such method")).encode()
        known = [
            r
            for r in self.records
            if not isinstance(r, dict) or parameters[4] in [n["source_name"] for n in r["names"]]
        ]
        return xmlrpc.client.dumps((known,), methodresponse=True).encode()


@pytest.fixture
def service(tmp_path, monkeypatch):
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parameters, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = made.answer(method, parameters)
            status = 200 if self.path == made.moved_to else made.status
            time.sleep(made.delay_s)
            try:
                self.send_response(status)
                for name, value in made.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for k in range(0, len(body), 1 if made.drip else len(body)):
                    self.wfile.write(body[k : k + 1] if made.drip else body)
                    time.sleep(0.02 if made.drip else 0)
            except OSError:
                pass  # the client has given up

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # clients that have given up
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/sourcecat/xmlrpc"
    monkeypatch.setenv(SERVICE_VARIABLE, made.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(CATALOGUE_VARIABLE, raising=False)
    yield made
    server.shutdown()
    server.server_close()


def ask(name: str = "J0538-4405", **how: Any):
    return fetch(name, **({"timeout_s": 5.0, "retries": 0, "wait_s": 0.0} | how))


def test_what_is_asked_and_answered(service):
    (source,) = ask().sources
    (method, parameters) = service.calls[0]
    assert method == "sourcecat.searchMeasurements103"
    assert len(parameters) == 25
    assert parameters[2:5] == ([5], [], "J0538-4405")
    assert parameters[17:] == ("date_observed", True, False, 0, "", True, -1.0, -1.0)
    assert source.names == ("J0538-4405", "0537-441")
    assert source.position_deg == (84.70984, -44.08582)
    assert [(m.date, m.freq_hz, m.flux_jy, m.error_jy) for m in source.measurements] == [
        (datetime.date(2015, 6, 27), 103.49e9, 2.09, 0.05), (datetime.date(2015, 6, 27), 343.48e9, 1.03, 0.1),
    ]  # fmt: skip


@pytest.mark.parametrize("error", [NULL, 0.0, "null", -1.0, None])
def test_errors_that_are_none(service, error):
    service.records = [record(error="" if error is None else error)]
    assert ask().sources[0].measurements[0].error_jy is None


def test_dates_as_text_and_positions_that_are_not_known(service):
    service.records = [record() | {"date_observed": "2015-06-27 00:00:00", "ra": NULL, "dec": "null"}]
    (source,) = ask().sources
    assert (source.position_deg, source.measurements[0].date) == (None, datetime.date(2015, 6, 27))


def test_flux_densities_that_are_not_positive_are_left_out(service, caplog):
    service.records += [record(flux=-1.0), record(flux=0.0), record(flux=NULL), record(flux=1.0, error=1.5)]
    with caplog.at_level(logging.WARNING, "atacal"):
        assert len(ask().sources[0].measurements) == 2
    assert "4 measurements are of nothing above their errors" in caplog.text


def test_the_cache_is_asked_first(service):
    first, second = ask(), ask(" j0538-4405")
    assert (first, len(service.calls)) == (second, 1)
    assert json.loads(cache_file("J0538-4405", service.url).read_text())["name"] == "J0538-4405"


def test_refresh_and_age(service):
    ask()
    ask(refresh=True)
    assert len(service.calls) == 2
    ask(max_age_days=0.0)
    assert len(service.calls) == 3


def test_an_old_answer_is_better_than_none(service, caplog):
    known = ask()
    content = json.loads(cache_file("J0538-4405", service.url).read_text())
    content["fetched_unix_s"] -= 40 * 86400
    cache_file("J0538-4405", service.url).write_text(json.dumps(content))
    service.status = 503
    with caplog.at_level(logging.WARNING, "atacal"):
        assert ask() == known
    assert "HTTP 503" in caplog.text
    assert "Taking the answer of 40 days ago" in caplog.text


def test_servers_do_not_share_answers(service):
    ask()
    other = service.url.replace("127.0.0.1", "localhost")
    ask(server=other)
    assert len(service.calls) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda c: "", lambda c: "{", lambda c: "[]", lambda c: "null", lambda c: json.dumps(c)[:-20],
        lambda c: json.dumps(c | {"rows": None}), lambda c: json.dumps(c | {"rows": [[["X"], None, "soon", 1, 1, 1]]}),
        lambda c: json.dumps(c | {"rows": [[[], None, "2015-06-27", 1, 1, 1]]}),
        lambda c: json.dumps(c | {"rows": [[["X"], None, "2015-06-27", 1, -1, 1]]}),
        lambda c: json.dumps(c | {"rows": [[["X"], [1], "2015-06-27", 1, 1, 1]]}),
        lambda c: json.dumps({k: v for k, v in c.items() if k != "fetched_unix_s"}),
        lambda c: json.dumps(c | {"version": 0}),
    ],
)  # fmt: skip
def test_a_damaged_cache_is_made_anew(service, change):
    known = ask()
    file = cache_file("J0538-4405", service.url)
    file.write_text(change(json.loads(file.read_text())))
    assert ask() == known
    assert len(service.calls) == 2
    assert ask() == known
    assert len(service.calls) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["version", "rows", "fetched_unix_s"]), x),
).map(lambda v: json.dumps(v).encode()))  # fmt: skip
def test_any_cache_is_read_or_made_anew(tmp_path, content):
    file = tmp_path / "kept.json"
    file.write_bytes(content)
    kept = alma_catalogue._read_cache(file)
    assert kept is None or kept[0] > -1


def test_a_cache_that_cannot_be_written(service, tmp_path, caplog, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "atacal"):
        assert len(ask().sources) == 1
    assert "cannot be kept" in caplog.text
    assert not [p for p in tmp_path.rglob(".*.json*")]


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_file("3C 279/../..", "u").parent == tmp_path / ".cache" / "atacal" / "source-catalogue"
    assert os.sep not in cache_file("3C 279/../..", "u").name


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"status": 404}, "HTTP 404"),
        ({"status": 500}, "HTTP 500"),
        ({"fault": True}, "the service says: no such method"),
        ({"raw": b""}, "no XML-RPC"),
        ({"raw": b"<html><body>Maintenance</body></html>"}, "no XML-RPC"),
        ({"raw": b"<methodResponse><params><param><value><array>"}, "no XML-RPC"),
        ({"raw": b"\xff\xfe\x00garbage"}, "no XML-RPC"),
        ({"raw": xmlrpc.client.dumps((), methodresponse=None).encode()}, "no XML-RPC"),
        ({"raw": xmlrpc.client.dumps(("hello",), methodresponse=True).encode()}, "something else than a list"),
        ({"raw": xmlrpc.client.dumps((["hello"],), methodresponse=True).encode()}, "something else than a list"),
        ({"raw": xmlrpc.client.dumps(([{"names": []}],), methodresponse=True).encode()}, "cannot be read"),
        ({"records": [record(frequency="many")]}, "cannot be read .*many"),
        ({"records": [record(frequency=-1.0)]}, "the frequency -1.0"),
        ({"records": [record(date_observed="soon")]}, "cannot be read .*soon"),
    ],
)  # fmt: skip
def test_bad_answers(service, state, match):
    for name, value in state.items():
        setattr(service, name, value)
    with pytest.raises(ServiceError, match=match):
        ask()
    assert not cache_file("J0538-4405", service.url).exists()


def test_it_is_asked_again_where_that_can_help(service):
    service.status = 503
    with pytest.raises(ServiceError, match=r"no flux densities of J0538-4405 from .*503.*Give a catalogue file"):
        ask(retries=2)
    assert len(service.calls) == 3
    service.status = 403
    with pytest.raises(ServiceError, match="HTTP 403"):
        ask(retries=2)
    assert len(service.calls) == 4


def test_no_answer_in_time(service):
    service.delay_s = 1.0
    began = time.monotonic()
    with pytest.raises(ServiceError, match="timed out"):
        ask(timeout_s=0.2)
    assert time.monotonic() - began < 0.9


def test_an_answer_that_drips(service):
    service.drip = True
    began = time.monotonic()
    with pytest.raises(ServiceError, match="no answer in time"):
        ask(timeout_s=0.4)
    assert time.monotonic() - began < 3


def test_proxies_are_used(service, monkeypatch):
    monkeypatch.setenv("http_proxy", service.url.removesuffix("/sourcecat/xmlrpc"))
    monkeypatch.setenv("no_proxy", "")
    assert len(ask(server="http://alma.invalid/sourcecat/xmlrpc").sources) == 1


def test_an_answer_that_is_too_large(service, monkeypatch):
    monkeypatch.setattr(alma_catalogue, "_MOST_BYTES", 1000)
    with pytest.raises(ServiceError, match="more than"):
        ask()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirections(service, status):
    service.status, service.moved_to, service.headers = status, "/elsewhere", {"Location": "/elsewhere"}
    assert len(ask().sources) == 1
    assert service.calls[0] == service.calls[1]


@pytest.mark.parametrize("there", ["file:///etc/passwd", "ftp://x/y", "", "/sourcecat/xmlrpc"])
def test_redirections_that_lead_nowhere(service, there):
    service.status, service.headers = 301, {"Location": there}
    with pytest.raises(ServiceError, match="HTTP 301"):
        ask()
    assert len(service.calls) < 15


def test_nobody_there():
    with pytest.raises(ServiceError, match=r"no flux densities of X from http://127\.0\.0\.1:9/: .*refused.*catalogue"):
        fetch("X", server="http://127.0.0.1:9/", retries=0, timeout_s=2)


@pytest.mark.parametrize("server", ["ftp://x/y", "asa.alma.cl", "http://"])
def test_no_address(server):
    with pytest.raises(ArgumentError, match="is no address of a service"):
        fetch("X", server=server)


def test_lookups_by_other_names(service):
    lookup = Lookup(timeout_s=5.0)
    assert lookup.source("0537-441")[0].name == "J0538-4405"
    assert lookup.source("05:38:50.36 -44:05:08.9")[0].name == "J0538-4405"
    service.records = [record() | {"names": [{"source_name": "J1256-0547"}]}]
    assert lookup.source("3C 279") == (lookup.source("J1256-0547")[0], service.url)
    assert [c[1][4] for c in service.calls] == ["0537-441", "J0538-4405", "3C 279", "J1256-0547"]


def test_lookups_of_fields_by_their_positions(service):
    place = (84.70984, -44.08582)
    assert Lookup().source("my_cal", at_deg=place)[0].name == "J0538-4405"
    with pytest.raises(UnknownSource, match="no ALMA measurements of 'my_cal'"):
        Lookup().source("my_cal", at_deg=(84.70984, -45.08582))


def test_a_source_that_nobody_knows(service):
    with pytest.raises(UnknownSource, match="has no ALMA measurements of 'Orion'"):
        Lookup().source("Orion")
    assert not cache_file("Orion", service.url).exists()


def test_a_file_comes_first(service, tmp_path, monkeypatch):
    path = tmp_path / "c.csv"
    path.write_text("name,freq,flux,date\nX,100,1,2015-06-27\n")
    monkeypatch.setenv(CATALOGUE_VARIABLE, str(path))
    assert Lookup().source("X")[1] == str(path)
    with pytest.raises(UnknownSource, match=r"c\.csv has no source"):
        Lookup().source("J0538-4405")
    assert service.calls == []
