"""Photos and labels from a database: asked once, read only, kept, and every way in which it can fail named."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import build, compose
from maskfold.data import database
from maskfold.data.database import URL, Catalogue
from maskfold.errors import MaskfoldError
from maskfold.stages.data import data
from postgres_server import PASSWORD, postgres
from shops import shelf, stock

QUERY = "SELECT file, sku, arrived AS month, shelf FROM photos WHERE file LIKE '%.png'"
COLUMNS = {"path": "file", "label": "sku"}


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Path:
    """A SQLite database of eight photos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL, raising=False)
    rows = [*shelf("11", 4), *shelf("12", 4, "2026-02")]
    stock(Path("photos"), rows)
    with sqlite3.connect("shop.db") as database:
        database.execute("CREATE TABLE photos (file TEXT, sku INTEGER, arrived TEXT, shelf REAL)")
        cells = [(row["path"], int(row["label"]), row["month"], 1.5) for row in rows]
        database.executemany("INSERT INTO photos VALUES (?, ?, ?, ?)", cells)
    database.close()
    return tmp_path / "shop.db"


def catalogue(**more) -> Catalogue:
    given = {"url": "sqlite:///shop.db", "query": QUERY, "columns": COLUMNS, "name": "shop"} | more
    return Catalogue(root="photos", **given)


def change(statement: str) -> None:
    with sqlite3.connect("shop.db") as database:
        database.execute(statement)
    database.close()


def test_the_answer_is_kept_until_it_is_asked_for_anew(shop):
    table = catalogue(until="2026-01").table()
    assert table["label"].tolist() == ["11"] * 4
    assert table["image"].tolist() == [f"photos/11/{number}.png" for number in range(4)]
    assert {*table["meta.shelf"]} == {"1.5"}

    change("UPDATE photos SET sku = 13 WHERE file = '11/0.png'")
    change("DELETE FROM photos WHERE file = '11/1.png'")
    assert {*catalogue().table()["label"]} == {"11", "12"}  # a run is the same tomorrow
    assert catalogue().fetch() == "data/shop/catalogue.parquet: 7 rows (0 new, 1 gone, 1 of another label)"
    assert {*catalogue().table()["label"]} == {"11", "12", "13"}
    shop.unlink()
    assert len(catalogue(url=None).table()) == 7


def test_the_door_asks_anew(shop):
    over = ["data=catalogue", "data.root=photos", "data.url=sqlite:///shop.db", "data.name=shop"]
    over += ["data.columns={label: sku, path: file}", "data.query='SELECT file, sku FROM photos'"]
    assert data(compose("data", over)) == Path("data/shop")
    assert len(build(compose("data", over).data).table()) == 8


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "sqlite:///shp.db"}, "shp.db: no such file"),
        ({"url": "shop.db"}, "data.url=shop.db: no address of a database"),
        ({"url": "oracle9://shop"}, "no address of a database"),
        ({"url": None}, "data.url: no database is named.*MASKFOLD_CATALOGUE"),
        ({"query": "SELECT * FROM products"}, "data.query: no such table .*products"),
        ({"query": "SELECT path FROM photos"}, "data.query: no such column .*path"),
        ({"query": "SELECT file FROM photos"}, "data.query: no column sku; there are file"),
        ({"query": "SELECT file, sku, sku FROM photos"}, "several columns are called sku"),
        ({"query": f"{QUERY} AND sku > 99"}, "the answer has no rows"),
        ({"query": "SELEC 1"}, "data.query: the database refuses it .*SELEC 1"),
        ({"query": "DELETE FROM photos"}, "data.query: would write, and the database is only read"),
    ],
)
def test_what_cannot_be_asked_is_named_and_nothing_is_left_behind(shop, more, words):
    with pytest.raises(MaskfoldError, match=f"(?s){words}"):
        catalogue(**more).table()
    assert not list(Path().glob("data/shop/*catalogue*"))
    assert not Path("shp.db").exists()
    assert len(catalogue().table()) == 8


def test_another_query_is_not_taken_for_the_one_that_was_asked(shop):
    catalogue().table()
    with pytest.raises(MaskfoldError, match=r"catalogue.parquet: the answer to another query"):
        catalogue(query=f"{QUERY} AND sku = 11").table()
    assert len(catalogue(query=f" {QUERY};").table()) == 8
    pd.read_parquet("data/shop/catalogue.parquet").to_parquet("data/shop/catalogue.parquet")  # somebody's own
    with pytest.raises(MaskfoldError, match=r"(?s)another query, which it does not say. Ask anew, `make data`"):
        catalogue().table()
    catalogue().fetch()
    assert len(catalogue().table()) == 8


