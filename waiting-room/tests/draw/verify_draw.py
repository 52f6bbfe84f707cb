#!/usr/bin/env python3
"""Checks a draw offline, as `usher verify-draw` does and without any of its code.

    verify_draw.py FAIRNESS.json PROOF.json... [--cohort FILE] [--token FILE]...

Prints one line for each thing that it checks; exits with 0 if all of them hold, with 1 otherwise.
The encoding is described in waiting-room/FAIRNESS.md.
"""
import base64, hashlib, hmac, json, sys

lines = []


def say(holds, file, what):
    lines.append((bool(holds), f"{'holds' if holds else 'FAILS'}  {file}: {what}"))
    return holds


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
    domain, count = b"usher draw seed v1\0", b""
    if secrets:
        domain, count = b"usher draw seed v2\0", bytes([len(secrets)])
    parts = (event, draw["root"], u64(draw["n"]), draw["secret"], count, *secrets, beacon)
    draw["made"] = sha256(domain, bytes([len(event)]), *parts)
    return draw


def is_known(body):
    return body["encoding"] == ("usher-draw-v2" if body.get("witnesses") else "usher-draw-v1")


def check_fairness(file, body):
    drawn = [one for one in [body, *body["earlier"]] if one["root"] and one["seed"]]
    known = all(is_known(one) for one in drawn)
    if not say(drawn and known, file, "has draws in the encoding that their witnesses ask for"):
        return []
    draws = [read_draw(one) for one in drawn]
    for draw in draws:
        is_of = lambda found, secret: found == sha256(b"usher draw commitment v1\0", secret)
        committed = is_of(draw["commitment"], draw["secret"])
        say(committed, file, "the secret is the one that was committed to")
        for at, witness in enumerate(draw["witnesses"], 1):
            say(is_of(*witness), file, f"the secret of witness {at} is the one committed to")
        say(draw["seed"] == draw["made"], file, "the seed follows from root, n, secrets and beacon")
    return draws


def check_proof(file, body, draws):
    index, count, seed = body["index"], body["n"], digest(body["seed"])
    draw = next((one for one in draws if (one["seed"], one["n"]) == (seed, count)), None)
    if not say(draw and 0 <= index < count, file, "is of a draw in the statement"):
        return None
    token_hash, path = digest(body["tokenHash"]), [digest(one) for one in body["path"]]
    root = climb(index, count, leaf(index, token_hash), path)
    say(root == draw["root"], file, f"the token is in the draw, at index {index}")
    number = draw["first"] + permute(seed, count, index)
    say(number == body["number"], file, f"index {index} got number {number}")
    return token_hash


def check_cohort(file, data, draw):
    hashes = [data[at:at + 32] for at in range(0, len(data), 32)]
    whole = len(data) == 32 * draw["n"]
    found = whole and root_of([leaf(index, one) for index, one in enumerate(hashes)])
    if not say(found == draw["root"], file, f"has the root of {draw['n']} places"):
        return
    numbers = {permute(draw["seed"], draw["n"], index) for index in range(draw["n"])}
    say(len(numbers) == draw["n"], file, "every place got a number of its own")


def reading(file, check, *arguments):
    try:
        return check(file, *arguments)
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError):
        say(False, file, "can be read")
        return None


def main(arguments):
    files, cohorts, tokens = [], [], []
    while arguments:
        argument = arguments.pop(0)
        kind = {"--cohort": cohorts, "--token": tokens}.get(argument)
        (files if kind is None else kind).append(argument if kind is None else arguments.pop(0))
    data = {file: open(file, "rb").read() for file in files + cohorts + tokens}
    fairness, *proofs = files
    draws = reading(fairness, lambda file: check_fairness(file, json.loads(data[file]))) or []
    hashes = []
    for proof in proofs:
        check = lambda file: check_proof(file, json.loads(data[file]), draws)
        hashes.append(reading(proof, check))
    for file in cohorts if draws else []:
        check_cohort(file, data[file], draws[0])
    for file in tokens:
        check = lambda file: sha256(b"usher draw token v1\0", from_base64url(data[file].decode().strip()))
        found = reading(file, check)
        if found is not None:
            say(found in hashes, file, "is the token of a proof")
    print("\n".join(line for _, line in lines))
    return 0 if all(holds for holds, _ in lines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
