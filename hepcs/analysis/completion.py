"""``completion``: what makes the shell complete commands, options and cards."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

DESCRIPTION = """\
Write a script that makes the shell complete commands, options and files. For bash, add

  eval "$(hepcs completion bash)"

to ~/.bashrc, and for zsh the same with zsh to ~/.zshrc; for fish

  hepcs completion fish > ~/.config/fish/completions/hepcs.fish"""
EXAMPLES = "  python -m hepcs.analysis completion bash"
SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("shell", choices=SHELLS)


def execute(parsed: argparse.Namespace, console: Console, errors: Console) -> None:  # noqa: ARG001
    """Write the script to standard output."""
    from hepcs.analysis.__main__ import COMMANDS, parser_of
    from hepcs.config.reading import INSTALLED_CARDS

    options = {name: _options(parser_of(name)) for name in COMMANDS}
    cards = sorted({path.name for folder in INSTALLED_CARDS for path in folder.glob("*.yaml")})
    write = fish_script if parsed.shell == "fish" else bash_script
    text = write(COMMANDS, options, cards)
    console.file.write(
        f"autoload -U +X bashcompinit && bashcompinit\n{text}" if parsed.shell == "zsh" else text
    )


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return sorted(
        option for action in parser._actions for option in action.option_strings if option.startswith("--")
    )


def bash_script(commands: Mapping[str, str], options: Mapping[str, list[str]], cards: list[str]) -> str:
    """The script for bash, which zsh takes too."""
    cases = "\n".join(
        f"    {name}) words={shlex.quote(' '.join(options[name]))} ;;" for name in commands if name != "run"
    )
    first = shlex.quote(" ".join([*commands, *cards]))
    return f"""\
_hepcs() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words
  case "${{COMP_WORDS[1]}}" in
{cases}
    *) words={shlex.quote(" ".join(options["run"]))} ;;
  esac
  if [[ $COMP_CWORD -eq 1 && "$current" != -* ]]; then
    words={first}
    COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -X '!*.yaml' -- "$current"))
  elif [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}}
complete -o filenames -F _hepcs hepcs
"""


def fish_script(commands: Mapping[str, str], options: Mapping[str, list[str]], cards: list[str]) -> str:
    """The script for fish."""
    first = "test (count (commandline -opc)) -eq 1"
    lines = [
        f"complete -c hepcs -n '{first}' -a {name} -d {shlex.quote(what)}" for name, what in commands.items()
    ]
    lines += [f"complete -c hepcs -n '{first}' -a {card} -d card" for card in cards]
    others = " ".join(name for name in commands if name != "run")
    for name in commands:
        seen = (
            f"__fish_seen_subcommand_from {name}"
            if name != "run"
            else f"not __fish_seen_subcommand_from {others}"
        )
        lines += [f"complete -c hepcs -n '{seen}' -l {option.removeprefix('--')}" for option in options[name]]
    return "\n".join(lines) + "\n"
