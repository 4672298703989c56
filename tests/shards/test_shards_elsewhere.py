"""Shards at an address: written, read and gone on with as in a folder, each fault named and nothing lost by it."""

import multiprocessing
import random
import signal
from collections.abc import Iterator
from itertools import chain

import pandas as pd
import pytest
from torch.utils.data import Dataset

from maskfold.data.labelled import LabelTable
from maskfold.data.loading import read_image
from maskfold.engine.chunked import Chunks
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.sampling import EpochSampler
from maskfold.errors import MaskfoldError
from maskfold.shards.source import ShardedPhotos, in_chunks
from maskfold.shards.writing import write_shards
from maskfold.storage import address, chunks, open_storage
from s3_server import BUCKET, Proxy, S3Server, serving
from shard_photos import labelled_photos

COUNT = 61
CHUNK_BYTES = 9000


class Ids(Dataset):
    """Reads each photo, and gives its number."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.images = table["image"].tolist()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> int:
        assert read_image(self.images[key[1]]).shape == (24, 32, 3)
        return key[1]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return LabelTable(root=str(labelled_photos(folder / "photos", COUNT))).as_found(jobs=1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(address, "PAUSE_S", 0.01)
    chunks.forget()


def write(table: pd.DataFrame, root: str) -> list[str]:
    return [one.state for one in write_shards(table, root, chunk_bytes=CHUNK_BYTES, jobs=1)]


def loader(table: pd.DataFrame, **options) -> EpochLoader:
    numbers, fetch = in_chunks(table)
    order = {"batch_size": 8, "seed": 3, "shuffle": True, "chunks": Chunks(numbers, fetch, window=2), "num_workers": 0}
    return EpochLoader(Ids(table), **order | options)


def epoch_of(
    batches: EpochLoader, *, rank: int = 0, ranks: int = 1, done: int = 0, most: int | None = None
) -> list[int]:
    """Return the samples of an epoch as a rank sees them, behind some batches and up to others."""
    order = {"seed": batches.seed, "shuffle": True, "chunks": batches.chunks}
    batches._sampler = EpochSampler(len(batches.dataset), **order, rank=rank, ranks=ranks)
    batches.set_epoch(4, done=done)
    taken = []
    for number, batch in enumerate(batches):
        if number == most:
            break
        taken += batch.tolist()
    return taken


def test_an_address_is_written_and_read_as_a_folder_is(photos, tmp_path):
    import fsspec

    fsspec.filesystem("memory").store.clear()
    root = "memory://bucket/products"
    with pytest.raises(MaskfoldError, match="memory://bucket/products: nothing is there"):
        ShardedPhotos(root=root).as_found()
    assert write(photos, root) == ["written"] * 3
    assert write(photos, root) == ["kept"] * 3
    table = ShardedPhotos(root=root).as_found()
    assert sorted(epoch_of(loader(table))) == [*range(COUNT)]
    first = epoch_of(loader(table), most=3)
    assert sorted(first + epoch_of(loader(table), done=3)) == [*range(COUNT)]
    assert len(list((tmp_path / "cache").rglob("*.bin"))) == len({*in_chunks(table)[0]})


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[S3Server]:
    with serving(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def root(server, monkeypatch, request) -> str:
    """An address of a test's own, asked with keys that may do everything."""
    server.use(monkeypatch, AWS_MAX_ATTEMPTS="2")
    return f"s3://{BUCKET}/{abs(hash(request.node.name))}"


