"""Writes expected-prompts.json: what transformers renders from the templates of this folder. A development tool: pip install transformers jinja2;
`npm run format` afterwards."""

import importlib.metadata
import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

HERE = pathlib.Path(__file__).parent

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'The weather of a place, "now" & soon: <b>größer</b>',
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["place"],
        },
    },
}
CALL = {"type": "function", "id": "c1", "function": {"name": "get_weather", "arguments": {"place": "Köln", "days": 2}}}
SECOND_CALL = {"type": "function", "id": "c2", "function": {"name": "get_weather", "arguments": {"place": "Rome"}}}

CONVERSATIONS = {
    "a question": dict(messages=[{"role": "user", "content": "Hi"}]),
    "a system turn": dict(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]),
    "several turns, none opened": dict(
        messages=[
            {"role": "user", "content": "1 + 1?"},
            {"role": "assistant", "content": "<think>\nEasy.\n</think>\n\n2"},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "Yes."},
        ],
        add_generation_prompt=False,
    ),
    "tools, not called yet": dict(messages=[{"role": "user", "content": "Weather in Köln?"}], tools=[WEATHER]),
    "tools and their answers": dict(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather in Köln and Rome?"},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, SECOND_CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"sky": "grey"}'},
            {"role": "tool", "tool_call_id": "c2", "content": '{"sky": "blue"}'},
            {"role": "assistant", "content": "Grey and blue."},
            {"role": "user", "content": "Thanks"},
        ],
        tools=[WEATHER],
    ),
    "a call that was thought about": dict(
        messages=[
            {"role": "user", "content": "Weather in Köln?"},
            {"role": "assistant", "content": "", "reasoning_content": "I need the tool.", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "grey"},
        ],
        tools=[WEATHER],
    ),
}


def main():
    cases = []
    for template in sorted(HERE.glob("*.jinja")):
        for title, conversation in CONVERSATIONS.items():
            options = {"add_generation_prompt": True, **conversation}
            prompts, _ = render_jinja_template(
                conversations=[options["messages"]],
                tools=options.get("tools"),
                chat_template=template.read_text(),
                add_generation_prompt=options["add_generation_prompt"],
            )
            cases.append({"template": template.name, "title": title, **options, "prompt": prompts[0]})
    made_with = {name: importlib.metadata.version(name) for name in ("transformers", "jinja2")}
    (HERE / "expected-prompts.json").write_text(json.dumps({"madeWith": made_with, "cases": cases}, indent=1) + "\n")


main()
