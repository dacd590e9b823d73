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
    return _download(parts["repo"], file, parts["revision"])


def _download(repo: str, file: str, revision: str | None) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise InputError(f"weights at {PREFIX} need huggingface_hub: pip install 'lineart[hub]'") from error
    try:
        return Path(huggingface_hub.hf_hub_download(repo, file, revision=revision))
    except errors.RepositoryNotFoundError as error:
        raise MissingFile(
            f"the Hugging Face Hub must have a repository {repo} that you may read, it has none"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise MissingFile(f"{repo} must have the revision {revision}, it has none of that name") from error
    except errors.LocalEntryNotFoundError as error:
        raise MissingFile(f"{file} of {repo} is not in the cache, and the Hugging Face Hub was not reached") from error
    except errors.EntryNotFoundError as error:
        raise MissingFile(f"{repo} must have the file {file}, it has none; name one: {PREFIX}{repo}/FILE") from error
    except errors.HfHubHTTPError as error:
        raise InputError(
            f"the Hugging Face Hub did not give {file} of {repo}: {' '.join(str(error).split())[:200]}"
        ) from error
    except errors.HFValidationError as error:
        raise InputError(f"a repository must be called owner/name, got {repo}: {error}") from error
