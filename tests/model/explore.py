#!/usr/bin/env python3
"""Explores every interleaving of two memories in one batch, with the decisions taken from the program's own tables.

    explore.py TABLES             TABLES: the program tests/model/tables, or a file with its output
    explore.py TABLES --planted   plants errors in the tables and shows that each is caught
    explore.py TABLES --deep      two faults at once for 1.5 too

The world around the tables is modelled here: a server that takes, stores, processes, fails, crashes and refuses known names, a network that loses
answers, loses requests and delivers late ones, and crashes of ours. What the tables decide is looked up in them; a pair that they call impossible must not
come up. Properties: (1) from every state everything can still become right: each memory DONE, its row processed, once; (2) DONE only while the row was
processed; (3) at most one request of a memory under way, and on 1.4 none while an earlier one may still arrive; (4) 1.4 never holds a text twice.

State: (members, requests, rows, faults)
    members    per memory: (state, batch number, phase)   Q queued, F flying, D done, X dead
    requests   (batch members, place)   place: "out" on its way, "in" arrived and unanswered with its answer, "late" nobody waits for it
    rows       per memory: "-" none, "q" only in the server's memory, "p" pending, "f" failed, "x" processed; 1.4 may hold two
    faults     what may still go wrong: our crash, server crash, lost, late, failing
"""
import copy
import json
import subprocess
import sys
from collections import deque

MEMORIES = (0, 1)
FAULTS = ("crash", "server", "lost", "late", "fail")


class Broken(Exception):
    """A property that a step breaks."""


