"""The home as a resource: where deliveries, vault, lake and warehouse are."""

from __future__ import annotations

import dagster as dg

from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, load_keys, require_whole
from le_pipeline.warehouse.engine import Engine


class HomeResource(dg.ConfigurableResource):
    """LE_HOME. The key is never configuration: it comes from LE_KEY_FILE or the user's configuration folder."""

    root: str
    landing: str

    @classmethod
    def at(cls, home: Home) -> HomeResource:
        """The resource for a home."""
        return cls(root=str(home.root), landing=str(home.landing))

    def home(self) -> Home:
        """The home's folders; not to be had while a change of keys is cut off."""
        home = Home.at(self.root, self.landing)
        require_whole(home)
        return home

    def loaded_keys(self) -> Keys:
        """The keys, checked against the home."""
        return load_keys(self.home())

    def engine(self) -> Engine:
        """The engine over the home's lake; not to be had with another key than the lake's."""
        self.loaded_keys()
        return Engine(self.home())
