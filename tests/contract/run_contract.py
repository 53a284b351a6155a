#!/usr/bin/env python3
"""Does a server answer as our scenarios say LightRAG does? And does the fake answer like the real one?

    run_contract.py TARGET [TARGET] [--scenario NAME ...] [--show]

TARGET is real:VERSION (started through examples/lightrag/run-lightrag), fake:DIALECT (started through mc-fakes, see $MC_FAKES), or the URL of a server
that runs already (its documents stay). One target: every answer against the scenario. Two: that for both, and their answers against each other after
masking ids, times and track ids. Prints TAP. Exit 0 all well, 1 something differs, 2 usage."""
import argparse
import json
import os
import pathlib
import secrets
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import scenario as words  # noqa: E402
import servers  # noqa: E402

FAKE_PATIENCE = 20  # seconds; it has nothing to compute


class Contract:
    """One scenario against one server."""

    def __init__(self, scenario, server):
        self.scenario, self.server = scenario, server
        self.run = secrets.token_hex(4)
        self.variables = {"run": self.run, "api_key": scenario.get("start", {}).get("api_key", "")}
        self.headers = {"X-API-Key": self.variables["api_key"]} if self.variables["api_key"] else {}
        self.lost = set()  # variables of a step that came too late
        self.dialect = self.find_dialect()

    def find_dialect(self):
        status, _, text = servers.request(self.server.url + "/health")
        version = json.loads(text).get("core_version", "") if status == 200 else ""
        for dialect in words.DIALECTS:
            if version.lstrip("v").startswith(dialect + "."):
                return dialect
        raise RuntimeError(f"{self.server} answers /health with {status} and core_version '{version}': no LightRAG we know")

    def reason_to_skip(self, step):
        skip = step.get("skip", {})
        if isinstance(skip, str):
            return skip
        if self.server.is_fake and "fake" in skip:
            return "the fake: " + skip["fake"]
        if "server" in step and not self.server.can_crash:
            return "not with somebody else's server"
        lost = self.lost & words.names_in(step)
        return f"the race for {', '.join(sorted(lost))} was lost" if lost else ""

    def ask(self, step):
        """(problems, answer): the answer is {status, headers, json or text}."""
        filled = words.fill({key: step[key] for key in ("path", "headers", "body", "expect") if key in step}, self.variables)
        body = json.dumps(filled["body"]).encode() if "body" in filled else None
        if "body_text" in step:
            body = words.fill(step["body_text"], self.variables).encode()
        headers = {**self.headers, **filled.get("headers", {})}
        headers = {name: value for name, value in headers.items() if value}
        status, seen_headers, text = servers.request(self.server.url + filled["path"], step.get("method", "GET"), body, headers)
        answer = {"status": status}
        try:
            answer["json"] = json.loads(text)
        except ValueError:
            answer["text"] = text
        expected = {"status": 200, **filled["expect"]}
        wanted = {name.lower(): value for name, value in expected.pop("headers", {}).items()}
        problems = words.differences(expected, answer)
        if "closes" in step:
            closed = servers.closes_after(self.server.url + filled["path"], step.get("method", "GET"), body, headers)
            problems += [] if closed == step["closes"] else [f"the connection {'is closed without a word' if closed else 'stays open'} after that"]
        problems += words.differences(wanted, {name.lower(): value for name, value in seen_headers.items()}, "headers")
        return problems, answer

    def take_step(self, step):
        if "server" in step:
            getattr(self.server, step["server"])()  # crash, heal, sicken, slow, quick
            return [], None
        patience = min(step.get("wait_until", 0), FAKE_PATIENCE if self.server.is_fake else 3600)
        end = time.monotonic() + patience * servers.SLOW
        hold = time.monotonic() + (step.get("holds_for") or 0)
        while True:
            problems, answer = self.ask(step)
            now = time.monotonic()
            if (problems and now >= end) or (not problems and now >= hold):
                break
            if problems and "holds_for" in step and "wait_until" not in step:
                break
            time.sleep(0.1)
        if not problems:
            for name, path in step.get("save", {}).items():
                self.variables[name] = words.take(answer["json"], path)
        return problems, answer

    def go(self):
        """Yields (step, skipped because, problems, answer)."""
        for step in self.scenario["steps"]:
            step = words.for_dialect(step, self.dialect)
            reason = self.reason_to_skip(step)
            if reason:
                yield step, reason, [], None
                continue
            try:
                problems, answer = self.take_step(step)
            except (OSError, KeyError, IndexError, TypeError) as fault:
                problems, answer = [f"no usable answer: {fault!r}"], None
            if problems and answer is not None and "race" in step and not words.differences(words.fill(step["race"], self.variables), answer):
                self.lost |= set(step.get("save", {}))
                yield step, "the server was faster", [], None
                continue
            yield step, "", problems, answer


