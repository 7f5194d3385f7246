"""All fuzzers, by the name of their kind."""

from fuzz.arrays import Datasets, States
from fuzz.command_lines import CommandLines
from fuzz.harness import Fuzzer
from fuzz.kills import Kills
from fuzz.media import Images, ThinImages, Videos
from fuzz.networks import ExportedNetworks, Networks
from fuzz.settings import ConfigFiles, Mappings, Overrides
from fuzz.tables import Tables, Votes

FUZZERS: dict[str, Fuzzer] = {
    fuzzer.name: fuzzer
    for fuzzer in (
        Tables(),
        Votes(),
        Datasets(),
        States(),
        ConfigFiles(),
        Overrides(),
        Mappings(),
        Networks(),
        ExportedNetworks(),
        Images(),
        Videos(),
        ThinImages(),
        CommandLines(),
        Kills(),
    )
}