class Model:
    def __init__(self, tables, is_14, faults):
        self.batch, self.sighting = tables["batch"], tables["sighting"]
        self.is_14 = is_14
        self.first = ((("F", 0, "ready"), ("F", 0, "ready")), (), (("-",), ("-",)), faults)

    def step(self, phase, event):
        row = self.batch[phase][event]
        if row["next"] == "never":
            raise Broken(f"the table calls it impossible: {phase}, {event}")
        return row["next"], row["action"]

    # ---- Helpers on states

    @staticmethod
    def spend(faults, name):
        place = FAULTS.index(name)
        return faults[:place] + (faults[place] - 1,) + faults[place + 1:]

    @staticmethod
    def batches(members):
        found = {}
        for i, (state, number, phase) in enumerate(members):
            if state == "F":
                found.setdefault((number, phase), []).append(i)
        return found

    @staticmethod
    def move(members, which, phase, alone=False):
        """Members of one batch into a phase; alone: each in a batch of its own number."""
        out = list(members)
        for i in which:
            number = 10 + i if alone else members[i][1]
            out[i] = ("F", number, phase)
        return tuple(out)

    # ---- The server

    def arrive(self, rows, which):
        """What the server does with an insert: (rows, answer)."""
        known = [i for i in which if any(r in "pfx" for r in rows[i])]
        if known:
            return rows, ("exists, named", known[0])
        out = list(rows)
        for i in which:
            kept = [r for r in rows[i] if r != "-"]
            out[i] = tuple(sorted(kept + ["q"] if kept.count("q") < 2 else kept))  # a third of the same brings nothing new
        return tuple(out), ("taken", None)

    def store(self, rows, i):
        kept = list(rows[i])
        kept.remove("q")
        if not any(r in "pfx" for r in kept):  # another of the same name or content: 1.5 a dup- row, 1.4 dropped
            kept.append("p")
        out = list(rows)
        out[i] = tuple(sorted(kept)) or ("-",)
        return tuple(out)

    @staticmethod
    def change(rows, i, old, new):
        kept = list(rows[i])
        kept[kept.index(old)] = new
        out = list(rows)
        out[i] = tuple(sorted(kept))
        return tuple(out)

    # ---- What we see of a row

    def sight(self, state, i, looks_up):
        _, requests, rows, _ = state
        for row, name in (("x", "ours, processed"), ("p", "ours, unfinished"), ("f", "ours, failed")):
            if row in rows[i]:
                return name
        may_arrive = any(i in which for which, _, _ in requests) or "q" in rows[i]
        return "absent, unproven" if looks_up and self.is_14 and may_arrive else "absent"

    # ---- Steps

    def answer(self, state, which, answer, culprit):
        """The batch learns what became of its request."""
        members, requests, rows, faults = state
        following, action = self.step("sending", answer)
        if action in ("follow", "look up", "wait, target", "wait, busy"):
            return (self.move(members, which, following), requests, rows, faults)
        if action == "split and look up":
            rest = [i for i in which if i != culprit]
            return (self.move(self.move(members, rest, following), [culprit], "unclear", alone=True), requests, rows, faults)
        raise Broken(f"the model does not know the action {action}")

    def settle(self, state, i, action, phase):
        members, requests, rows, faults = state
        out = list(members)
        if action == "done":
            if "x" not in rows[i]:
                raise Broken("DONE, and the row was not processed")
            out[i] = ("D", 0, "closed")
        elif action in ("wait", "failed once", "look again"):
            return state
        elif action == "adopt":
            out[i] = ("F", 10 + i, "stored")
        elif action == "send again":
            out[i] = ("F", members[i][1], "ready")
        elif action == "look up":
            out[i] = ("F", 10 + i, "unclear")
        else:
            raise Broken(f"{action} of a memory that is good ({phase})")
        return (tuple(out), requests, rows, faults)

    def of_us(self, state):
        members, requests, rows, faults = state
        for (_, phase), which in self.batches(members).items():
            which = tuple(which)
            if phase == "ready":
                following, action = self.step("ready", "slot free")
                if action == "send":
                    for i in which:
                        if any(i in other and place != "late" for other, place, _ in requests):
                            raise Broken("two requests of one memory under way")
                        if self.is_14 and any(i in other for other, _, _ in requests):
                            raise Broken("1.4: sent while an earlier request may still arrive")
                    yield "send", (self.move(members, which, following), requests + ((which, "out", None),), rows, faults)
            elif phase == "unclear":
                now = state
                for i in which:
                    seen = self.sight(state, i, True)
                    now = self.settle(now, i, self.sighting["unclear"][seen], phase)
                yield "look up", now
            elif phase == "accepted":
                seen = [self.sight(state, i, False) for i in which]
                if "absent" not in seen:
                    yield "rows seen", (self.move(members, which, self.step(phase, "all rows seen")[0]), requests, rows, faults)
                else:
                    following, action = self.step(phase, "deadline")
                    missing = [i for i, what in zip(which, seen) if what == "absent"]
                    now = self.move(members, [i for i in which if i not in missing], following)
                    if action == "split the missing":
                        now = self.move(now, missing, "unclear", alone=True)
                    else:
                        now = self.move(now, missing, following)
                    yield "deadline", (now, requests, rows, faults)
            elif phase == "stored":
                for i in which:
                    seen = self.sight(state, i, False)
                    yield f"poll {i}", self.settle(state, i, self.sighting["stored"][seen], phase)

    def of_network(self, state):
        members, requests, rows, faults = state
        left = dict(zip(FAULTS, faults))
        for place, (which, where, said) in enumerate(requests):
            others = requests[:place] + requests[place + 1:]
            if where == "out":
                after, said = self.arrive(rows, which)
                yield "arrives", (members, others + ((which, "in", said),), after, faults)
                if left["lost"]:
                    yield "request lost", self.answer((members, others, rows, self.spend(faults, "lost")), which, "no answer", None)
                if left["late"]:
                    yield "client gives up", self.answer((members, others + ((which, "late", None),), rows, self.spend(faults, "late")), which, "no answer", None)
            elif where == "in":
                yield "answer", self.answer((members, others, rows, faults), which, *said)
                if left["lost"]:
                    yield "answer lost", self.answer((members, others, rows, self.spend(faults, "lost")), which, "no answer", None)
            else:
                yield "late one arrives", (members, others, self.arrive(rows, which)[0], faults)

    def of_server(self, state):
        members, requests, rows, faults = state
        left = dict(zip(FAULTS, faults))
        for i in MEMORIES:
            if "q" in rows[i]:
                yield f"store {i}", (members, requests, self.store(rows, i), faults)
            if "p" in rows[i]:
                yield f"process {i}", (members, requests, self.change(rows, i, "p", "x"), faults)
                if left["fail"]:
                    yield f"fail {i}", (members, requests, self.change(rows, i, "p", "f"), self.spend(faults, "fail"))
            if "f" in rows[i] and members[i][0] == "F":
                yield f"kick {i}", (members, requests, self.change(rows, i, "f", "p"), faults)
        if left["server"]:
            lost = tuple(tuple(r for r in row if r != "q") or ("-",) for row in rows)
            now = (members, tuple(r for r in requests if r[1] == "late"), lost, self.spend(faults, "server"))
            for which, where, _ in requests:
                if where != "late":
                    now = self.answer(now, which, "no answer", None)
            yield "server crashes", now

    def crash(self, state):
        members, requests, rows, faults = state
        if dict(zip(FAULTS, faults))["crash"]:
            back = tuple((s, n, "unclear" if p == "sending" else p) for s, n, p in members)
            yield "we crash", (back, tuple((w, "late", None) for w, place, _ in requests if place == "out"), rows, self.spend(faults, "crash"))

    def steps(self, state):
        for part in (self.of_us, self.of_network, self.of_server, self.crash):
            yield from part(state)

    def is_right(self, state):
        return all(m[0] == "D" for m in state[0]) and all(row.count("x") == 1 and len(row) == 1 for row in state[2]) and not state[1]