@pytest.mark.hostile("killed")
def test_an_answer_is_whole_in_one_file(shop):
    catalogue().table()
    whole = Path("data/shop/catalogue.parquet")
    for path in [*whole.parent.iterdir()]:  # whatever a kill behind the answer would leave unwritten
        if path != whole:
            path.unlink()
    assert len(catalogue().table()) == 8
    whole.write_bytes(whole.read_bytes()[:-9])
    for ask in (catalogue().table, catalogue().fetch):
        with pytest.raises(MaskfoldError, match=r"catalogue.parquet: damaged.*Remove it, and the database is asked"):
            ask()
    whole.unlink()
    assert len(catalogue().table()) == 8


@pytest.mark.hostile("killed")
def test_two_first_runs_ask_once(shop, monkeypatch):
    asked, keep = [], database._keep

    def slowly(*given, **more):
        asked.append(1)
        time.sleep(0.3)
        return keep(*given, **more)

    monkeypatch.setattr(database, "_keep", slowly)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(catalogue().table) for _ in range(2)]
        assert [len(run.result(timeout=30)) for run in runs] == [8, 8]
    assert len(asked) == 1


@pytest.mark.hostile("secrets")
def test_a_password_is_never_part_of_a_configuration(shop, monkeypatch):
    with pytest.raises(MaskfoldError, match="has a password in it") as refused:
        catalogue(url=f"postgresql+psycopg://clerk:{PASSWORD}@127.0.0.1/shop")
    monkeypatch.setenv(URL, f"postgresql+psycopg://clerk:{PASSWORD}@127.0.0.1:1/shop")
    with pytest.raises(MaskfoldError, match=r"the database cannot be reached .*Start it") as unreachable:
        catalogue(url=None).table()
    for error in (refused, unreachable):
        assert PASSWORD not in str(error.getrepr(chain=True, style="short"))


@pytest.mark.slow
@pytest.mark.hostile("secrets")
def test_a_real_postgresql(shop, monkeypatch):
    import psycopg

    with postgres() as server:
        plain = server.url().replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as admin:
            admin.execute("CREATE TABLE photos (file text, sku bigint, arrived date, shelf numeric)")
            admin.execute(
                "INSERT INTO photos SELECT n || '.png', n % 1000, DATE '2026-01-01' + (n % 90)::int, 1 "
                "FROM generate_series(1, 120000) n"
            )
            admin.execute("CREATE SEQUENCE visits")
            monkeypatch.setenv(URL, server.url())
            source = catalogue(url=None)
            table = source.table()
            assert len(table) == 120_000
            assert sorted({*table["month"]}) == ["2026-01", "2026-02", "2026-03"]
            assert table["label"].nunique() == 1000
            kept = b"".join(path.read_bytes() for path in Path("data/shop").iterdir() if path.is_file())
            assert PASSWORD.encode() not in kept

            for query, words in {
                "SELECT * FROM products": "no such table .*products",
                "SELECT path FROM photos": "no such column .*path",
                "DELETE FROM photos RETURNING file, sku": "the database refuses it",
                "SELECT file, sku, nextval('visits') FROM photos": "would write, and the database is only read",
                "SELECT file, sku, pg_terminate_backend(pg_backend_pid()) FROM photos": "the connection was lost",
            }.items():
                with pytest.raises(MaskfoldError, match=words) as refused:
                    catalogue(url=None, query=query).fetch()
                assert PASSWORD not in str(refused.getrepr(chain=True))
            assert len(pd.read_parquet("data/shop/catalogue.parquet")) == 120_000
            assert admin.execute("SELECT count(*) FROM photos").fetchone() == (120_000,)

        for password in ("wrong-" + PASSWORD, None):
            monkeypatch.setenv(URL, server.url(password=password))
            with pytest.raises(MaskfoldError, match="refuses the user or the password") as refused:
                catalogue(url=None).fetch()
            assert PASSWORD not in str(refused.value)
    assert server.process.poll() is not None
    with pytest.raises(MaskfoldError, match="the database cannot be reached"):
        catalogue(url=None).fetch()
