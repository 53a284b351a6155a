"""The scenario format: filling in variables, comparing an answer with what is expected, masking what differs by nature. See README.md."""
import hashlib
import json
import re

VARIABLE = re.compile(r"\$\{([a-z0-9]+:)?([^{}]+)\}")
DIALECTS = ("1.5", "1.4")

# What two servers cannot have in common, and what it becomes before two answers are compared.
MASKS = [
    (re.compile(r"\b(insert|scan|enqueue|retry)_\d{8}_\d{6}_[0-9a-f]{8,16}"), "TRACK"),
    (re.compile(r"\b(doc|dup)-[0-9a-f]{20,32}"), r"\1-ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?"), "TIME"),
    (re.compile(r"error_id: [0-9a-f]+"), "error_id: E"),
    (re.compile(r"(?<=Status: )(DocStatus\.)?(PENDING|PARSING|ANALYZING|PROCESSING|PROCESSED|pending|parsing|analyzing|processing|processed)\b"), "STATUS"),
]


def fill(value, variables):
    """${name} is a variable, ${md5:text} a hash; a string that is nothing but one variable takes over its type. {"$each": [from, to], "of": v}: a list."""
    if isinstance(value, dict):
        if "$each" in value:
            first, last = value["$each"]
            return [fill(value["of"], {**variables, "i": str(i)}) for i in range(first, last + 1)]
        return {key: fill(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    alone = re.fullmatch(r"\$\{([a-z_0-9]+)\}", value)
    if alone:
        return variables[alone.group(1)]
    while VARIABLE.search(value):  # the inner ones first: ${md5:memory~${run}~1}
        value = VARIABLE.sub(lambda found: _one(found, variables), value)
    return value


def names_in(value):
    """The variables that a step uses."""
    return {found.group(1) for found in re.finditer(r"\$\{([a-z_0-9]+)\}", json.dumps(value))}


def _one(found, variables):
    if found.group(1) == "md5:":
        return hashlib.md5(found.group(2).encode()).hexdigest()
    return str(variables[found.group(2)])


def take(value, path):
    """documents.0.id"""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def differences(expected, seen, where="answer"):
    """What is wrong with `seen`, as a list of sentences; [] when it is as expected."""
    if isinstance(expected, dict):
        special = [key for key in expected if key.startswith("$")]
        if special:
            return [one for key in special for one in SPECIAL[key](expected[key], seen, where)]
        if not isinstance(seen, dict):
            return [f"{where} is {_short(seen)}, not an object"]
        found = []
        for key, value in expected.items():
            if value == {"$absent": True}:
                found += [f"{where}.{key} is there"] if key in seen else []
            elif key not in seen:
                found.append(f"{where}.{key} is missing")
            else:
                found += differences(value, seen[key], f"{where}.{key}")
        return found
    if isinstance(expected, list):
        if not isinstance(seen, list) or len(seen) != len(expected):
            return [f"{where} is {_short(seen)}, not a list of {len(expected)}"]
        return [one for i, value in enumerate(expected) for one in differences(value, seen[i], f"{where}.{i}")]
    if isinstance(expected, str) and expected.startswith("~"):
        matches = isinstance(seen, str) and re.fullmatch(expected[1:], seen, re.S)
        return [] if matches else [f"{where} is {_short(seen)}, which does not match {expected[1:]}"]
    same = type(expected) is type(seen) and expected == seen
    return [] if same else [f"{where} is {_short(seen)}, not {_short(expected)}"]


def _length(expected, seen, where):
    return [] if isinstance(seen, (list, str)) and len(seen) == expected else [f"{where} has not {expected} elements: {_short(seen)}"]


def _has(expected, seen, where):
    found = []
    for one in expected:
        if not isinstance(seen, list) or not any(not differences(one, item) for item in seen):
            found.append(f"{where} has no element like {_short(one)}: {_short(seen)}")
    return found


def _has_none(expected, seen, where):
    if not isinstance(seen, list):
        return [f"{where} is not a list"]
    return [f"{where} has {_short(item)}" for one in expected for item in seen if not differences(one, item)]


def _kind(expected, seen, where):
    kinds = {"string": str, "integer": int, "boolean": bool, "object": dict, "list": list, "null": type(None)}
    good = any(type(seen) is kinds[kind] for kind in expected.split("|"))
    return [] if good else [f"{where} is {_short(seen)}, not of kind {expected}"]


def _at_least(expected, seen, where):
    return [] if isinstance(seen, int) and seen >= expected else [f"{where} is {_short(seen)}, less than {expected}"]


def _falling(expected, seen, where):
    values = [item[expected] for item in seen]
    return [] if values == sorted(values, reverse=True) else [f"{where} is not sorted by {expected}, newest first: {_short(values)}"]


def _each(expected, seen, where):
    return [one for i, item in enumerate(seen) for one in differences(expected, item, f"{where}.{i}")]


SPECIAL = {"$length": _length, "$has": _has, "$has_none": _has_none, "$kind": _kind, "$at_least": _at_least, "$falling": _falling, "$all": _each}


def _short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "..."


def mask(value, run):
    """The same value with everything replaced that no two servers have in common."""
    if isinstance(value, dict):
        return {key: mask(item, run) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item, run) for item in value]
    if isinstance(value, str):
        value = value.replace(run, "RUN")
        for pattern, word in MASKS:
            value = pattern.sub(word, value)
    return value


def prune(value, unread):
    """Without the keys that the program does not read: "a.*" empties a, "a.b" takes b out of a; a list's elements share a path. Rows come in no order."""
    for path in unread:
        _drop(value, path.split("."))
    rows = value.get("json", {}).get("documents") if isinstance(value.get("json"), dict) else None
    if isinstance(rows, list):
        rows.sort(key=lambda row: (str(row.get("file_path")), str(row.get("content_summary"))))
    return value


def keep(value, read):
    """Only these paths of the answer: the others are not read, and two servers may differ there."""
    kept = {"status": value["status"]}
    for path in read:
        try:
            kept[path] = take(value["json"], path)
        except (KeyError, IndexError, TypeError):
            pass
    return kept


def _drop(value, parts):
    if isinstance(value, list):
        for item in value:
            _drop(item, parts)
    elif isinstance(value, dict) and len(parts) == 1:
        for key in [key for key in value if parts[0] in ("*", key)]:
            del value[key]
    elif isinstance(value, dict) and parts[0] in value:
        _drop(value[parts[0]], parts[1:])


def unlike(first, second, where="answer"):
    """Where two masked answers differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        found = []
        for key in list(first) + [key for key in second if key not in first]:
            if key not in second or key not in first:
                found.append(f"{where}.{key} has only the {'first' if key in first else 'second'}")
            else:
                found += unlike(first[key], second[key], f"{where}.{key}")
        return found
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [one for i, value in enumerate(first) for one in unlike(value, second[i], f"{where}.{i}")]
    return [] if type(first) is type(second) and first == second else [f"{where}: {_short(first)} / {_short(second)}"]


def read_scenario(path):
    with open(path, encoding="utf-8") as file:
        scenario = json.load(file)
    for step in scenario["steps"]:
        unknown = set(step) - {"name", "why", "method", "path", "headers", "body", "body_text", "expect", "wait_until", "holds_for", "save", "skip",
                               "server", "compare", "race", "closes", *DIALECTS}
        if unknown:
            raise ValueError(f"{path}: step '{step['name']}' has unknown keys {sorted(unknown)}")
    return scenario


def for_dialect(step, dialect):
    """The step as it is meant for this dialect: its own keys take the place of the common ones."""
    return {**{key: value for key, value in step.items() if key not in DIALECTS}, **step.get(dialect, {})}