def explore(model):
    """(states, broken: words or None)"""
    before = {model.first: []}
    parent = {model.first: None}
    todo = deque([model.first])

    def path(state):
        names = []
        while parent[state] is not None:
            name, state = parent[state]
            names.append(name)
        return " > ".join(reversed(names)) or "(the first state)"

    while todo:
        state = todo.popleft()
        try:
            for name, following in model.steps(state):
                if model.is_14 and any(sum(r in "pfx" for r in row) > 1 for row in following[2]):
                    raise Broken("1.4 holds a text twice")
                if following not in parent:
                    parent[following] = (name, state)
                    before[following] = []
                    todo.append(following)
                before[following].append(state)
        except Broken as why:
            return len(parent), f"{why}: {path(state)}"
    good = {s for s in parent if model.is_right(s)}
    todo = deque(good)
    while todo:
        for state in before[todo.popleft()]:
            if state not in good:
                good.add(state)
                todo.append(state)
    stuck = [s for s in parent if s not in good]
    return len(parent), f"{len(stuck)} states without a way to the right end: {path(stuck[0])}" if stuck else None


NONE = (0,) * len(FAULTS)
SINGLE = [tuple(int(i == k) for k in range(len(FAULTS))) for i in range(len(FAULTS))]
PAIRS = [tuple(a + b for a, b in zip(one, two)) for i, one in enumerate(SINGLE) for two in SINGLE[i:]]
RUNS = [(is_14, faults) for is_14 in (True, False) for faults in [NONE] + SINGLE] + [(True, faults) for faults in PAIRS]
DEEP = [(False, faults) for faults in PAIRS]  # minutes, and gigabytes

PLANTED = [
    ("accepted is done", "sighting", "stored", "ours, unfinished", "done"),
    ("no answer: send again", "batch", "sending", "no answer", ("ready", "wait, target")),
    ("absent, unproven: send again", "sighting", "unclear", "absent, unproven", "send again"),
    ("a known name is dead", "batch", "sending", "exists, named", ("ready", "split, dead")),
    ("a processed one is sent again", "sighting", "unclear", "ours, processed", "send again"),
    ("the deadline does nothing", "batch", "accepted", "deadline", ("accepted", "nothing")),
]


def check(tables, runs, stops=False):
    states, broken = 0, []
    for is_14, faults in runs:
        count, why = explore(Model(tables, is_14, faults))
        states += count
        if why:
            broken.append(f"{'1.4' if is_14 else '1.5'} {dict(zip(FAULTS, faults))}: {why}")
        if broken and stops:
            break
    return states, broken


def plant(tables, kind, row, column, what):
    planted = copy.deepcopy(tables)
    if kind == "batch":
        planted[kind][row][column].update(next=what[0], action=what[1])
    else:
        planted[kind][row][column] = what
    return planted


def main():
    source = sys.argv[1]
    text = open(source).read() if source.endswith(".json") else subprocess.run([source], check=True, capture_output=True, text=True).stdout
    tables = json.loads(text)
    runs = RUNS + (DEEP if "--deep" in sys.argv else [])
    states, broken = check(tables, runs)
    print("\n".join(broken + [f"model: {len(runs)} runs, {states} states, {len(broken)} broken"]))
    code = 1 if broken else 0
    if "--planted" in sys.argv:
        for name, *rest in PLANTED:
            _, found = check(plant(tables, *rest), RUNS, stops=True)
            print(f"model: planted \"{name}\": " + (f"caught: {found[0][:200]}" if found else "NOT CAUGHT"))
            code = code or (0 if found else 1)
    return code


if __name__ == "__main__":
    sys.exit(main())
