"""Prints the alerts of a Lanner bus.

    subscriber.py --user reader.soc.lanner --cert soc.crt --key soc.key --ca ca.crt live 'lanner.alerts.>'
    subscriber.py --user reader.soc.lanner --cert soc.crt --key soc.key --ca ca.crt durable LANNER_ALERTS reader_soc

live shows what is published while it is connected. durable shows everything:
each alert comes again until it is acknowledged, so it may come twice, and what
was worked on is known by its id.
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys
from collections import OrderedDict

import nats
import nats.errors


def log(text):
    print(text, file=sys.stderr, flush=True)


class Recent:
    """Remembers the last ids: enough for what comes twice within minutes."""

    def __init__(self, size):
        self.ids = OrderedDict()
        self.size = size

    def __contains__(self, one):
        return one in self.ids

    def add(self, one):
        self.ids[one] = None
        if len(self.ids) > self.size:
            self.ids.popitem(last=False)


def inbox(user):
    """Answers come to inboxes of our own; other ones are refused."""
    return "_INBOX_" + user.replace(".", "_")


async def connect(args):
    tls = ssl.create_default_context(cafile=args.ca)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    # Read once: start again after a certificate was renewed.
    if args.cert:
        tls.load_cert_chain(args.cert, args.key)

    async def disconnected():
        log("disconnected")

    async def reconnected():
        log("connected again")

    # A refused subject and a slow reader are told here, and nowhere else.
    async def error(error):
        log(f"error: {error!r}")

    return await nats.connect(
        args.server.split(","),
        name=args.user,
        tls=tls,
        # The bus speaks TLS from the first byte on.
        tls_handshake_first=True,
        # In place of a certificate; takes `pip install nats-py[nkeys]`.
        user_credentials=args.creds,
        inbox_prefix=inbox(args.user),
        # For ever: the default gives up after two minutes.
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        disconnected_cb=disconnected,
        reconnected_cb=reconnected,
        error_cb=error,
    )


async def live(nc, subject):
    """Prints what is published from now on; what is published while the
    connection is away is not seen."""
    subscription = await nc.subscribe(subject)
    await nc.flush()
    log(f"listening to {subject}")
    async for message in subscription.messages:
        try:
            show(parse(message.data))
        except ValueError as error:
            log(error)


async def durable(nc, user, stream, consumer):
    """Prints what its consumer holds, and from then on what comes. The consumer
    remembers what was acknowledged, also while nobody reads."""
    # It was made for us, by `lanner bus setup`: a reader cannot make one.
    subscription = await nc.jetstream().pull_subscribe_bind(
        consumer,
        stream,
        # Older nats-py takes that of the connection for requests only.
        inbox_prefix=f"{inbox(user)}.".encode(),
    )
    log(f"reading {consumer} of {stream}")
    done = Recent(100_000)
    while True:
        try:
            # Less than the consumer may hold unacknowledged, so that two programs can share it.
            for message in await subscription.fetch(100, timeout=5):
                await work_off(message, done)
        except nats.errors.TimeoutError:
            pass  # There was none.
        except nats.errors.Error as error:
            # The server is away. What is not acknowledged comes again.
            log(f"cannot read now: {error!r}")
            await asyncio.sleep(1)


async def work_off(message, done):
    try:
        alert = parse(message.data)
    except ValueError as error:
        log(error)
        # No alert, and never will be one: do not send it again.
        await message.term()
        return
    if alert["id"] not in done:
        # First the work, then the acknowledgement. What has to survive the end of
        # this program as well is kept where the work goes: the id as a unique key.
        show(alert)
        done.add(alert["id"])
    await message.ack()


def parse(data):
    try:
        alert = json.loads(data)
    except ValueError as error:
        raise ValueError(f"not an alert: {error}") from error
    if not isinstance(alert, dict) or "id" not in alert:
        raise ValueError("not an alert: without id")
    return alert


def show(alert):
    """The work: here, one line. As JSON nothing that an attacker wrote acts on the terminal."""
    shown = [alert.get(key) for key in ("id", "priority", "rule", "node", "output")]
    print(json.dumps(shown), flush=True)


async def main(args):
    nc = await connect(args)
    if args.command == "live":
        work = live(nc, args.subject)
    else:
        work = durable(nc, args.user, args.stream, args.consumer)
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass
    finally:
        await nc.close()


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="tls://127.0.0.1:4222", help="addresses, separated by commas")
    parser.add_argument("--user", required=True, help="who we are, such as reader.soc.lanner")
    parser.add_argument("--ca", default="ca.crt", help="certificate of the authority")
    parser.add_argument("--cert", help="our certificate")
    parser.add_argument("--key", help="the key of our certificate")
    parser.add_argument("--creds", help="our credentials, in place of a certificate")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("live")
    one.add_argument("subject")
    one = commands.add_parser("durable")
    one.add_argument("stream")
    one.add_argument("consumer")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
