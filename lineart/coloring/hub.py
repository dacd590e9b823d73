"""Weights from the Hugging Face Hub: hf://owner/name, hf://owner/name/file, hf://owner/name@revision/file."""

import re
from pathlib import Path

from lineart.config import InputError, MissingFile

PREFIX = "hf://"
DEFAULT = "model.safetensors"
ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/@]+))?(?:/(?P<file>.+))?")


def fetch(address: str) -> Path:
    """The weights at an address, in huggingface_hub's cache; fetched where they are not there, or have changed.

    Without a file it is `model.safetensors`; the ending may be left out. Raises InputError where huggingface_hub is not
    installed or the address is none, MissingFile where nothing is there or the Hub cannot be reached.
    """
    parts = ADDRESS.fullmatch(address)
    if not parts:
        raise InputError(
            f"an address on the Hugging Face Hub must be hf://owner/name or hf://owner/name/file, got {address}"
        )
    file = parts["file"] or DEFAULT
    file = file if file.endswith(".safetensors") else f"{file}.safetensors"
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise InputError(f"weights at {PREFIX} need huggingface_hub: pip install 'lineart[hub]'") from error
    try:
        return Path(huggingface_hub.hf_hub_download(parts["repo"], file, revision=parts["revision"]))
    except (errors.HfHubHTTPError, errors.EntryNotFoundError, errors.HFValidationError) as error:
        said = " ".join(str(error).split())[:200]
        raise MissingFile(f"the Hub did not give {file} for {address} (hf://owner/name/file): {said}") from error
