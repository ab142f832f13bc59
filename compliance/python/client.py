"""A python-socketio client that obeys lines of JSON on its input and tells on its output what happens.

Its handlers take exactly one argument, as handlers in Python programs do: a further one would be a
TypeError, which is reported as a failure.
"""

import json
import sys
import threading

import socketio

EVENTS = (
    *("room_joined", "message_history", "new_message", "chat_list_update", "more_messages", "error"),
    *("App\\Events\\ChatMessageEvent", "App\\Events\\UserBannedEvent"),
)

out = threading.Lock()


def tell(**what):
    with out:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


class Client(socketio.Client):
    def _trigger_event(self, event, namespace, *args):
        try:
            return super()._trigger_event(event, namespace, *args)
        except TypeError as error:
            tell(failed=f"{event}: {error}")
            raise


sio = Client(reconnection_delay=0.05, reconnection_delay_max=0.2, randomization_factor=0)


def handle(name):
    def handler(data):
        tell(event=name, args=[data])

    sio.on(name, handler)


for name in EVENTS:
    handle(name)
sio.on("connect", lambda: tell(connected=sio.transport()))
sio.on("disconnect", lambda reason: tell(disconnected=str(reason)))
sio.on("connect_error", lambda data: tell(refused=data if isinstance(data, (str, dict)) else str(data)))


def obey(order):
    do = order["do"]
    if do == "connect":
        sio.connect(order["url"], transports=order.get("transports"), auth=order.get("auth"), wait_timeout=10)
    elif do == "emit":
        ack = order.get("ack")
        callback = None if ack is None else (lambda *args: tell(ack=ack, args=list(args)))
        sio.emit(order["event"], order["data"], callback=callback)
    elif do == "disconnect":
        sio.disconnect()


for line in sys.stdin:
    try:
        obey(json.loads(line))
    except Exception as error:  # told, not hidden: the test decides
        tell(failed=f"{type(error).__name__}: {error}")
sio.disconnect()
