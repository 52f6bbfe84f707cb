#!/usr/bin/env python3
"""Checks a draw offline, as `usher verify-draw` does and without any of its code.

    verify_draw.py FAIRNESS.json PROOF.json... [--kept FILE]... [--cohort FILE] [--token FILE]...

Prints one line for each thing that there is to check; exits with 1 if one fails, with 0 otherwise.
The encoding is described in waiting-room/FAIRNESS.md.
"""
import base64, hashlib, hmac, json, sys

lines = []


def say(holds, file, what):
    lines.append(f"{'holds' if holds else 'FAILS'}  {file}: {what}")
    return holds


def unchecked(file, what):
    lines.append(f"NOT CHECKED  {file}: {what}")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u64(number):
    return number.to_bytes(8, "big")


def from_base64url(text):
    found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(found).rstrip(b"=") != text.encode():
        raise ValueError("not the one spelling of these bytes")
    return found


def digest(text):
    found = from_base64url(text)
    if len(found) != 32:
        raise ValueError("not 32 bytes")
    return found


def permute(seed, count, index):
    """A balanced Feistel network of four rounds over an even number of bits, with cycle walking."""
    half_bits = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half_bits) - 1
    value = index
    while True:
        left, right = value >> half_bits, value & mask
        for number in range(4):
            mac = hmac.digest(seed, bytes([number]) + u64(right), "sha256")
            left, right = right, left ^ int.from_bytes(mac[:8], "big") & mask
        value = left << half_bits | right
        if value < count:
            return value


def leaf(index, token_hash):
    return sha256(b"\0", u64(index), token_hash)


def node(left, right):
    return sha256(b"\1", left, right)


