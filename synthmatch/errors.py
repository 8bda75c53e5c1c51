"""Every error that synthmatch raises on purpose.

::

    SynthmatchError
    ├── InputError            what the user handed in can't be used
    │   ├── AudioError        an audio file or clip
    │   ├── NotesError        notes or a MIDI file
    │   └── FolderError       a folder can't be written
    │       └── FolderBusy    another process is writing into it
    ├── PresetError           a preset or bank can't be read, written or converted
    ├── SynthError            a synth isn't known, or synths.toml says something that can't be
    ├── RenderError           a preset made no usable sound
    │   ├── PluginMissing     the plugin, or a library it needs, isn't there
    │   ├── PluginCrashed     its process died
    │   ├── RenderTimeout     it took too long
    │   └── NotFinite         its sound holds samples that aren't numbers
    ├── CheckpointError       weights that aren't ours, are damaged or of another version
    ├── LibraryError          a library folder can't be opened or used
    │   ├── EncoderMismatch   the library was embedded by another encoder
    │   └── LibraryBusy       another process is writing into it
    └── TrainingError         a recipe or a data set can't be trained on

Each message is one sentence that names the file, the preset or the plugin, and what to do about it, in terms of the
thing: a page and Python have no options. The command line prints that sentence, with the options that stand for its
``remedy``, and exits with status 1.
"""

from __future__ import annotations


class SynthmatchError(Exception):
    """Base of everything below: catch it to catch whatever synthmatch raises on purpose.

    Args:
        sentence: the message.
        remedy: what the sentence advises, if a command has options for that: a key of
            ``synthmatch.commands.remedies.OPTIONS``.
    """

    def __init__(self, *sentence: object, remedy: str = "") -> None:
        super().__init__(*sentence)
        self.remedy = remedy


class InputError(SynthmatchError):
    """What the user handed in can't be used."""


class AudioError(InputError):
    """An audio file or clip can't be read or is unusable (missing, empty, too short, silent, NaN)."""


class NotesError(InputError):
    """Notes out of range, or a MIDI file that can't be read."""


class FolderError(InputError):
    """A folder can't be written."""


class FolderBusy(FolderError):
    """Another process is writing into the folder."""


class PresetError(SynthmatchError):
    """A preset or a bank can't be read, written or converted."""


class SynthError(SynthmatchError):
    """A synth isn't known, or ``synths.toml`` says something that can't be."""


class RenderError(SynthmatchError):
    """A preset made no usable sound."""


class PluginMissing(RenderError):
    """The plugin, or a library that it needs, isn't on this machine."""


class PluginCrashed(RenderError):
    """The process that hosted the plugin died."""


class RenderTimeout(RenderError):
    """The plugin did not answer within the time limit."""


class NotFinite(RenderError):
    """The sound holds samples that aren't finite numbers."""


class CheckpointError(SynthmatchError):
    """A file of weights is missing, damaged, of another version or of another kind."""


class LibraryError(SynthmatchError):
    """A library folder can't be opened or used."""


class EncoderMismatch(LibraryError):
    """The library was embedded by another encoder than the one in use."""


class LibraryBusy(LibraryError):
    """Another process is writing into the library."""


class TrainingError(SynthmatchError):
    """A recipe or a data set can't be trained on or evaluated with."""
