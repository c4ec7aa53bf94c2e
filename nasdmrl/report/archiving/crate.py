"""RO-Crate 1.1 metadata of an archive: what it holds, who made what with which software, and the check of all that."""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from nasdmrl.analysis.claims import caveat
from nasdmrl.analysis.figures.registry import TABLES, panels
from nasdmrl.config.model import Config

METADATA, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
CONTEXT = [f"{SPECIFICATION}/context", {"sha256": "http://schema.org/sha256"}]
"""The specification's terms, and the one that it lacks."""
FORMATS = {
    ".csv": "text/csv", ".html": "text/html", ".ipynb": "application/x-ipynb+json", ".json": "application/json",
    ".jsonl": "application/jsonl", ".log": "text/plain", ".lock": "text/plain", ".md": "text/markdown",
    ".npy": "application/x-npy", ".pdf": "application/pdf", ".png": "image/png", ".tex": "application/x-tex",
    ".cff": "application/yaml", ".txt": "text/plain",
}  # fmt: skip
ROOT_NEEDS = ("name", "description", "datePublished", "license")
"""What the specification asks of the root."""
INCOMPLETE = "Incomplete"
"""First word of the root's status where files of a whole run are missing."""
Entity = dict[str, Any]


class Part(NamedTuple):
    """A file of an archive: its size in bytes and its SHA-256."""

    size: int
    sha256: str


class Facts(NamedTuple):
    """What the metadata tell of a run.

    stamp: of its verdicts; commits: all that its stamps name; citation: the content of CITATION.cff; versions: of
    software that the stamp does not know; evaluations: the store in words; lacks: number of missing files.
    """

    stamp: dict[str, str]
    commits: list[str]
    citation: dict[str, Any]
    versions: dict[str, str]
    evaluations: str
    lacks: int = 0


def metadata(parts: dict[str, Part], facts: Facts) -> str:
    """The metadata document of an archive with these files, by name."""
    paper, people = _paper(facts.citation), [_person(author) for author in facts.citation["authors"]]
    software = list(_software(facts))
    graph = [
        {"@id": METADATA, "@type": "CreativeWork", "about": _ref("./"), "conformsTo": _ref(SPECIFICATION)},
        _root(parts, facts, paper[0], people),
        *people,
        *paper,
        _license(facts.citation),
        _run(parts, facts, software),
        *software,
        *(_file(name, part) for name, part in parts.items()),
    ]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=2) + "\n"


# --- entities -----------------------------------------------------------------------------------------------


def _ref(identifier: str) -> dict[str, str]:
    return {"@id": identifier}


def _refs(entities: Iterable[Entity]) -> list[dict[str, str]] | dict[str, str]:
    """References to entities; to a single one without a list around it, as the specification recommends."""
    found = [_ref(entity["@id"]) for entity in entities]
    return found[0] if len(found) == 1 else found


def _root(parts: dict[str, Part], facts: Facts, paper: Entity, people: list[Entity]) -> Entity:
    stamp, settings = facts.stamp, ("scale", "data", "fidelity", "seeds")
    told = "; ".join(f"{key}: {stamp[key]}" for key in settings)
    what = "Step logs, evaluations, figures, tables and verdicts of one run"
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Results of nasdmrl on arXiv 1911.03769, scale {stamp['scale']}",
        "description": f"{what}. {told}. {caveat(stamp)}".strip(),
        "datePublished": stamp["date"],
        "license": _ref(_license(facts.citation)["@id"]),
        "author": _refs(people),
        "citation": _ref(paper["@id"]),
        "creativeWorkStatus": f"{INCOMPLETE}: {facts.lacks} files are missing" if facts.lacks else "Complete",
        "mentions": _ref("#run"),
        "hasPart": [_ref(quote(name)) for name in parts],
    }


def _paper(citation: dict[str, Any]) -> list[Entity]:
    """The paper, then its authors."""
    paper = citation["preferred-citation"]
    people = [_person(author) for author in paper["authors"]]
    article = {"@id": paper["url"], "@type": "ScholarlyArticle", "name": paper["title"], "url": paper["url"]}
    return [article | {"author": _refs(people), "datePublished": str(paper["year"])}, *people]


def _person(author: dict[str, str]) -> Entity:
    if "family-names" not in author:
        return {"@id": "#" + quote(author["name"]), "@type": "Organization", "name": author["name"]}
    name = f"{author['given-names']} {author['family-names']}"
    return {"@id": "#" + quote(name), "@type": "Person", "name": name}


def _license(citation: dict[str, Any]) -> Entity:
    name = citation["license"]
    return {"@id": f"https://spdx.org/licenses/{name}", "@type": "CreativeWork", "name": name}