def root_of(level):
    if not level:
        return sha256()
    while len(level) > 1:
        pairs = [level[at:at + 2] for at in range(0, len(level), 2)]
        level = [node(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


def climb(index, count, found, path):
    if not 0 <= index < count:
        return None
    path = list(path)
    while count > 1:
        if index ^ 1 < count:
            if not path:
                return None
            sibling = path.pop(0)
            found = node(sibling, found) if index & 1 else node(found, sibling)
        index, count = index // 2, (count + 1) // 2
    return None if path else found


def read_draw(body):
    names = ("commitment", "root", "secret", "seed")
    draw = {name: digest(body[name]) for name in names}
    beacon = (body["beacon"] or "").encode()
    event, draw["n"], draw["first"] = body["event"].encode(), body["n"], body["firstNumber"]
    if not (0 <= draw["n"] <= 0xFFFF_FFFF and 0 <= draw["first"] <= 0xFFFF_FFFF):
        raise ValueError("no room has as many places")
    witnesses = body.get("witnesses", [])
    draw["witnesses"] = [(digest(one["commitment"]), digest(one["secret"])) for one in witnesses]
    secrets = [secret for _, secret in draw["witnesses"]]
    draw["has its beacon"] = bool(body.get("beaconRequired")) == bool(beacon)
    domain, count = b"usher draw seed v1\0", b""
    if secrets:
        domain, count = b"usher draw seed v2\0", bytes([len(secrets)])
    parts = (event, draw["root"], u64(draw["n"]), draw["secret"], count, *secrets, beacon)
    draw["made"] = sha256(domain, bytes([len(event)]), *parts)
    return draw


def is_known(body):
    return body["encoding"] == ("usher-draw-v2" if body.get("witnesses") else "usher-draw-v1")


def check_fairness(file, statements):
    drawn = [one for one in statements if one["root"] and one["seed"]]
    known = all(is_known(one) for one in drawn)
    if not say(drawn and known, file, "has draws in the encoding that their witnesses ask for"):
        return []
    draws = [read_draw(one) for one in drawn]
    for draw in draws:
        is_of = lambda found, secret: found == sha256(b"usher draw commitment v1\0", secret)
        committed = is_of(draw["commitment"], draw["secret"])
        say(committed, file, "the secret is that of the commitment beside it")
        for at, witness in enumerate(draw["witnesses"], 1):
            say(is_of(*witness), file, f"the secret of witness {at} is that of its commitment")
        say(draw["has its beacon"], file, "there is a beacon if, and only if, one is required")
        say(draw["seed"] == draw["made"], file, "the seed follows from root, n, secrets and beacon")
    return draws


def read_statements(data):
    body = json.loads(data)
    return [body, *body["earlier"]]


def stays(before, now):
    """Whether all that was said of a draw is said now."""
    witnesses = lambda said: [one["commitment"] for one in said.get("witnesses", [])]
    promised = lambda said: (said["event"], said["commitment"], bool(said.get("beaconRequired")))
    known = [name for name in ("root", "n", "secret", "beacon", "seed") if before[name] is not None]
    same = all(before[name] == now[name] for name in known)
    return same and promised(before) == promised(now) and witnesses(before) == witnesses(now)


def check_kept(file, kept, statements):
    """Returns the first numbers of the draws of which something was kept from before the close."""
    kept = [one for one in kept if one["commitment"] and one["firstNumber"] is not None]
    for before in kept:
        first = before["firstNumber"]
        found = [now for now in statements if now["firstNumber"] == first]
        same = found and all(stays(before, now) for now in found)
        if same and not any(now["seed"] for now in found):
            unchecked(file, f"the draw from number {first} is made")
        else:
            say(same, file, f"what it says of the draw from number {first} is still said")
    return [before["firstNumber"] for before in kept if before["root"] is None]


def check_proof(file, body, draws, promised):
    index, count, seed = body["index"], body["n"], digest(body["seed"])
    draw = next((one for one in draws if (one["seed"], one["n"]) == (seed, count)), None)
    if not say(draw and 0 <= index < count, file, "is of a draw in the statement"):
        return None
    if promised is not None:
        say(draw["first"] in promised, file, "is of a draw that was kept before its close")
    token_hash, path = digest(body["tokenHash"]), [digest(one) for one in body["path"]]
    root = climb(index, count, leaf(index, token_hash), path)
    say(root == draw["root"], file, f"the token is in the draw, at index {index}")
    number = draw["first"] + permute(seed, count, index)
    say(number == body["number"], file, f"index {index} got number {number}")
    return token_hash


def check_cohort(file, data, draws):
    hashes = [data[at:at + 32] for at in range(0, len(data), 32)]
    whole = len(data) % 32 == 0
    found = whole and root_of([leaf(index, one) for index, one in enumerate(hashes)])
    of = [one for one in draws if (one["root"], one["n"]) == (found, len(hashes))]
    if not say(of, file, "has root and n of a draw in the statement"):
        return
    seed, count = of[0]["seed"], of[0]["n"]
    numbers = {permute(seed, count, index) for index in range(count)}
    say(len(numbers) == count, file, f"each of {count} places got a number of its own")


def reading(file, check, *arguments):
    try:
        return check(file, *arguments)
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError):
        say(False, file, "can be read")
        return None


def main(arguments):
    files, kept, cohorts, tokens = [], [], [], []
    while arguments:
        argument = arguments.pop(0)
        kind = {"--kept": kept, "--cohort": cohorts, "--token": tokens}.get(argument)
        (files if kind is None else kind).append(argument if kind is None else arguments.pop(0))
    data = {file: open(file, "rb").read() for file in files + kept + cohorts + tokens}
    fairness, *proofs = files
    of_file = lambda file: read_statements(data[file])
    statements = reading(fairness, of_file) or []
    draws = statements and reading(fairness, check_fairness, statements) or []
    promised = [] if kept else None
    for file in kept:
        promised += reading(file, lambda file: check_kept(file, of_file(file), statements)) or []
    for first in [one["first"] for one in draws if one["first"] not in (promised or [])]:
        unchecked(fairness, f"the draw from number {first} has the commitment, the witnesses and "
                  "the beaconRequired that were shown before its close: give what was kept from "
                  "then with --kept")
    hashes = []
    for proof in proofs:
        check = lambda file: check_proof(file, json.loads(data[file]), draws, promised)
        hashes.append(reading(proof, check))
    for file in cohorts if draws else []:
        check_cohort(file, data[file], draws)
    for file in tokens:
        check = lambda file: sha256(b"usher draw token v1\0", from_base64url(data[file].decode().strip()))
        found = reading(file, check)
        if found is not None:
            say(found in hashes, file, "is the token of a proof")
    print("\n".join(lines))
    return 1 if any(line.startswith("FAILS") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
