"""Has Hydra read and merge each choice of options once: hundreds of tests compose configurations, most of them alike.

Read, merged and copied a configuration takes a tenth of a second, of which nine tenths are the same whatever values
the command line sets. What is remembered is by what it follows from, and unpickled anew for whoever asks, which takes a
sixth of the time of a deep copy.
"""

import copy
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import hydra
import pytest
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from maskfold.places import CONF

ALWAYS = {"hydra.conf", CONF, ""}  # where nothing changes while tests run


@contextmanager
def remembered_options() -> Iterator[None]:
    """Remember, until the end of the context, options, choices of them, and whole configurations."""
    with pytest.MonkeyPatch.context() as patch:
        Plugins.instance()  # which puts the sources in, where nothing has composed a configuration yet
        source = SourcesRegistry.instance().resolve("file")
        patch.setattr(source, "load_config", _files(source.load_config))
        patch.setattr(CachingConfigRepository, "__init__", _share)
        patch.setattr(config_loader_impl, "create_defaults_list", _choices(config_loader_impl.create_defaults_list))
        merge = ConfigLoaderImpl._compose_config_from_defaults_list
        patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", _merged(merge))
        patch.setattr(hydra, "compose", _composed(hydra.compose))
        yield


def _places(repository: IConfigRepository) -> list[str]:
    return [source.path for source in repository.get_sources()]


def _files(load: Any) -> Any:
    read: dict[str, bytes] = {}

    def remembered(source: Any, config_path: str) -> Any:
        if source.path != CONF:
            return load(source, config_path)
        if config_path not in read:
            read[config_path] = pickle.dumps(load(source, config_path))
        return pickle.loads(read[config_path])

    return remembered


def _share(repository: CachingConfigRepository, delegate: Any) -> None:
    """Begin without a copy of all schemas, which Hydra makes for each composition; its list of places is its own."""
    repository.delegate, repository.cache = copy.copy(delegate), {}


def _choices(create: Any) -> Any:
    """Remember which files a choice of options is made of; values that the command line sets change nothing of it."""
    lists: dict[str, bytes] = {}

    def remembered(
        repo: IConfigRepository, config_name: str, overrides_list: Sequence[Override], **options: Any
    ) -> DefaultsList:
        values = Overrides(repo=repo, overrides_list=[*overrides_list]).config_overrides
        if not {*_places(repo)} <= ALWAYS:
            return create(repo, config_name, overrides_list, **options)
        groups = [override for override in overrides_list if not any(override is value for value in values)]
        key = repr((config_name, [group.input_line for group in groups], options, _places(repo)))
        if key not in lists:
            lists[key] = pickle.dumps(create(repo, config_name, groups, **options))
        return replace(pickle.loads(lists[key]), config_overrides=values)

    return remembered


def _merged(merge: Any) -> Any:
    configs: dict[str, bytes] = {}

    def remembered(loader: ConfigLoaderImpl, defaults: Sequence[ResultDefault], repo: IConfigRepository) -> DictConfig:
        if not {*_places(repo)} <= ALWAYS:
            return merge(loader, defaults, repo)
        key = repr((defaults, _places(repo)))
        if key not in configs:
            configs[key] = pickle.dumps(merge(loader, defaults, repo))
        return pickle.loads(configs[key])

    return remembered


def _composed(compose: Any) -> Any:
    composed: dict[str, bytes] = {}

    def remembered(*arguments: object, **options: object) -> DictConfig:
        places = GlobalHydra.instance().config_loader().get_search_path().get_path()
        key = repr((arguments, options, [(place.provider, place.path) for place in places]))
        if key not in composed:
            composed[key] = pickle.dumps(compose(*arguments, **options))
        return pickle.loads(composed[key])

    return remembered