def _run(parts: dict[str, Part], facts: Facts, software: list[Entity]) -> Entity:
    inputs, outcome = (
        [_ref(quote(name)) for name in names if name in parts]
        for names in (("results/config.json", "requirements.lock"), ("results/report.html", "results/claims.csv"))
    )
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "Run of the Snakemake workflow",
        "description": f"{facts.evaluations} {commit_note(facts.commits)}",
        "endTime": facts.stamp["date"],
        "instrument": _refs(software),
        "object": inputs,
        "result": outcome,
    }


def commit_note(commits: list[str]) -> str:
    """At which commits of the code tables and figures were made, and which of these had changes."""
    note = f"Code at commit {', '.join(commits)}."
    if any(commit.endswith("+") for commit in commits):
        note += " + marks a working tree with changes that no commit holds: that code cannot be found again."
    return note


def _software(facts: Facts) -> Iterator[Entity]:
    known = dict(item.rsplit(" ", 1) for item in facts.stamp.get("versions", "").split(", ") if " " in item)
    for name, version in (known | facts.versions).items():
        entity = {"@id": f"#{quote(name)}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        if name == "nasdmrl":
            entity |= {"@type": ["SoftwareApplication", "SoftwareSourceCode"], "version": facts.commits[0]}
            entity |= {"description": commit_note(facts.commits), "license": _ref(_license(facts.citation)["@id"])}
        yield entity


def _file(name: str, part: Part) -> Entity:
    path = PurePosixPath(name)
    kind = FORMATS.get(path.suffix, "application/octet-stream")
    entity = {"@id": quote(name), "@type": "File", "name": name, "contentSize": str(part.size), "encodingFormat": kind}
    item = {item.name: item for item in (*panels(Config()), *TABLES)}.get(path.stem)
    shown = {"description": f"{item.title}: {item.caption}"} if item and path.parts[1] != "logs" else {}
    return entity | shown | {"sha256": part.sha256}


# --- check --------------------------------------------------------------------------------------------------


def problems(text: str, parts: dict[str, Part]) -> list[str]:
    """What is wrong with the metadata document of an archive with these files, itself and the sums left out."""
    try:
        document = json.loads(text)
        entities = {entity["@id"]: entity for entity in document["@graph"]}
        context = document["@context"]
    except (ValueError, KeyError, TypeError) as error:
        return [f"{METADATA}: is no RO-Crate ({error!r}); it needs @context and a @graph of entities with @id"]
    found = [
        *_head(context, entities),
        *_root_problems(entities),
        *_dangling(entities),
        *_part_problems(entities, parts),
    ]
    return [f"{METADATA}: {problem}" for problem in found]


def is_incomplete(text: str) -> bool:
    """Whether a metadata document says that files of a whole run are missing; for a broken one, any error."""
    root = next((entity for entity in json.loads(text)["@graph"] if entity["@id"] == "./"), {})
    return root["creativeWorkStatus"].startswith(INCOMPLETE)


def _head(context: Any, entities: dict[str, Entity]) -> Iterator[str]:
    if CONTEXT[0] not in (context if isinstance(context, list) else [context]):
        yield f"@context lacks {CONTEXT[0]}"
    descriptor = entities.get(METADATA, {})
    if descriptor.get("conformsTo") != _ref(SPECIFICATION) or descriptor.get("about") != _ref("./"):
        yield f"the entity {METADATA} must be about ./ and conform to {SPECIFICATION}"


def _root_problems(entities: dict[str, Entity]) -> Iterator[str]:
    root = entities.get("./", {})
    if root.get("@type") != "Dataset":
        yield "the root entity ./ must be a Dataset"
    yield from (f"the root entity ./ has no {key}" for key in ROOT_NEEDS if not root.get(key))


def _dangling(entities: dict[str, Entity]) -> Iterator[str]:
    """References to what is neither an entity here nor on the web."""
    for name, entity in entities.items():
        for reference in itertools.chain.from_iterable(map(_referred, entity.values())):
            if reference not in entities and not reference.startswith("https://"):
                yield f"{name} refers to {reference}, which is not described"


def _referred(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and "@id" in item:
            yield str(item["@id"])


def _part_problems(entities: dict[str, Entity], parts: dict[str, Part]) -> Iterator[str]:
    """Named parts must exist as they are described, and every file must be named."""
    named = {unquote(name) for name in _referred(entities.get("./", {}).get("hasPart", []))}
    yield from (f"names the part {name}, which the archive lacks" for name in sorted(named - parts.keys()))
    yield from (f"does not name {name}, which the archive has" for name in sorted(parts.keys() - named))
    for name in sorted(named & parts.keys()):
        told, part = entities.get(quote(name), {}), parts[name]
        if (told.get("contentSize"), told.get("sha256")) != (str(part.size), part.sha256):
            yield f"size or sha256 of {name} is not the file's"
