"""A page for every method, made from its file: idea, equation, options, departures, our numbers beside the paper's."""

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType

from errata.registry import method_class, names
from errata.reports.markdown import table
from pages import measured, published
from pages.docstrings import described, options, remarks
from pages.links import relative

KINDS = {"localizers": "errata.localizers", "editors": "errata.editors"}
HEADINGS = ("Idea", "Equation", "Options", "Departures", "Our numbers beside the paper's")
VERBS = {
    "localizers": ("localizer", "attribute(view, [fact])", "errata locate MODEL --subject S --prompt P"),
    "editors": ("editor", "edit(view, [fact])", "errata edit MODEL --subject S --prompt P --target T"),
}
WARNING = (
    "The two kinds of tables are of other models, other facts and, where it says so, another protocol. They show what "
    "was published and what was measured here; a difference between them says nothing about either."
)


def pages() -> dict[str, str]:
    """The index and the page of every method, by their places in the site."""
    found = {"methods/index.md": index()}
    for kind, package in KINDS.items():
        found |= {f"methods/{kind}/{name}.md": page(kind, name) for name in names(package)}
    return found


def page(kind: str, name: str) -> str:
    """One method's page."""
    module = importlib.import_module(f"{KINDS[kind]}.{name}")
    chosen = method_class(KINDS[kind], name)
    own, place = described(module.__doc__ or ""), f"methods/{kind}/{name}.md"
    word, call, command = VERBS[kind]
    rows = [
        (f"`{one.name}`", f"`{one.default}`" if one.default else "", _linked(one.meaning, place))
        for one in options(chosen)
    ]
    sections = (
        f"{_linked(own.idea, place)}\n\n"
        f'- Python: `errata.{word}("{name}").{call}`\n'
        f"- Command line: `{command} --method {name}`",
        _linked(own.equation, place),
        "\n\n".join(
            [
                *(_linked(text, place) for text in remarks(chosen)),
                table(("option", "default", "meaning"), rows, 3) if rows else "None.",
                f'Set with `errata.{word}("{name}", OPTION=VALUE)` or `--set OPTION=VALUE`.' if rows else "",
            ]
        ).strip(),
        _linked(own.departures, place),
        "\n\n".join(
            [WARNING, "### The paper's", published.section(name), "### Ours", measured.section(kind, name, place)]
        ),
    )
    written = "\n\n".join(f"## {title}\n\n{text}" for title, text in zip(HEADINGS, sections, strict=True))
    return f"# {name}\n\n{written}\n\n{_source(module, place)}\n"


def index() -> str:
    """All methods with their first sentences."""
    blocks = ["# Methods", "One file a method, one page a method; each page is made from its file."]
    for kind, package in KINDS.items():
        rows = [(f"[`{name}`]({kind}/{name}.md)", _idea(package, name)) for name in names(package)]
        blocks += [f"## {kind.capitalize()}", table((kind.removesuffix("s"), "idea"), rows, 2)]
    blocks.append(
        "Which of them run on which architecture: [capabilities](../capabilities.md). "
        "A method of your own: [adding a method](../guides/adding-a-method.md)."
    )
    return "\n\n".join(blocks) + "\n"


def _idea(package: str, name: str) -> str:
    return described(importlib.import_module(f"{package}.{name}").__doc__ or "").idea


def _source(module: ModuleType, place: str) -> str:
    path = "src/" + module.__name__.replace(".", "/") + ".py"
    lines = len(inspect.getsource(module).splitlines())
    return f"Made from [`{path}`]({relative('files/' + path, place)}), {lines} lines."


def _linked(text: str, place: str) -> str:
    """Names of methods and of pages as links; what stands in blocks of code is left alone."""

    def method(match: re.Match[str]) -> str:
        kind, name = match[1], match[2].replace("\\", "")
        if name not in names(KINDS[kind]):
            return match[0]
        return f"[{name}]({relative(f'methods/{kind}/{name}.md', place)})"

    def written(match: re.Match[str]) -> str:
        return f"[{match[1]}]({relative(match[1], place)})"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    for at in range(0, len(parts), 2):
        parts[at] = re.sub(r"errata\.(localizers|editors)\.([a-z][\w\\]*)", method, parts[at])
        parts[at] = re.sub(r"docs/([\w-]+\.md)", written, parts[at])
    return "".join(parts)