class Tap:
    def __init__(self, show=False, out=sys.stdout):
        self.number = self.bad = self.skipped = 0
        self.show, self.out = show, out

    def say(self, good, name, details=(), skip=""):
        self.number += 1
        self.bad += not good
        self.skipped += bool(skip)
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}" + (f" # SKIP {skip}" if skip else ""), file=self.out, flush=True)
        for line in details:
            print("#   " + line, file=self.out, flush=True)

    def note(self, words):
        print("# " + words, file=self.out, flush=True)

    def end(self, target, seconds):
        print(f"1..{self.number}", file=self.out)
        line = f"contract {target}: {self.number - self.bad - self.skipped} as expected, {self.bad} not, {self.skipped} skipped, {seconds:.0f} s"
        print("# " + line, file=self.out, flush=True)
        return line


def comparable(answer, run, read, unread):
    """What of an answer must be alike on two servers: what a step lists, else all but what nobody reads."""
    masked = words.mask(answer, run)
    return words.keep(masked, read) if isinstance(read, list) else words.prune(masked, unread)


def take(scenario, target, tap):
    """(the run's mark, the steps). A 1.4 that was killed while it wrote may never start again (docs/lightrag.md): that one is thrown away."""
    for chances in (2, 1, 0):
        server = servers.open_target(target, scenario.get("start", {}))
        try:
            contract = Contract(scenario, server)
            return contract.run, list(contract.go())
        except servers.DidNotStart as fault:
            if not chances:
                raise
            tap.note(f"{target} does not start again after kill -9, a fresh one is taken: {str(fault).strip().splitlines()[-1]}")
        finally:
            server.stop()


def run_one(path, target, tap):
    """The answers by step name, masked; None for a scenario that this target cannot take."""
    scenario = words.read_scenario(path)
    if scenario.get("start") and "://" in target:
        tap.say(True, f"{path.stem}", skip=f"needs a server started with {json.dumps(scenario['start'])}")
        return None
    answers = {}
    run, taken = take(scenario, target, tap)
    for step, skip, problems, answer in taken:
        details = problems + ([f"why it matters: {step['why']}"] if problems and "why" in step else [])
        if tap.show and answer:
            details = details + [json.dumps(answer, ensure_ascii=False)[:3000]]
        tap.say(not problems, f"{path.stem}: {step['name']}", details, skip)
        if not skip and answer is not None and step.get("compare", True):
            answers[step["name"]] = comparable(answer, run, step.get("compare"), scenario.get("unread", []))
    return answers


def compare(path, targets, answers, tap):
    first, second = answers
    for name in [name for name in first if name in second]:
        details = words.unlike(first[name], second[name])
        tap.say(not details, f"{path.stem}: {name}: {targets[0]} and {targets[1]} answer alike", details)


def find_scenarios(names):
    every = sorted((HERE / "scenarios").glob("*.json"))
    if not names:
        return every
    chosen = [path for path in every if path.stem in names] + [pathlib.Path(name) for name in names if name.endswith(".json")]
    if len(chosen) != len(names):
        sys.exit(f"run_contract.py: there are {', '.join(path.stem for path in every)}")
    return chosen


def run(targets, names=(), show=False, out=sys.stdout):
    """(number of differences, the summary line)."""
    started = time.monotonic()
    tap = Tap(show, out)
    for path in find_scenarios(names):
        answers = [run_one(path, target, tap) for target in targets]
        if len(answers) == 2 and None not in answers:
            compare(path, targets, answers, tap)
    return tap.bad, tap.end(" and ".join(targets), time.monotonic() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="+")
    parser.add_argument("--scenario", action="append", default=[], metavar="NAME", help="only this one (may be given again)")
    parser.add_argument("--show", action="store_true", help="print every answer")
    args = parser.parse_args()
    if len(args.target) > 2:
        parser.error("one target, or two to compare")
    bad, _ = run(args.target, args.scenario, args.show)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