@pytest.fixture
def proxy(server, root, monkeypatch) -> Iterator[Proxy]:
    between = Proxy(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", between.address)
    yield between
    between.close()


@pytest.mark.slow
@pytest.mark.hostile("killed")
@pytest.mark.parametrize("workers", [0, 2])
def test_two_ranks_of_a_bucket_see_each_photo_once_also_when_they_are_broken_off_twice(photos, root, workers):
    assert write(photos, root) == ["written"] * 3
    table = ShardedPhotos(root=root).as_found()
    seen = []
    for rank in range(2):
        load = loader(table, num_workers=workers)
        whole = epoch_of(load, rank=rank, ranks=2)
        first = random.Random(rank).randrange(1, 3)
        parts = [epoch_of(loader(table, num_workers=workers), rank=rank, ranks=2, most=first)]
        parts.append(epoch_of(loader(table, num_workers=workers), rank=rank, ranks=2, done=first, most=1))
        parts.append(epoch_of(loader(table, num_workers=workers), rank=rank, ranks=2, done=first + 1))
        assert [*chain(*parts)] == whole
        assert len(whole) == (COUNT + 1) // 2
        seen += whole
    assert {*seen} == {*range(COUNT)}
    assert len(seen) == COUNT + 1  # 61 photos on two ranks: one is seen twice


@pytest.mark.slow
@pytest.mark.hostile("secrets")
def test_wrong_keys_and_missing_buckets_are_named_and_the_second_start_ends(photos, root, server, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        for act in (lambda: write(photos, root), lambda: ShardedPhotos(root=root).as_found()):
            with pytest.raises(MaskfoldError, match="the secret is not that of the access key") as refused:
                act()
            assert "not-the-secret" not in f"{refused.value}"
    for act in (lambda: write(photos, "s3://nowhere/a"), lambda: ShardedPhotos(root="s3://nowhere/a").as_found()):
        with pytest.raises(MaskfoldError, match="there is no such bucket"):
            act()
    assert write(photos, root) == ["written"] * 3
    table = ShardedPhotos(root=root).as_found()
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        chunks.forget()  # what was open with the right one
        with pytest.raises(MaskfoldError, match=r"chunk-.*\.bin: the secret is not that of the access key"):
            epoch_of(loader(table))
    chunks.forget()
    assert sorted(epoch_of(loader(table))) == [*range(COUNT)]


@pytest.mark.slow
@pytest.mark.hostile("endless and hanging")
def test_a_connection_cut_inside_a_chunk_is_named_and_the_second_start_ends(photos, root, proxy, tmp_path):
    proxy.cut_questions_after = 4000  # of the bytes of a chunk of 9,000
    with pytest.raises(MaskfoldError, match=r"chunk-00000-\w+\.bin: the server at .* cannot be reached"):
        write(photos, root)
    proxy.cut_questions_after = None
    assert write(photos, root) == ["written"] * 3

    table = ShardedPhotos(root=root).as_found()
    names = [row.rpartition("#")[0] for row in table["image"]]
    proxy.total, proxy._answered = 5000, 0  # in the first chunk
    with pytest.raises(MaskfoldError, match=r"chunk-.*\.bin: the connection was cut: [\d,]+ of [\d,]+ bytes"):
        chunks.read_file(table["image"].iloc[0])
    with pytest.raises(MaskfoldError, match=r"chunk-.*\.bin: the server at .* cannot be reached"):
        epoch_of(loader(table))
    assert not list((tmp_path / "cache").rglob("*.bin"))
    proxy.total, proxy.cut_after = None, 6000  # each connection: taken up again where it was
    assert sorted(epoch_of(loader(table))) == [*range(COUNT)]
    assert len(list((tmp_path / "cache").rglob("*.bin"))) == len({*names})


def _read_all(root: str) -> None:
    table = ShardedPhotos(root=root).as_found()
    epoch_of(loader(table))


@pytest.mark.slow
@pytest.mark.hostile("killed")
def test_processes_of_a_machine_share_one_copy_of_each_chunk_which_a_killed_one_leaves_whole(photos, root, tmp_path):
    write(photos, root)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_read_all, args=(root,)) for _ in range(3)]
    for process in processes:
        process.start()
    processes[0].join(0.5)
    processes[0].kill()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes[1:]] == [0, 0]
    assert processes[0].exitcode in (0, -signal.SIGKILL)
    table = ShardedPhotos(root=root).as_found()
    assert sorted(epoch_of(loader(table))) == [*range(COUNT)]
    copies = [path.name.partition("-")[0] for path in (tmp_path / "cache").rglob("*.bin")]
    assert len(copies) == len({*copies}) == len({*in_chunks(table)[0]})
    assert open_storage(root).exists("2026-01/manifest.json")
