"""Photos and labels as a database has them: a query to whatever SQLAlchemy reaches, and its answer in a file.

The database is asked once, or when the user says so; every stage works on the answer that is kept, so that a run is the
same tomorrow. Nothing is written to it, and no password is ever part of a configuration.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from maskfold import files
from maskfold.credentials import censored, has_password
from maskfold.data.label_rows import OWN_COLUMNS, as_photos, as_text, refuse_missing
from maskfold.data.label_source import LabelledSource
from maskfold.data.table import MONTH
from maskfold.errors import MaskfoldError, listing

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

URL = "MASKFOLD_CATALOGUE"  # environment: the database's address, which may have a password in it
ANSWER = "catalogue.parquet"  # in the data's own folder
_ASKED = b"maskfold.query", b"maskfold.url"  # in the file's own metadata: an answer is never without its query
_WAIT_S = 60.0  # for another run that asks
_AGAIN = "Remove it, and the database is asked again."
_ROWS = 50_000  # that are in memory at once
_READ_ONLY = {"postgresql": "SET TRANSACTION READ ONLY", "mysql": "SET SESSION TRANSACTION READ ONLY"}
_READ_ONLY |= {"mariadb": _READ_ONLY["mysql"], "sqlite": "PRAGMA query_only = ON"}


class Catalogue(LabelledSource):
    """The answer to a query, a row a photo: its path, below `root`, and its label."""

    def __init__(
        self,
        *,
        root: str,
        query: str,
        url: str | None = None,
        columns: dict[str, str] | None = None,
        **common: Any,
    ) -> None:
        """Look at nothing yet.

        Args:
            root: The folder that paths are below.
            query: What the database is asked, one SELECT.
            url: Its address for SQLAlchemy, without a password; None for that of the variable `MASKFOLD_CATALOGUE`.
            columns: What columns are called that have other names: `path`, and of `OWN_COLUMNS`; all others become
                metadata.
            common: The others of `LabelledSource`.

        Raises:
            MaskfoldError: If the address has a password in it, which run folders would keep.
        """
        super().__init__(root=root, **common)
        if url is not None and has_password(url):
            raise MaskfoldError(
                f"data.url={censored(url)}: has a password in it, which run folders would keep. Give the whole address "
                f"by the environment, {URL}=..., and leave data.url out; or the password by PGPASSWORD or ~/.pgpass."
            )
        self.query, self._url = query.strip().rstrip(";"), url
        self.columns = {"path": "path"} | OWN_COLUMNS | dict(columns or {})

    def photos(self) -> pd.DataFrame:
        """See `LabelledSource`; of the answer that is kept, for which the database is asked if there is none.

        Raises:
            MaskfoldError: As `fetch`, and if the answer that is kept is damaged or one to another query.
        """
        path = self.folder / ANSWER
        if not path.exists():
            with files.locked(self.folder, wait=_WAIT_S):
                if not path.exists():  # nor has another run asked meanwhile
                    self._ask()
        rows = files.read_table(path, again=_AGAIN)
        query = (pq.read_schema(path).metadata or {}).get(_ASKED[0], b"").decode()
        if query != self.query:
            raise MaskfoldError(
                f"{path}: the answer to another query, {query or 'which it does not say'}. Ask anew, `make data` with "
                "the same keys; or give this query's data a name of its own with data.name=..."
            )
        return as_photos(rows, self.columns, root=self.root, name=f"the answer in {path}")

    def fetch(self) -> str:
        """Ask the database, and keep the answer in place of the one of before; say what is new in it.

        Raises:
            MaskfoldError: If it cannot be reached or refuses, the connection is lost, or the answer lacks a column or
                has no rows; the answer of before then stays. Likewise if that one is damaged, or another run is asking.
        """
        with files.locked(self.folder, wait=_WAIT_S):
            return self._ask()

    def _ask(self) -> str:
        path = self.folder / ANSWER
        before = files.read_table(path, again=_AGAIN) if path.exists() else None
        asked = dict(zip(_ASKED, (self.query.encode(), censored(self._address()).encode()), strict=True))
        with self._connected() as connection, files.atomic_path(path) as part:
            count = _keep(connection, self.query, part, self.columns, asked=asked)
        news = "" if before is None else _changes(before, pd.read_parquet(path), self.columns)
        return f"{path}: {count:,} rows{news}"

    def _address(self) -> str:
        address = self._url or os.environ.get(URL)
        if not address:
            raise MaskfoldError(
                f"data.url: no database is named. Give its address for SQLAlchemy, such as sqlite:///shop.db or "
                f"postgresql+psycopg://user@host/shop, here or with a password as the variable {URL}."
            )
        return address

    @contextmanager
    def _connected(self) -> "Iterator[Connection]":
        """Yield a connection that cannot write; whatever goes wrong on it is worded for the user."""
        engine = _engine(self._address())
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        step = "reached"
        try:
            with engine.connect() as connection:
                step = "asked"
                if engine.dialect.name in _READ_ONLY:
                    connection.exec_driver_sql(_READ_ONLY[engine.dialect.name])
                yield connection
                connection.rollback()
        except SQLAlchemyError as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise MaskfoldError(_worded(step, cause, engine, self.query)) from None  # the chain may show the address
        finally:
            engine.dispose()


def _engine(address: str) -> "Engine":
    try:
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ImportError as error:
        raise MaskfoldError("data=catalogue needs SQLAlchemy: pip install 'maskfold[catalogue]'.") from error
    try:
        url = make_url(address)
        is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        if is_file and not Path(url.database).is_file():  # or SQLite would make an empty one
            raise MaskfoldError(f"data.url={address}: no such file. Name the database that is there.")
        return create_engine(url)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise MaskfoldError(
            f"data.url={censored(address)}: no address of a database ({censored(str(error))}). Write it as "
            "sqlite:///shop.db or postgresql+psycopg://user@host:5432/shop."
        ) from None
    except ModuleNotFoundError as error:
        raise MaskfoldError(
            f"data.url={censored(address)}: its driver {error.name} is not installed. pip install {error.name}, or "
            "for PostgreSQL 'maskfold[postgresql]' and postgresql+psycopg://."
        ) from error


def _keep(
    connection: "Connection", query: str, path: Path, columns: dict[str, str], *, asked: dict[bytes, bytes]
) -> int:
    """Write a query's answer to a Parquet file, some rows at a time, all as text; return how many rows there are.

    `asked` becomes the file's metadata.
    """
    options = {"stream_results": True, "yield_per": _ROWS, "no_parameters": True}
    answer = connection.execution_options(**options).exec_driver_sql(query)
    if not answer.returns_rows:
        raise MaskfoldError("data.query: answers with no rows. Write one SELECT of path, label and what else is known.")
    names = [*answer.keys()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MaskfoldError(f"data.query: several columns are called {listing(twice).strip()}. Name them with AS.")
    refuse_missing(names, columns, name="data.query")
    schema = pa.schema([(name, pa.large_string()) for name in names], metadata=asked)
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for rows in answer.partitions():
            table = pd.DataFrame([tuple(row) for row in rows], columns=names)
            table = table.assign(**{name: as_text(table[name], month=name == columns[MONTH]) for name in names})
            writer.write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False))
            count += len(rows)
    if not count:
        raise MaskfoldError("data.query: the answer has no rows. Correct the query, or its WHERE.")
    return count


def _worded(step: str, cause: Any, engine: "Engine", query: str) -> str:
    """Say what went wrong at a database, without its address's password."""
    url = engine.url.set(query={}).render_as_string(hide_password=True)
    password = engine.url.password
    said = " ".join(f"{cause}".split())
    said = censored(said.replace(password, "***") if password else said)
    state, low = getattr(cause, "sqlstate", None), said.lower()
    if step == "reached" and ("password" in low or "authentication" in low):
        return f"{url}: the database refuses the user or the password ({said}). Correct {URL}, or PGPASSWORD."
    if step == "reached":
        return f"{url}: the database cannot be reached ({said}). Start it, or correct data.url or {URL}."
    if state == "42P01" or "no such table" in low:
        return f"data.query: no such table ({said}). Correct the query: {query}"
    if state == "42703" or "no such column" in low:
        return f"data.query: no such column ({said}). Correct the query: {query}"
    if state == "25006" or "readonly" in low or "read-only" in low:
        return f"data.query: would write, and the database is only read ({said}). Write one SELECT."
    lost = state in ("57P01", "57P02", "57P03") or any(
        word in low for word in ("connection", "server closed", "terminat", "lost")
    )
    if lost:
        return f"{url}: the connection was lost ({said}). The answer of before is kept; run the same command again."
    return f"data.query: the database refuses it ({said}). Correct the query: {query}"


def _changes(before: pd.DataFrame, now: pd.DataFrame, columns: dict[str, str]) -> str:
    """Say how an answer differs from the one of before."""
    path, label = columns["path"], columns["label"]
    if not {path, label} <= {*before}:
        return ""
    ways = {"on": path, "how": "outer", "suffixes": ("_before", ""), "indicator": True}
    both = before[[path, label]].merge(now[[path, label]], **ways)
    other = (both["_merge"] == "both") & (both[f"{label}_before"].fillna("") != both[label].fillna(""))
    counts = {"new": both["_merge"] == "right_only", "gone": both["_merge"] == "left_only", "of another label": other}
    said = ", ".join(f"{int(rows.sum()):,} {word}" for word, rows in counts.items())
    return f" ({said})"
