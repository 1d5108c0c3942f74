"""A Jabber client for tests: commands as JSON lines on stdin, events as JSON
lines on stdout. It answers subscription requests only when told to."""
import asyncio, json, sys
import xml.etree.ElementTree as ET
import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

LANG = "{http://www.w3.org/XML/1998/namespace}lang"
C = "{jabber:client}"


def emit(**ev):
    sys.stdout.write(json.dumps(ev) + "\n")
    sys.stdout.flush()


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password):
        super().__init__(jid, password)
        self.auto_authorize = None
        self.auto_subscribe = False
        for plugin in ("xep_0030", "xep_0115", "xep_0163", "xep_0199", "xep_0092"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("failed_auth", lambda _: emit(ev="failed", why="auth"))
        self.add_event_handler("connection_failed", lambda e: emit(ev="failed", why=str(e)))
        self.add_event_handler("disconnected", lambda e: emit(ev="disconnected"))
        for kind in ("presence", "message", "iq"):
            self.register_handler(Callback("all " + kind, MatchXPath(C + kind), self.came))

    async def started(self, _):
        await self.get_roster()
        emit(ev="started", jid=self.boundjid.full)

    def came(self, st):
        x = st.xml
        ev = dict(ev=x.tag.split("}")[1], xml=ET.tostring(x, encoding="unicode"))
        for a in ("from", "to", "type", "id"):
            ev[a] = x.get(a, "")
        if ev["ev"] == "presence":
            ev["show"] = x.findtext(C + "show", "")
            ev["priority"] = x.findtext(C + "priority", "")
            ev["status"] = {s.get(LANG, ""): s.text or "" for s in x.findall(C + "status")}
            err = x.find(C + "error")
            if err is not None:
                ev["error"] = [c.tag.split("}")[1] for c in err]
        emit(**ev)


async def commands(xmpp):
    reader = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_event_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        line = await reader.readline()
        if not line:
            break
        c = json.loads(line)
        if c["cmd"] == "raw":
            xmpp.send_raw(c["xml"])
        elif c["cmd"] == "abort":  # the TCP connection is cut, without a goodbye
            xmpp.abort()
        elif c["cmd"] == "quit":
            break
    await xmpp.disconnect(wait=1.0)


def main():
    host, port, jid, password = sys.argv[1:5]
    xmpp = Client(jid, password)
    xmpp.connect((host, int(port)), disable_starttls=True)
    xmpp.loop.run_until_complete(commands(xmpp))


main()
